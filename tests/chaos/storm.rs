//! Lets the blows of a schedule fall.

use std::sync::Arc;
use std::time::Duration;

use bellwether::shared::PurgeKind;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, sleep_until};

use crate::fault_proxy::Fault;
use crate::fleet::Fleet;
use crate::history::Struck;
use crate::load;
use crate::observe;
use crate::schedule::{self, Blow, Missed, PLACES};
use crate::site;
use crate::support::redis_server::RedisServer;

/// Lets each fall at its time; returns when the last one is over.
pub(crate) async fn run(fleet: &Arc<Fleet>, schedule: Vec<(Duration, Blow)>) {
    let began = Instant::now();
    // What strikes the same place comes one after the other.
    let places: Arc<[Mutex<()>; PLACES]> = Arc::new(std::array::from_fn(|_| Mutex::new(())));
    let mut falling = JoinSet::new();
    for (at, blow) in schedule {
        let (fleet, places) = (Arc::clone(fleet), Arc::clone(&places));
        falling.spawn(async move {
            sleep_until(began + at).await;
            let mut held = Vec::new();
            // In order, so that nobody waits for another in a circle.
            for (number, place) in places.iter().enumerate() {
                if blow.strikes_the_way_of(number) {
                    held.push(place.lock().await);
                }
            }
            strike(&fleet, blow).await;
        });
    }
    while let Some(fallen) = falling.join_next().await {
        fallen.expect("no blow fails");
    }
}

async fn strike(fleet: &Fleet, blow: Blow) {
    match blow {
        Blow::Network {
            place,
            fault,
            lasts,
        } => {
            let from = begin(fleet, blow);
            fleet.proxies[place].set(Some(fault));
            sleep(lasts).await;
            fleet.proxies[place].set(None);
            end(fleet, from);
        }
        Blow::Flap { spared } => {
            let from = begin(fleet, blow);
            let steps = [
                (Some(Fault::Drop), 500),
                (None, 650),
                (Some(Fault::Drop), 800),
                (None, 0),
            ];
            for (fault, ms) in steps {
                for (place, proxy) in fleet.proxies.iter().enumerate() {
                    if place != spared {
                        proxy.set(fault);
                    }
                }
                sleep(Duration::from_millis(ms)).await;
            }
            end(fleet, from);
        }
        Blow::Everywhere { fault, lasts } => {
            let from = begin(fleet, blow);
            fleet
                .proxies
                .iter()
                .for_each(|proxy| proxy.set(Some(fault)));
            sleep(lasts).await;
            fleet.proxies.iter().for_each(|proxy| proxy.set(None));
            end(fleet, from);
        }
        Blow::Reboot { place } => {
            let from = begin(fleet, blow);
            fleet.reboot(place).await;
            end(fleet, from);
        }
        Blow::Miss { place, what } => miss(fleet, blow, place, what).await,
        Blow::PurgeAndFlush { place } => purge_and_flush(fleet, blow, place).await,
        Blow::Evict => evict(fleet, blow).await,
        _ => {
            let mut server = fleet.server.lock().await;
            let from = begin(fleet, blow);
            strike_server(&mut server, blow).await;
            end(fleet, from);
        }
    }
}

/// Has a node miss that something was purged, for less than two seconds: after that it takes the
/// silence for a pause of its own, which is another reason to check what it holds.
async fn miss(fleet: &Fleet, blow: Blow, place: usize, what: Missed) {
    let teller = schedule::teller(place);
    let ask = |place| site::LASTING.map(move |key| load::request(fleet, place, key, 0));
    join_all(ask(place)).await;
    let from = begin(fleet, blow);
    fleet.proxies[place].set(Some(Fault::Drop));
    match what {
        Missed::Keys => {
            let purges = site::LASTING.map(|key| load::purge(fleet, teller, key, PurgeKind::Hard));
            join_all(purges).await;
        }
        Missed::Everything => load::purge_all(fleet, teller).await,
    }
    // Else the event of a refresh would tell of it in place of the purge's.
    join_all(ask(teller)).await;
    fleet.proxies[place].set(None);
    end(fleet, from);
    // It is back within a moment. Some of what it holds lives for seconds yet.
    for _ in 0..8 {
        sleep(Duration::from_millis(200)).await;
        join_all(ask(place)).await;
    }
}

