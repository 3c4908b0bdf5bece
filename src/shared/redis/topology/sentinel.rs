//! Which server is the master, by the word of the sentinels.
//!
//! A demoted master goes on accepting writes for many seconds, and they are lost when it learns of
//! its demotion. So it has to be left the moment that any sentinel knows: each one is listened to,
//! and asked every second in case it was not heard.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult, Value};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::failure::Failure;
use super::super::tls::Tls;
use super::super::url::{Place, Target};
use super::super::way::Way;
use super::known::{self, Known, switch};
use crate::sync::Mutex;

/// Most time for one sentinel to answer.
const ANSWER: Duration = Duration::from_millis(500);
/// How often each is asked.
const EVERY: Duration = Duration::from_secs(1);
/// What they announce: `<name> <old host> <old port> <new host> <new port>`.
const SWITCH: &str = "+switch-master";
/// Why the connections to the master of before are dropped.
const DEMOTED: &str = "the sentinels name another master";

/// The sentinels of one master.
pub(in super::super) struct Sentinels {
    circle: Arc<Circle>,
    /// One that listens to each sentinel. They end with this value.
    listeners: Mutex<JoinSet<()>>,
}

struct Circle {
    target: Target,
    tls: Tls,
    master: String,
    sentinels: Vec<Client>,
    known: Mutex<Known>,
    /// The way to the master.
    way: Arc<Way>,
}

impl Sentinels {
    pub(super) fn new(target: &Target, tls: &Tls, way: &Arc<Way>) -> RedisResult<Self> {
        let (mut sentinels, mut name) = (Vec::new(), String::new());
        if let Place::Sentinels {
            hosts,
            master,
            login,
        } = &target.place
        {
            for host in hosts {
                sentinels.push(target.client(host, login, 0, tls)?);
            }
            name.clone_from(master);
        }
        let circle = Circle {
            target: target.clone(),
            tls: tls.clone(),
            master: name,
            sentinels,
            known: Mutex::new(Known::default()),
            way: Arc::clone(way),
        };
        Ok(Self {
            circle: Arc::new(circle),
            listeners: Mutex::new(JoinSet::new()),
        })
    }

    /// Listens to all of them from now on.
    pub(super) fn listen(&self) {
        let mut listeners = self.listeners.lock();
        for sentinel in &self.circle.sentinels {
            let circle = Arc::clone(&self.circle);
            listeners.spawn(listen(circle, sentinel.clone()));
        }
    }

    /// The master's client, by the first answer that is not out of date.
    pub(super) async fn find(&self) -> Result<Client, Failure> {
        let mut asked = JoinSet::new();
        for sentinel in &self.circle.sentinels {
            let (circle, sentinel) = (Arc::clone(&self.circle), sentinel.clone());
            asked.spawn(async move {
                let answer = async {
                    let mut link = circle
                        .connect(&sentinel, AsyncConnectionConfig::new())
                        .await?;
                    circle.ask(&mut link).await
                };
                let answer = timeout(ANSWER, answer).await;
                answer.unwrap_or(Err(Failure::Late))
            });
        }
        let (mut outdated, mut words) = (Vec::new(), String::from("none is given"));
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(answer)) if self.circle.known.lock().accepts(&answer) => {
                    return self.circle.client(&answer);
                }
                Ok(Ok(answer)) => outdated.push(answer),
                Ok(Err(failure)) => words = failure.words(),
                Err(_) => {}
            }
        }
        // Epochs start again where a master is taken out and monitored anew.
        let agreed = |answer: &Known| {
            let same = outdated.iter().filter(|other| *other == answer).count();
            same * 2 > self.circle.sentinels.len()
        };
        if let Some(answer) = outdated.iter().find(|answer| agreed(answer)) {
            self.circle.known.lock().clone_from(answer);
            return self.circle.client(answer);
        }
        Err(Failure::Nowhere(format!(
            "no sentinel says where the master is: {words}"
        )))
    }
}

impl Circle {
    async fn connect(
        &self,
        sentinel: &Client,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Failure> {
        let config = config
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let link = sentinel.get_multiplexed_async_connection_with_config(&config);
        Ok(link.await?)
    }

    async fn ask(&self, link: &mut MultiplexedConnection) -> Result<Known, Failure> {
        let mut pipe = redis::pipe();
        // While a failover is under way, only the first one names the new master already.
        pipe.cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.master);
        pipe.cmd("SENTINEL").arg("MASTER").arg(&self.master);
        known::read(&pipe.query_async(link).await?)
    }

    fn client(&self, known: &Known) -> Result<Client, Failure> {
        let target = &self.target;
        let client = (known.host.as_ref())
            .map(|host| target.client(host, &target.login, target.db, &self.tls));
        let nowhere = || Failure::Nowhere("the sentinels know no master".into());
        Ok(client.ok_or_else(nowhere)??)
    }

    /// Called by the task that reads the socket: the connections are gone before the next call.
    fn heard(&self, push: &PushInfo) {
        let [_, Value::BulkString(payload)] = push.data.as_slice() else {
            return;
        };
        let text = String::from_utf8_lossy(payload);
        let Some((old, new)) = switch(&text, &self.master) else {
            return;
        };
        if self.known.lock().switched(&old, new) {
            self.way.turn(DEMOTED);
        }
    }
}

async fn listen(circle: Arc<Circle>, sentinel: Client) {
    loop {
        // The next attempt will tell; that none at all can be reached is told by who needs one.
        if let Err(failure) = listen_once(&circle, &sentinel).await {
            let words = failure.words();
            tracing::debug!(target: "bellwether::redis", "a sentinel was lost ({words})");
        }
        sleep(EVERY).await;
    }
}

async fn listen_once(circle: &Arc<Circle>, sentinel: &Client) -> Result<(), Failure> {
    let ours = Arc::downgrade(circle);
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        let circle = Weak::upgrade(&ours).ok_or(SendError)?;
        if push.kind == PushKind::Message {
            circle.heard(&push);
        }
        Ok::<_, SendError>(())
    });
    let mut link = circle.connect(sentinel, config).await?;
    // Subscribed first: a switch that comes in between is heard or seen.
    link.subscribe(SWITCH).await?;
    loop {
        let answer = circle.ask(&mut link).await?;
        if circle.known.lock().is_refuted_by(&answer) {
            circle.way.turn(DEMOTED);
        }
        sleep(EVERY).await;
    }
}
