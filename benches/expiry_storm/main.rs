//! What reaches the origin when pages expire, and what clients notice of it.
//!
//! - `cargo bench --bench expiry_storm`: all scenarios with all modes, some 25 minutes; the table,
//!   a file for machines and the pictures go to `benches/results`.
//! - `cargo bench --bench expiry_storm -- --quick`: two of them, in less than a minute.
//! - `-- --only WORDS`: the scenarios whose names hold these words; nothing is written.
//!
//! Nodes, Redis and peers are processes; the origin and the clients are threads of this one. The
//! peers take part where they are installed.

mod claims;
mod figures;
mod fleet;
mod load;
mod origin;
mod plain;
mod plot;
#[path = "../../tests/support/redis_server.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "it is a part of the tests, which break servers in more ways"
)]
mod redis_server;
mod report;
mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::figures::{Quiet, Run, quantile};
use crate::fleet::{Fleet, Programs};
use crate::origin::{Origin, Weather};
use crate::scenario::{Fault, Mode, Scenario};

/// How long it is looked at what the load costs where nothing expires, before and after.
const QUIET: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, origin] = &arguments[..]
        && flag == "--plain"
    {
        return plain::serve(origin);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.and_then(|at| arguments.get(at + 1));
    let mut scenarios = if has("--quick") {
        scenario::quick()
    } else {
        scenario::all()
    };
    if let Some(words) = only {
        scenarios.retain(|scenario| scenario.name.contains(words.as_str()));
        assert!(!scenarios.is_empty(), "no scenario is called {words:?}");
    }
    for scenario in &mut scenarios {
        scenario.modes.retain(|mode| fleet::is_there(*mode));
    }
    let kept = only.is_none() && !has("--quick");
    let modes = scenarios.iter().flat_map(|scenario| scenario.modes.clone());
    let programs = Programs::build(&modes.collect::<Vec<_>>());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let runs = LocalSet::new().block_on(&runtime, all(&scenarios, &programs));
    report::show(&scenarios, &runs, kept);
}

async fn all(scenarios: &[Scenario], programs: &Programs) -> Vec<Run> {
    let began = Instant::now();
    let origin = Origin::start(began);
    let steps: usize = scenarios.iter().map(|scenario| scenario.modes.len()).sum();
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} {msg}");
    bar.set_style(style.expect("a template"));
    let mut runs = Vec::new();
    for scenario in scenarios {
        for &mode in &scenario.modes {
            bar.set_message(format!(
                "{}, {} nodes, {}",
                scenario.name,
                scenario.nodes,
                mode.name()
            ));
            bar.tick();
            let bench = Bench {
                began,
                origin: &origin,
                programs,
                scenario,
                mode,
            };
            runs.push(bench.run().await);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    runs
}

/// One scenario with one mode.
struct Bench<'a> {
    began: Instant,
    origin: &'a Origin,
    programs: &'a Programs,
    scenario: &'a Scenario,
    mode: Mode,
}

impl Bench<'_> {
    async fn run(&self) -> Run {
        let Scenario {
            pages,
            rate,
            length,
            ..
        } = *self.scenario;
        let caches = self.scenario.warm && self.mode != Mode::None;
        // Before and after: what the machine does meanwhile is then in both.
        let calm = caches && self.scenario.faults.is_empty();
        let mut quiet = Vec::new();
        if calm {
            quiet.extend(self.quiet().await);
        }
        let mut fleet = self.fleet(self.scenario.fresh);
        let nodes = fleet.addresses();
        if caches {
            let fresh = self.scenario.fresh_at_first.or(self.scenario.fresh);
            self.warm(&nodes, fresh).await;
        }
        self.origin.set(Weather {
            latency: self.scenario.latency,
            capacity: self.scenario.capacity,
            fresh: self.scenario.fresh,
            stale: self.mode.permits_stale(),
            failing: false,
        });
        let start = Instant::now();
        let clients = load::run(self.began, &nodes, pages, rate, length);
        let faults = async {
            for (at, fault) in &self.scenario.faults {
                sleep_until(start + *at).await;
                self.strike(*fault, &mut fleet).await;
            }
        };
        let (samples, ()) = tokio::join!(clients, faults);
        let asked = self.origin.log();
        drop(fleet);
        if calm {
            quiet.extend(self.quiet().await);
        }
        quiet.sort_unstable();
        Run {
            mode: self.mode,
            scenario: self.scenario.clone(),
            start: u64::try_from((start - self.began).as_micros()).expect("not that long"),
            samples,
            asked,
            quiet: (!quiet.is_empty()).then(|| Quiet {
                p99: quantile(&quiet, 0.99),
                max: quantile(&quiet, 1.0),
            }),
        }
    }

    fn fleet(&self, fresh: Option<u64>) -> Fleet {
        let programs = Programs {
            fresh,
            ..self.programs.clone()
        };
        let nodes = self.scenario.nodes;
        Fleet::start(self.mode, nodes, &programs, &self.origin.address)
    }

    /// Every node has every page. It costs the origin nothing.
    async fn warm(&self, nodes: &[String], fresh: Option<u64>) {
        self.origin.set(Weather {
            fresh,
            stale: self.mode.permits_stale(),
            ..Weather::default()
        });
        load::warm(self.began, nodes, self.scenario.pages.count()).await;
    }

    /// How long the same load takes where nothing expires.
    async fn quiet(&self) -> Vec<u64> {
        let hour = Some(3_600);
        let fleet = self.fleet(hour);
        let nodes = fleet.addresses();
        self.warm(&nodes, hour).await;
        let Scenario { pages, rate, .. } = *self.scenario;
        let samples = load::run(self.began, &nodes, pages, rate, QUIET).await;
        samples.iter().map(|one| one.took).collect()
    }

    async fn strike(&self, fault: Fault, fleet: &mut Fleet) {
        let redis = fleet.redis.as_mut();
        match (fault, redis) {
            (Fault::OriginFails, _) => self.origin.fail(true),
            (Fault::OriginBack, _) => self.origin.fail(false),
            (Fault::HolderKilled, _) => {
                let holder = loop {
                    match self.origin.asker() {
                        Some(holder) => break holder,
                        None => sleep(Duration::from_millis(2)).await,
                    }
                };
                fleet.kill(holder);
            }
            (Fault::PurgeAll, _) => fleet.purge_all().await,
            (Fault::RedisFrozen, Some(redis)) => redis.stop(),
            (Fault::RedisThaws, Some(redis)) => redis.cont(),
            (Fault::RedisKilled, Some(redis)) => redis.kill(),
            (Fault::RedisBack, Some(redis)) => redis.restart(),
            (_, None) => {}
        }
    }
}