/// Has Redis lose purges, among them those of what one node is just fetching and does not hear of:
/// for what that node then offers there is neither a lease nor a later fence any more.
async fn purge_and_flush(fleet: &Fleet, blow: Blow, place: usize) {
    let teller = schedule::teller(place);
    let purge = |place| site::SLOW.map(move |key| load::purge(fleet, place, key, PurgeKind::Hard));
    // So that it has to fetch them.
    join_all(purge(place)).await;
    let fetches = join_all(site::SLOW.map(|key| load::request(fleet, place, key, 0)));
    let strike = async {
        sleep(Duration::from_millis(100)).await;
        let server = fleet.server.lock().await;
        let from = begin(fleet, blow);
        fleet.proxies[place].set(Some(Fault::Drop));
        let mut rng = fastrand::Rng::new();
        let others = (0..30).map(|_| {
            let (place, key) = (rng.usize(..PLACES), site::draw(&mut rng));
            load::purge(fleet, place, key, PurgeKind::Hard)
        });
        tokio::join!(join_all(others), join_all(purge(teller)));
        tell(&server, &["FLUSHALL"]).await;
        fleet.proxies[place].set(None);
        end(fleet, from);
    };
    tokio::join!(fetches, strike);
}

/// Takes some keys away, and all entries of which there is a lease. Other nodes ask for some of these
/// just then, which makes an entry again; it is looked at before the holder's commit covers it up.
async fn evict(fleet: &Fleet, blow: Blow) {
    let ask = |place| join_all(site::SLOW.map(move |key| load::request(fleet, place, key, 0)));
    // So that the first has to fetch them.
    join_all(site::SLOW.map(|key| load::purge(fleet, 0, key, PurgeKind::Hard))).await;
    let strike = async {
        sleep(Duration::from_millis(60)).await;
        let server = fleet.server.lock().await;
        let from = begin(fleet, blow);
        for _ in 0..40 {
            let key: Option<Option<String>> = Fleet::command(&server, &["RANDOMKEY"]).await;
            if let Some(Some(key)) = key {
                tell(&server, &["UNLINK", &key]).await;
            }
        }
        let leases: Option<Vec<String>> = Fleet::command(&server, &["KEYS", "*:l*"]).await;
        for lease in leases.unwrap_or_default() {
            tell(&server, &["UNLINK", &lease.replace("}:l", "}:e")]).await;
        }
        end(fleet, from);
        let url = server.url();
        drop(server);
        let looks = async {
            for _ in 0..5 {
                sleep(Duration::from_millis(20)).await;
                observe::look(fleet, &url).await;
            }
        };
        tokio::join!(join_all((1..PLACES).map(ask)), looks);
    };
    tokio::join!(ask(0), strike);
}

/// Notes a blow before it falls. Its end is not known yet.
fn begin(fleet: &Fleet, blow: Blow) -> usize {
    fleet.history.note(|notes, from| {
        let until = u64::MAX;
        notes.struck.push(Struck { blow, from, until });
        notes.struck.len() - 1
    })
}

fn end(fleet: &Fleet, at: usize) {
    fleet
        .history
        .note(|notes, now| notes.struck[at].until = now);
}

async fn strike_server(server: &mut RedisServer, blow: Blow) {
    match blow {
        Blow::Freeze { lasts } => {
            server.stop();
            sleep(lasts).await;
            server.cont();
        }
        Blow::Restart { down } => {
            server.kill();
            sleep(down).await;
            block_in_place(|| server.restart());
        }
        Blow::Flush => tell(server, &["FLUSHALL"]).await,
        Blow::Kick => {
            tell(server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            tell(server, &["CLIENT", "KILL", "TYPE", "normal"]).await;
        }
        Blow::Unscript => tell(server, &["SCRIPT", "FLUSH"]).await,
        Blow::Pressure { policy, lasts } => {
            let info: Option<String> = Fleet::command(server, &["INFO", "memory"]).await;
            let used = info.as_deref().and_then(|info| {
                let line = info
                    .lines()
                    .find_map(|line| line.strip_prefix("used_memory:"));
                line?.trim().parse::<u64>().ok()
            });
            let most = (used.unwrap_or(2_000_000) * 17 / 20).to_string();
            tell(server, &["CONFIG", "SET", "maxmemory-policy", policy]).await;
            tell(server, &["CONFIG", "SET", "maxmemory", &most]).await;
            sleep(lasts).await;
            tell(server, &["CONFIG", "SET", "maxmemory", "0"]).await;
        }
        Blow::Network { .. }
        | Blow::Flap { .. }
        | Blow::Everywhere { .. }
        | Blow::Reboot { .. }
        | Blow::Evict
        | Blow::Miss { .. }
        | Blow::PurgeAndFlush { .. } => unreachable!("it does not strike the server"),
    }
}

/// One command. `CLIENT KILL` may end the connection that it came on.
async fn tell(server: &RedisServer, words: &[&str]) {
    let _: Option<redis::Value> = Fleet::command(server, words).await;
}
