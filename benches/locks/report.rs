//! The figures as a table, a file and a picture.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use plotters::prelude::*;

use crate::alone::Round;
use crate::contended::Seen;

pub(crate) struct Report {
    head: String,
    alone: String,
    contended: String,
    /// The rows of the picture: who, and locks per second.
    bars: Vec<(String, f64)>,
}

impl Report {
    pub(crate) fn new(rounds: usize, each: usize, span: Duration) -> Self {
        let head = format!(
            "# Locks beside rslock\n\n{}, {}; bellwether {}, rslock {}, {}. `make \
             bench-locks`: client and servers on the same machine, over loopback. Alone: {rounds} \
             interleaved rounds of {each} each. Contended: {span:?} per row. Only ratios carry \
             over to other machines.\n",
            httpdate::fmt_http_date(SystemTime::now()),
            machine(),
            locked("bellwether"),
            locked("rslock"),
            redis(),
        );
        let alone = "## Alone: acquire and release\n\n\
             | servers | bellwether | rslock | time beside rslock: median (least to most) |\n\
             |---|---|---|---|\n";
        let contended = "## 64 contenders for one lock\n\n\
             | held for | who | locks/s | commands sent per lock | run by Redis, scripts' own \
             included | longest wait | locks of one contender: fewest, most |\n\
             |---|---|---|---|---|---|---|\n";
        Self {
            head,
            alone: alone.into(),
            contended: contended.into(),
            bars: Vec::new(),
        }
    }

    pub(crate) fn alone(&mut self, servers: usize, rounds: &[Round]) {
        let micros = |of: fn(&Round) -> Duration| {
            median(&sorted(rounds.iter().map(|r| of(r).as_secs_f64() * 1e6)))
        };
        let ratio = |r: &Round| r.ours.as_secs_f64() / r.theirs.as_secs_f64();
        let ratios = sorted(rounds.iter().map(ratio));
        let _ = writeln!(
            self.alone,
            "| {servers} | {:.0} us | {:.0} us | **{:.2}** ({:.2} to {:.2}) |",
            micros(|r| r.ours),
            micros(|r| r.theirs),
            median(&ratios),
            ratios[0],
            ratios[ratios.len() - 1]
        );
    }

    pub(crate) fn contended(&mut self, name: &str, hold: Duration, seen: &Seen) {
        let Seen {
            per_second,
            sent,
            run,
            longest,
            shares: (fewest, most),
        } = seen;
        let _ = writeln!(
            self.contended,
            "| {} ms | {name} | {per_second:.0} | {sent:.1} | {run:.1} | {:.0} ms | {fewest}, \
             {most} |",
            hold.as_millis(),
            longest.as_secs_f64() * 1e3,
        );
        let row = format!("{name}, held {} ms", hold.as_millis());
        self.bars.push((row, *per_second));
    }

    fn tables(&self) -> String {
        format!("{}\n{}", self.alone, self.contended)
    }

    pub(crate) fn print(&self) {
        println!("{}\n{}", self.head, self.tables());
    }

    /// Writes the tables and the picture.
    pub(crate) fn keep(&self) {
        // Why the figures are what they are, which no program can find out.
        let reasons = include_str!("reasons.md");
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../results");
        fs::create_dir_all(&dir).expect("a folder can be made");
        let text = format!(
            "{}\n{}\n![](locks.svg)\n\n{reasons}",
            self.head,
            self.tables()
        );
        fs::write(dir.join("locks.md"), text).expect("a file can be written");
        self.draw(&dir.join("locks.svg")).expect("a picture");
        println!("written to benches/results: locks.md, locks.svg");
    }

    /// A bar for each row: locks per second.
    fn draw(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let bars = &self.bars;
        let height = 80 + 26 * u32::try_from(bars.len())?;
        let area = SVGBackend::new(file, (820, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let most = bars.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
        let last = bars.len().saturating_sub(1);
        let mut chart = ChartBuilder::on(&area)
            .caption(
                "64 contenders for one lock: locks per second",
                ("sans-serif", 18),
            )
            .margin(12)
            .x_label_area_size(25)
            .y_label_area_size(290)
            .build_cartesian_2d(0.0..most * 1.05, (0..last).into_segmented())?;
        // The picture counts from below.
        let name = |row: &SegmentValue<usize>| match row {
            SegmentValue::CenterOf(row) if *row <= last => {
                let (who, rate) = &bars[last - row];
                format!("{who}: {rate:.0}")
            }
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(bars.len())
            .y_label_formatter(&name)
            .draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(index, (who, rate))| {
            let colour = if who.starts_with("bellwether") {
                RGBColor(27, 120, 55)
            } else {
                RGBColor(253, 174, 97)
            };
            let at = last - index;
            let corners = [
                (0.0, SegmentValue::Exact(at)),
                (*rate, SegmentValue::Exact(at + 1)),
            ];
            let mut bar = Rectangle::new(corners, colour.filled());
            bar.set_margin(3, 3, 0, 0);
            bar
        }))?;
        area.present()?;
        Ok(())
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The version of a package that this was built with.
fn locked(package: &str) -> String {
    let lock = include_str!("Cargo.lock");
    let begins = format!("name = \"{package}\"\nversion = \"");
    let version = lock
        .split(&begins)
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    version.unwrap_or("of unknown version").to_owned()
}

/// "Redis server v=7.0.15 sha=…", in short.
fn redis() -> String {
    let output = Command::new("redis-server").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let version = text
        .split("v=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    format!("Redis {}", version.unwrap_or("of unknown version"))
}

/// The processor and the kernel, in the system's own words.
fn machine() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let model = models.clone().next().unwrap_or(": unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{} x {}, Linux {}, load average at the start {}",
        models.count(),
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    )
}
