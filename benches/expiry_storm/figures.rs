//! What a run shows.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::load::Sample;
use crate::origin::Asked;
use crate::scenario::{Fault, Mode, Scenario};

/// The step of the pictures.
pub(crate) const STEP: u64 = 200_000;

/// One run: the raw record, and its start.
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) scenario: Scenario,
    pub(crate) start: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) quiet: Option<Quiet>,
}

/// How long the same load takes where nothing expires, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: &'static str,
    pub(crate) nodes: usize,
    pub(crate) mode: &'static str,
    pub(crate) requests: usize,
    pub(crate) origin_requests: usize,
    /// Of a page that expired, or was not there: requests to the origin, on average.
    pub(crate) per_expiry: f64,
    /// Most requests for one page at once.
    pub(crate) peak_page: usize,
    /// Most requests at once.
    pub(crate) peak: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) quiet_p99_ms: Option<f64>,
    pub(crate) quiet_max_ms: Option<f64>,
    pub(crate) errors: usize,
    pub(crate) retried: usize,
    pub(crate) oldest_s: f64,
}

impl Run {
    pub(crate) fn figures(&self) -> Figures {
        let mut took: Vec<_> = self.samples.iter().map(|one| one.took).collect();
        took.sort_unstable();
        let good = self.samples.iter().filter(|one| !one.is_error());
        let oldest = good.map(Sample::age).max().unwrap_or(0);
        Figures {
            scenario: self.scenario.name,
            nodes: self.scenario.nodes,
            mode: self.mode.name(),
            requests: self.samples.len(),
            origin_requests: self.asked.len(),
            per_expiry: self.per_expiry(),
            peak_page: self.peak_of_a_page(),
            peak: peak(self.asked.iter()),
            p50_ms: quantile(&took, 0.5),
            p99_ms: quantile(&took, 0.99),
            p999_ms: quantile(&took, 0.999),
            max_ms: quantile(&took, 1.0),
            quiet_p99_ms: self.quiet.map(|quiet| quiet.p99),
            quiet_max_ms: self.quiet.map(|quiet| quiet.max),
            errors: self.samples.iter().filter(|one| one.is_error()).count(),
            retried: self.samples.iter().filter(|one| one.retried).count(),
            oldest_s: oldest as f64 / 1e6,
        }
    }

    /// Requests belong to one expiry if they come within half of the freshness that the first of
    /// them brings: until it ends there is no cause for another, but to be early.
    fn per_expiry(&self) -> f64 {
        let fresh = self.scenario.fresh.unwrap_or(0) * 1_000_000;
        let mut begun: HashMap<usize, u64> = HashMap::new();
        let mut expiries = 0_usize;
        for one in &self.asked {
            let first = begun.get(&one.page);
            // Without a cache nothing expires: as often as it would.
            let lasts = if self.mode == Mode::None {
                fresh
            } else {
                fresh / 2
            };
            if first.is_none_or(|first| one.begun >= first + lasts) {
                begun.insert(one.page, one.begun);
                expiries += 1;
            }
        }
        self.asked.len() as f64 / expiries.max(1) as f64
    }

    fn peak_of_a_page(&self) -> usize {
        let mut pages: HashMap<usize, Vec<&Asked>> = HashMap::new();
        for asked in &self.asked {
            pages.entry(asked.page).or_default().push(asked);
        }
        let peaks = pages.into_values().map(|asked| peak(asked.into_iter()));
        peaks.max().unwrap_or(0)
    }

    /// Requests to the origin in a second, over time.
    pub(crate) fn origin_rate(&self) -> Vec<(f64, f64)> {
        let mut steps = vec![0_u64; self.steps()];
        for asked in &self.asked {
            if let Some(step) = steps.get_mut(self.step(asked.begun)) {
                *step += 1;
            }
        }
        let per_second = 1e6 / STEP as f64;
        self.over_time(steps.into_iter().map(|count| count as f64 * per_second))
    }

    /// The slowest hundredth of the clients in milliseconds, over the time when they asked.
    pub(crate) fn p99_over_time(&self) -> Vec<(f64, f64)> {
        let mut steps = vec![Vec::new(); self.steps()];
        for sample in &self.samples {
            if let Some(step) = steps.get_mut(self.step(sample.due)) {
                step.push(sample.took);
            }
        }
        self.over_time(steps.into_iter().map(|mut took| {
            took.sort_unstable();
            quantile(&took, 0.99)
        }))
    }

    /// When what went wrong, in seconds.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (f64, Fault)> {
        let faults = self.scenario.faults.iter();
        faults.map(|(at, fault)| (at.as_secs_f64(), *fault))
    }

    fn steps(&self) -> usize {
        let length = u64::try_from(self.scenario.length.as_micros()).unwrap_or(0);
        usize::try_from(length / STEP).unwrap_or(0)
    }

    fn step(&self, at: u64) -> usize {
        let step = at.checked_sub(self.start).map(|since| since / STEP);
        step.and_then(|step| usize::try_from(step).ok())
            .unwrap_or(usize::MAX)
    }

    fn over_time(&self, values: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
        let step = Duration::from_micros(STEP).as_secs_f64();
        let values = values.enumerate();
        values
            .map(|(number, value)| (number as f64 * step, value))
            .collect()
    }
}

/// Most of them under way at once.
fn peak<'a>(asked: impl Iterator<Item = &'a Asked>) -> usize {
    let mut steps = Vec::new();
    for one in asked {
        steps.push((one.begun, 1_isize));
        if one.done > 0 {
            steps.push((one.done, -1));
        }
    }
    // What ends at a time has ended before what begins then.
    steps.sort_unstable();
    let mut now = 0;
    let levels = steps.into_iter().map(|(_, step)| {
        now += step;
        now
    });
    usize::try_from(levels.max().unwrap_or(0)).unwrap_or(0)
}

/// In milliseconds.
pub(crate) fn quantile(sorted: &[u64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (sorted.len() as f64 * share).ceil() as usize;
    let micros = sorted.get(at.saturating_sub(1).min(last));
    micros.copied().unwrap_or(0) as f64 / 1_000.0
}
