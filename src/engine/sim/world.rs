//! A fleet in one process, and clients.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::Client;
use super::faulty::{FaultyTier, Road};
use super::history::{Blow, History, Notes, Purge, Purpose};
use super::ledger::Ledger;
use super::life::Life;
use super::mutants::{Fault, Mutant};
use super::pipe::{Flow, Pipe};
use super::site::{Site, Spec};
use crate::clock::VirtualClock;
use crate::engine::{Engine, Tuning};
use crate::lock::Timing;
use crate::shared::{MemoryTier, PurgeKind, SharedTier};
use crate::sync::Mutex;

/// The defaults of the settings.
pub(super) fn tuning() -> Tuning {
    Tuning {
        local_capacity: 256 << 20,
        max_body: 8 << 20,
        fill_capacity: 64 << 20,
        shared_max_body: 1 << 20,
        fetch_timeout: Duration::from_secs(30),
        lock_wait: Duration::from_secs(5),
        lease: Timing {
            lease: Duration::from_secs(3),
            longest: Duration::from_secs(60),
            call: Duration::from_millis(100),
        },
        tier_budget: Duration::from_millis(150),
        uncacheable_local: Duration::from_secs(120),
        uncacheable_shared: Duration::from_secs(10),
        back_off: Duration::from_secs(1),
        back_off_longest: Duration::from_secs(30),
        early_beta: 1.0,
        max_fetches: None,
    }
}

/// One process of the fleet. A restarted one is another.
pub(super) struct Node {
    pub(super) index: usize,
    pub(super) life: Arc<Life>,
    pub(super) engine: Arc<Engine>,
    pub(super) tier: Arc<FaultyTier>,
    pub(super) pipe: Arc<Pipe>,
}

/// What a run begins with.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) nodes: usize,
    pub(super) specs: Vec<Spec>,
    pub(super) road: Road,
    pub(super) flow: Flow,
    pub(super) fault: Option<Fault>,
    /// Nodes are never told of gaps.
    pub(super) careless: bool,
}

impl Setup {
    /// A fleet without any trouble.
    pub(super) fn calm(nodes: usize, specs: Vec<Spec>) -> Self {
        Self {
            nodes,
            specs,
            road: Road::GOOD,
            flow: Flow { delay: 2, lost: 0 },
            fault: None,
            careless: false,
        }
    }
}

/// The fleet, the tier, the site.
pub(super) struct World {
    pub(super) site: Arc<Site>,
    pub(super) history: Arc<History>,
    pub(super) memory: MemoryTier,
    pub(super) nodes: Mutex<Vec<Arc<Node>>>,
    rng: Mutex<fastrand::Rng>,
    setup: Setup,
    base: Arc<dyn SharedTier>,
}

impl World {
    pub(super) fn new(mut rng: fastrand::Rng, setup: Setup) -> Arc<Self> {
        let history = History::new();
        let memory = MemoryTier::new();
        let inner: Arc<dyn SharedTier> = match setup.fault {
            None => Arc::new(memory.clone()),
            Some(fault) => Arc::new(Mutant {
                inner: memory.clone(),
                fault,
            }),
        };
        let base = Arc::new(Ledger {
            inner,
            history: Arc::clone(&history),
        });
        let world = Arc::new(Self {
            site: Site::new(setup.specs.clone(), Arc::clone(&history), rng.fork()),
            history,
            memory,
            nodes: Mutex::new(Vec::new()),
            rng: Mutex::new(rng),
            base,
            setup,
        });
        for _ in 0..world.setup.nodes {
            world.start();
        }
        world
    }

    /// One more process.
    pub(super) fn start(&self) -> Arc<Node> {
        let life = Life::new();
        let (road, pipe) = {
            let mut rng = self.rng.lock();
            (rng.fork(), rng.fork())
        };
        let tier = Arc::new(FaultyTier::new(
            Arc::clone(&self.base),
            Arc::clone(&life),
            road,
        ));
        tier.set(self.setup.road);
        let clock = Arc::new(VirtualClock::new());
        let engine = Engine::new(tuning(), Some(Arc::clone(&tier) as _), clock);
        let mut nodes = self.nodes.lock();
        let index = nodes.len();
        let history = Arc::clone(&self.history);
        let listener = tier.listener();
        let careless = self.setup.careless;
        let pipe = Pipe::lay(index, listener, Arc::clone(&life), history, pipe, careless);
        pipe.set(self.setup.flow);
        self.base.subscribe(Arc::downgrade(&pipe) as _);
        let node = Arc::new(Node {
            index,
            life,
            engine,
            tier,
            pipe,
        });
        nodes.push(Arc::clone(&node));
        node
    }

    pub(super) fn node(&self, index: usize) -> Arc<Node> {
        Arc::clone(&self.nodes.lock()[index])
    }

    /// Those that are not dead.
    pub(super) fn living(&self) -> Vec<Arc<Node>> {
        let mut nodes = self.nodes.lock().clone();
        nodes.retain(|node| !node.life.is_dead());
        nodes
    }

    pub(super) fn any(&self) -> Arc<Node> {
        let living = self.living();
        Arc::clone(&living[self.draw(0..living.len() as u64) as usize])
    }

