//! The comparison as a table, a file and a picture.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::peers::Peer;
use crate::rounds::Cost;
use crate::support;

pub(crate) struct Report {
    rows: Vec<Row>,
    head: String,
}

/// One server's figures for one size.
pub(crate) struct Row {
    size: usize,
    name: &'static str,
    version: String,
    measured: Option<Measured>,
}

#[derive(Clone, Copy)]
struct Measured {
    /// Median of the CPU for a request.
    micros: f64,
    /// Median of the requests in a second.
    rate: f64,
    /// Median of that in user space.
    user: f64,
    /// CPU beside the reference in the same round: median, least and most.
    ratio: [f64; 3],
    /// Rounds in which it cost more than we did, of how many.
    behind: (usize, usize),
}

impl Row {
    /// `reference` and `ours`: the costs of the reference and of this crate in the same rounds.
    pub(crate) fn of(
        size: usize,
        peer: &Peer,
        costs: &[Cost],
        reference: &[Cost],
        ours: &[Cost],
    ) -> Self {
        let pairs = costs.iter().zip(reference);
        let ratios = sorted(pairs.map(|(cost, bare)| cost.micros / bare.micros));
        let pairs = costs.iter().zip(ours);
        let behind = pairs.filter(|(cost, ours)| cost.micros > ours.micros);
        let measured = (!costs.is_empty()).then(|| Measured {
            micros: median(&sorted(costs.iter().map(|cost| cost.micros))),
            user: median(&sorted(costs.iter().map(|cost| cost.user))),
            rate: median(&sorted(costs.iter().map(|cost| cost.rate))),
            ratio: [median(&ratios), ratios[0], ratios[ratios.len() - 1]],
            behind: (behind.count(), costs.len()),
        });
        Self {
            size,
            name: peer.name,
            version: peer.version.clone(),
            measured,
        }
    }
}

impl Report {
    pub(crate) fn new(rounds: usize, secs: u64) -> Self {
        let head = format!(
            "# A hit beside its peers\n\n{}, {}. `cargo bench --bench whole_process -- --peers`: \
             one key, 64 keep-alive connections, servers on one core and the load on another, \
             {rounds} rounds of {secs} s each, in turns of a quarter second.\n\nCPU is user and system of all \
             processes of a server; the ratio is to a bare hyper server with a constant answer, \
             within each round. *user*: of which in user space, as far as clock ticks show. *dearer \
             than bellwether*: in how many rounds it cost more. *moka, no rules*: a hand-written look \
             into a map before an origin, without HTTP's rules, expiry or lock. Only ratios carry over to other \
             machines.\n",
            support::date(),
            support::machine()
        );
        Self {
            rows: Vec::new(),
            head,
        }
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints the table; writes it, and the picture.
    pub(crate) fn show(&self, instructions: &str) {
        let table = format!("{}\n{instructions}", self.table());
        println!("\r{}\n{table}", self.head);
        let dir = support::results();
        let text = format!("{}\n{table}\n![](hits.svg)\n", self.head);
        fs::write(dir.join("hits.md"), text).expect("a file can be written");
        self.draw(&dir.join("hits.svg")).expect("a picture");
        println!("written to benches/results: hits.md, hits.svg");
    }

    fn table(&self) -> String {
        let mut table = String::from(
            "| size | server | version | CPU us/request | user | beside bare hyper | dearer than bellwether \
             | requests/s |\n|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let size = format!("{} KiB", row.size >> 10);
            let _ = write!(table, "| {size} | {} | {} | ", row.name, row.version);
            let _ = match &row.measured {
                None => writeln!(table, "- | - | - | - | - |"),
                Some(measured) => {
                    let [median, least, most] = measured.ratio;
                    let (behind, rounds) = measured.behind;
                    let behind = match row.name {
                        "bellwether" => "-".to_owned(),
                        _ => format!("{behind} of {rounds}"),
                    };
                    let Measured {
                        micros, user, rate, ..
                    } = measured;
                    writeln!(
                        table,
                        "{micros:.1} | {user:.1} | **{median:.2}** ({least:.2} to {most:.2}) | {behind} \
                         | {rate:.0} |"
                    )
                }
            };
        }
        table
    }

    /// A bar for each server and size: what a request costs beside the reference.
    fn draw(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let bars: Vec<_> = self
            .rows
            .iter()
            .filter_map(|row| Some((row, row.measured?.ratio[0])))
            .collect();
        let height = 80 + 26 * u32::try_from(bars.len())?;
        let area = SVGBackend::new(file, (820, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
        let last = bars.len().saturating_sub(1);
        let mut chart = ChartBuilder::on(&area)
            .caption("CPU of a hit, bare hyper = 1", ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(25)
            .y_label_area_size(190)
            .build_cartesian_2d(0.0..most * 1.05, (0..last).into_segmented())?;
        // The picture counts from below.
        let name = |row: &SegmentValue<usize>| match row {
            SegmentValue::CenterOf(row) if *row <= last => {
                let (row, ratio) = &bars[last - row];
                format!("{} KiB, {} {ratio:.2}", row.size >> 10, row.name)
            }
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(bars.len())
            .y_label_formatter(&name)
            .draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(index, (row, ratio))| {
            let colour = match row.name {
                "bellwether" => RGBColor(27, 120, 55),
                "bare hyper" => RGBColor(190, 190, 190),
                _ => RGBColor(253, 174, 97),
            };
            let at = last - index;
            let corners = [
                (0.0, SegmentValue::Exact(at)),
                (*ratio, SegmentValue::Exact(at + 1)),
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
