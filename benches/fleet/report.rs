//! The tables, the picture, and the comparison with the real benchmark.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::support;
use crate::world::{Model, Outcome};

#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    part: &'static str,
    name: String,
    model: Model,
    outcome: Outcome,
}

impl Row {
    /// Calls to the tier in a second, of one node.
    fn calls(&self) -> f64 {
        self.outcome.tier_calls as f64 / self.model.length.as_secs_f64() / self.model.nodes as f64
    }
}

impl Report {
    pub(crate) fn push(
        &mut self,
        part: &'static str,
        name: String,
        model: Model,
        outcome: Outcome,
    ) {
        self.0.push(Row {
            part,
            name,
            model,
            outcome,
        });
    }

    fn part(&self, part: &str) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(move |row| row.part == part)
    }

    pub(crate) fn show(&self, kept: bool) {
        let text = self.tables();
        println!("{text}");
        if kept {
            let dir = support::results();
            let head = format!(
                "# Fleets in virtual time\n\n{}, {}. `cargo bench --bench fleet`: whole caches in one \
                 process under a paused clock, over the reference model of the shared tier; the model \
                 and its limits are in `benches/fleet/main.rs`.\n\n![](fleet.svg)\n",
                support::date(),
                support::machine()
            );
            fs::write(dir.join("fleet.md"), format!("{head}{text}"))
                .expect("a file can be written");
            self.draw(&dir.join("fleet.svg")).expect("a picture");
            println!("written to benches/results: fleet.md, fleet.svg");
        }
        self.check();
    }

    fn tables(&self) -> String {
        let mut text = String::new();
        for (part, about) in [
            (
                "nodes",
                "One page, fresh for 10 s, an origin that takes 0.2 s, one request a second for each node",
            ),
            (
                "troubles",
                "Ten pages, each asked for once a second at each node, while the way to the tier is bad",
            ),
            (
                "pages",
                "Many pages, four nodes, each page asked for some two times at each node within its freshness",
            ),
        ] {
            let _ = write!(
                text,
                "\n## {part}\n\n{about}.\n\n| nodes | pages | | requests | origin | per expiry | at once | \
                 tier calls per node and s | events per node and s | slowest client ms | errors | simulated in |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|---|\n"
            );
            for row in self.part(part) {
                let Row {
                    name,
                    model,
                    outcome,
                    ..
                } = row;
                let per_node = model.length.as_secs_f64() * model.nodes as f64;
                let _ = writeln!(
                    text,
                    "| {} | {} | {name} | {} | {} | **{:.2}** | {} | {:.3} | {:.3} | {} | {} | {:.1} s |",
                    model.nodes,
                    model.pages,
                    outcome.requests,
                    outcome.origin,
                    outcome.per_expiry,
                    outcome.peak_page,
                    row.calls(),
                    outcome.events as f64 / per_node,
                    outcome.slowest.as_millis(),
                    outcome.errors,
                    outcome.real.as_secs_f64()
                );
            }
        }
        text + &self.overlap()
    }

    /// Beside what the real benchmark measured last.
    fn overlap(&self) -> String {
        let mut text = "\n## Beside the real benchmark\n\nThe same load as `expiry_storm`'s hot key; its \
                        figures are those in `expiry_storm.json`.\n\n| nodes | | per expiry here | there |\n\
                        |---|---|---|---|\n"
            .to_owned();
        for row in self.part("overlap") {
            let there = measured(&row.name, row.model.nodes);
            let there = there.map_or("-".to_owned(), |there| format!("{there:.2}"));
            let (nodes, here) = (row.model.nodes, row.outcome.per_expiry);
            let _ = writeln!(text, "| {nodes} | {} | {here:.2} | {there} |", row.name);
        }
        text
    }

    /// What is promised holds here, and the two benchmarks agree.
    fn check(&self) {
        for row in self.part("nodes").filter(|row| row.model.shared) {
            let (nodes, outcome) = (row.model.nodes, row.outcome);
            assert!(outcome.per_expiry < 1.005, "{nodes} nodes: {outcome:?}");
            assert_eq!((outcome.peak_page, outcome.errors), (1, 0), "{nodes} nodes");
        }
        for row in self.part("overlap") {
            let here = row.outcome.per_expiry;
            if let Some(there) = measured(&row.name, row.model.nodes) {
                let apart = (here - there).abs() / there;
                assert!(
                    apart < 0.15,
                    "{}, {} nodes: {here} here, {there} there",
                    row.name,
                    row.model.nodes
                );
            }
        }
    }

    /// Above: requests to the origin for each expiry; below: calls to the tier of each node. Both
    /// against the number of nodes.
    fn draw(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let area = SVGBackend::new(file, (820, 640)).into_drawing_area();
        area.fill(&WHITE)?;
        let (above, below) = area.split_vertically(320);
        let rows: Vec<_> = self.part("nodes").collect();
        draw(&above, "origin requests for each expiry", &rows, |row| {
            row.outcome.per_expiry
        })?;
        let shared: Vec<_> = rows.into_iter().filter(|row| row.model.shared).collect();
        draw(
            &below,
            "calls to the shared tier, per node and second",
            &shared,
            Row::calls,
        )?;
        area.present()?;
        Ok(())
    }
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    rows: &[&Row],
    value: impl Fn(&Row) -> f64,
) -> Result<(), Box<dyn Error>> {
    let most = rows.iter().map(|row| value(row)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (0.9..12_000.0_f64).log_scale(),
            (0.05..most * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("nodes")
        .x_label_formatter(&|nodes| format!("{nodes:.0}"))
        .y_label_formatter(&|value| format!("{value:.1}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (name, colour) in [
        ("one process each", RGBColor(116, 173, 209)),
        ("lease", RGBColor(69, 117, 180)),
        ("lease + stale", RGBColor(27, 120, 55)),
    ] {
        let points: Vec<_> = rows
            .iter()
            .filter(|row| row.name == name)
            .map(|row| (row.model.nodes as f64, value(row)))
            .collect();
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// What `expiry_storm` found last.
fn measured(mode: &str, nodes: usize) -> Option<f64> {
    let text = fs::read_to_string(support::results().join("expiry_storm.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let runs = json.get("runs")?.as_array()?;
    let found = runs.iter().find(|run| {
        run["scenario"] == "one hot key" && run["mode"] == mode && run["nodes"] == nodes
    });
    found?.get("per_expiry")?.as_f64()
}