    /// A living node that is fetching, if there is one.
    pub(super) fn fetching(&self) -> Option<Arc<Node>> {
        let fetching = self.history.note(|notes, _| {
            let fetches = notes.fetches.iter();
            let open =
                fetches.filter(|fetch| fetch.end.is_none() && fetch.purpose == Purpose::Refresh);
            open.map(|fetch| fetch.node).collect::<Vec<_>>()
        });
        let living = self.living();
        living
            .into_iter()
            .find(|node| fetching.contains(&node.index) && node.life.is_running())
    }

    /// The next node that fetches, within a second; else any.
    pub(super) async fn next_to_fetch(&self) -> Arc<Node> {
        for _ in 0..1_000 {
            if let Some(node) = self.fetching() {
                self.sleep(0..20).await;
                return node;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.any()
    }

    pub(super) fn draw(&self, range: Range<u64>) -> u64 {
        self.rng.lock().u64(range)
    }

    pub(super) async fn sleep(&self, millis: Range<u64>) {
        let millis = self.draw(millis);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Clients come for so long, one every `every` milliseconds on average.
    pub(super) async fn crowd(self: &Arc<Self>, lasts: Duration, every: u64) {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            self.sleep(0..2 * every + 1).await;
            let key = self.draw(0..self.site.specs.len() as u64) as usize;
            let kind = if self.draw(0..3) == 0 { 1 } else { 0 };
            self.ask(&self.any(), key, kind);
        }
    }

    /// One client.
    pub(super) fn ask(
        &self,
        node: &Arc<Node>,
        key: usize,
        kind: u8,
    ) -> tokio::task::JoinHandle<()> {
        let client = Client::new(node, &self.site, key, kind);
        let life = Arc::clone(&node.life);
        tokio::spawn(async move {
            life.run(client.request()).await;
        })
    }

    pub(super) fn kill(&self, node: &Node) {
        self.history.strike(node.index, Blow::Killed);
        node.life.kill();
        self.history
            .note(|notes, _| notes.open.retain(|(index, ..)| *index != node.index));
    }

    pub(super) fn pause(&self, node: &Node) {
        self.history.strike(node.index, Blow::Paused);
        node.life.pause();
    }

    pub(super) fn resume(&self, node: &Node) {
        self.history.strike(node.index, Blow::Resumed);
        node.life.resume();
    }

    /// The tier is out of this node's reach, with its events.
    pub(super) fn cut_off(&self, node: &Node, road: Road) {
        self.history.strike(node.index, Blow::CutOff);
        node.tier.set(road);
        node.pipe.cut();
    }

    pub(super) fn bring_back(&self, node: &Node) {
        node.tier.set(self.setup.road);
        node.pipe.mend();
        self.history.strike(node.index, Blow::BackAgain);
    }

    pub(super) async fn purge(&self, node: &Arc<Node>, key: usize) {
        self.purge_by(node, key, PurgeKind::Hard).await;
    }

    pub(super) async fn purge_by(&self, node: &Arc<Node>, key: usize, kind: PurgeKind) {
        let id = super::client::Asks::of(key, 0).primary.id();
        let noted = self.begin_purge(node, key..key + 1, kind);
        let purged = node.life.run(node.engine.purge(id, kind)).await;
        self.end_purge(noted, purged.map(|purged| purged.is_ok()));
    }

    pub(super) async fn purge_all(&self, node: &Arc<Node>) {
        let noted = self.begin_purge(node, 0..self.setup.specs.len(), PurgeKind::Hard);
        let purged = node.life.run(node.engine.purge_all()).await;
        self.end_purge(noted, purged.map(|purged| purged.is_ok()));
    }

    fn begin_purge(&self, node: &Node, keys: Range<usize>, kind: PurgeKind) -> Range<usize> {
        self.history.note(|notes, began| {
            let first = notes.purges.len();
            notes.purges.extend(keys.map(|key| Purge {
                node: node.index,
                key,
                kind,
                began,
                done: None,
                confirmed: false,
            }));
            first..notes.purges.len()
        })
    }

    /// `confirmed`: by the tier; `None` if the node died first.
    fn end_purge(&self, noted: Range<usize>, confirmed: Option<bool>) {
        let Some(confirmed) = confirmed else { return };
        self.history.note(|notes, done| {
            for note in &mut notes.purges[noted] {
                (note.done, note.confirmed) = (Some(done), confirmed);
            }
        });
    }

    /// Lets everything under way come to its end, and says what is left then.
    pub(super) async fn settle(&self) -> Result<Notes, String> {
        for node in self.living() {
            node.life.resume();
            self.bring_back(&node);
        }
        self.site
            .set(|weather| *weather = super::site::Weather::default());
        tokio::time::sleep(Duration::from_secs(120)).await;
        for node in self.living() {
            let (flights, waits) = (node.engine.flights.len(), node.engine.waits.len());
            if (flights, waits) != (0, 0) {
                return Err(format!(
                    "node {} is left with {flights} flights and {waits} waits",
                    node.index
                ));
            }
        }
        Ok(self.history.close())
    }
}
