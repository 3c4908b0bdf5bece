//! Clients that come when they come: each request has its time, and is late from then on, however
//! long those before it take. (A client that waits for its answer before it asks again hides the
//! wait of all who would have come meanwhile.)

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::origin::NODE;
use crate::scenario::Pages;

/// Who waits longer has given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request of a client. Times are microseconds since the bench began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it was to be sent.
    pub(crate) due: u64,
    pub(crate) took: u64,
    /// 0: there was no answer.
    pub(crate) status: u16,
    /// When the origin made it.
    pub(crate) made: u64,
    /// A node was gone, and another one was asked.
    pub(crate) retried: bool,
}

impl Sample {
    pub(crate) fn is_error(&self) -> bool {
        self.status != StatusCode::OK.as_u16()
    }

    /// How old the answer was when it came.
    pub(crate) fn age(&self) -> u64 {
        (self.due + self.took).saturating_sub(self.made)
    }
}

type Idle = RefCell<Vec<SendRequest<Empty<Bytes>>>>;

struct Site {
    began: Instant,
    nodes: Vec<String>,
    idle: Vec<Idle>,
    samples: RefCell<Vec<Sample>>,
}

/// Draws pages.
struct Draw {
    pages: Pages,
    /// For Zipf: up to which share of the requests each page goes.
    shares: Vec<f64>,
    rng: fastrand::Rng,
}

impl Draw {
    fn new(pages: Pages) -> Self {
        let mut total = 0.0;
        let shares = match pages {
            Pages::Evenly(_) => Vec::new(),
            Pages::Zipf(count) => (1..=count)
                .map(|rank| {
                    total += 1.0 / rank as f64;
                    total
                })
                .collect(),
        };
        Self {
            pages,
            shares,
            // The same requests in each run.
            rng: fastrand::Rng::with_seed(7),
        }
    }

    fn page(&mut self) -> usize {
        match self.pages {
            Pages::Evenly(count) => self.rng.usize(..count),
            Pages::Zipf(_) => {
                let total = self.shares.last().copied().unwrap_or(1.0);
                let at = self.rng.f64() * total;
                self.shares.partition_point(|share| *share < at)
            }
        }
    }
}

/// Sends `rate` requests in a second for so long, to all nodes in turn, and waits for the last
/// answer. Call within a `LocalSet`.
pub(crate) async fn run(
    began: Instant,
    nodes: &[String],
    pages: Pages,
    rate: u64,
    length: Duration,
) -> Vec<Sample> {
    let site = Rc::new(Site {
        began,
        nodes: nodes.to_vec(),
        idle: nodes.iter().map(|_| RefCell::new(Vec::new())).collect(),
        samples: RefCell::new(Vec::new()),
    });
    let mut draw = Draw::new(pages);
    let mut dues = pace(rate, length);
    let mut clients = Vec::new();
    while let Some(due) = dues.recv().await {
        let (site, page) = (Rc::clone(&site), draw.page());
        let node = draw.rng.usize(..site.nodes.len());
        clients.push(tokio::task::spawn_local(async move {
            site.client(node, page, due).await;
        }));
    }
    for client in clients {
        client.await.expect("a client does not panic");
    }
    site.samples.take()
}

/// Tells when each request is due. A thread of its own: a runtime's timers know milliseconds only,
/// and a hit takes less.
fn pace(rate: u64, length: Duration) -> UnboundedReceiver<Instant> {
    let (tell, dues) = unbounded_channel();
    let total = u32::try_from(rate * length.as_secs()).expect("not that many");
    let start = Instant::now() + Duration::from_millis(1);
    std::thread::spawn(move || {
        for number in 0..total {
            let due = start + Duration::from_secs(1) * number / rate as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if tell.send(due).is_err() {
                return;
            }
        }
    });
    dues
}

/// Fetches every page from every node once.
pub(crate) async fn warm(began: Instant, nodes: &[String], pages: usize) {
    let site = Rc::new(Site {
        began,
        nodes: nodes.to_vec(),
        idle: nodes.iter().map(|_| RefCell::new(Vec::new())).collect(),
        samples: RefCell::new(Vec::new()),
    });
    for node in 0..nodes.len() {
        let mut clients = Vec::new();
        for page in 0..pages {
            let site = Rc::clone(&site);
            clients.push(tokio::task::spawn_local(async move {
                site.client(node, page, Instant::now()).await;
            }));
            if clients.len() == 100 {
                join(&mut clients).await;
            }
        }
        join(&mut clients).await;
    }
    let cold = site
        .samples
        .borrow()
        .iter()
        .filter(|one| one.is_error())
        .count();
    assert_eq!(cold, 0, "every page can be fetched");
}

async fn join(clients: &mut Vec<tokio::task::JoinHandle<()>>) {
    for client in clients.drain(..) {
        client.await.expect("a client does not panic");
    }
}

impl Site {
    async fn client(&self, node: usize, page: usize, due: Instant) {
        let mut retried = false;
        let mut answer = None;
        // As a load balancer does: once more, at the next one.
        for node in [node, (node + 1) % self.nodes.len()] {
            let asked = timeout(PATIENCE, self.ask(node, page)).await;
            if let Ok(Some(said)) = asked {
                answer = Some(said);
                break;
            }
            retried = true;
            if due.elapsed() >= PATIENCE {
                break;
            }
        }
        let micros = |time: Duration| u64::try_from(time.as_micros()).expect("not that long");
        let (status, made) = answer.unwrap_or((0, 0));
        self.samples.borrow_mut().push(Sample {
            due: micros(due - self.began),
            took: micros(due.elapsed()),
            status,
            made,
            retried: retried && status != 0,
        });
    }

    /// Status, and when it was made. `None`: there is nobody, or they hung up.
    async fn ask(&self, node: usize, page: usize) -> Option<(u16, u64)> {
        loop {
            let idle = self.idle[node].borrow_mut().pop();
            let reused = idle.is_some();
            let mut link = match idle {
                Some(link) if link.is_ready() => link,
                Some(_) => continue,
                None => self.connect(node).await?,
            };
            let request = Request::get(format!("/{page}"))
                .header("host", "bench.test")
                .header(NODE, node)
                .body(Empty::new())
                .expect("a request");
            match link.send_request(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let body = response.into_body().collect().await.ok()?.to_bytes();
                    let text = std::str::from_utf8(&body).unwrap_or_default();
                    let made = text.split_whitespace().next();
                    let made = made.and_then(|made| made.parse().ok()).unwrap_or(0);
                    self.idle[node].borrow_mut().push(link);
                    return Some((status, made));
                }
                // It was closed while it lay idle: that is no answer of the node.
                Err(_) if reused => {}
                Err(_) => return None,
            }
        }
    }

    async fn connect(&self, node: usize) -> Option<SendRequest<Empty<Bytes>>> {
        let stream = TcpStream::connect(&self.nodes[node]).await.ok()?;
        let _ = stream.set_nodelay(true);
        let (link, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Some(link)
    }
}
