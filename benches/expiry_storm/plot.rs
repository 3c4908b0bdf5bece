//! The pictures.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::figures::{Figures, Run};
use crate::scenario::Mode;

/// So much wider than the lines is a picture, for its legend.
const LEGEND: f64 = 1.42;

type Drawn = Result<(), Box<dyn Error>>;

/// Draws all, and says how they are called.
pub(crate) fn all(
    runs: &[Run],
    figures: &[Figures],
    dir: &Path,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    let mut hot: Vec<_> = figures
        .iter()
        .filter(|row| row.scenario == "one hot key")
        .collect();
    hot.sort_by_key(|row| row.nodes);
    if !hot.is_empty() {
        names.push("storm_per_expiry.svg".to_owned());
        per_expiry(&hot, &dir.join("storm_per_expiry.svg"))?;
    }
    let mut scenarios: Vec<&str> = runs.iter().map(|run| run.scenario.name).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let runs: Vec<_> = runs
            .iter()
            .filter(|run| run.scenario.name == scenario)
            .collect();
        // Of several sizes of the fleet, one.
        let nodes = if runs.iter().any(|run| run.scenario.nodes == 4) {
            4
        } else {
            2
        };
        let runs: Vec<_> = runs
            .into_iter()
            .filter(|run| run.scenario.nodes == nodes)
            .collect();
        let Some(first) = runs.first() else { continue };
        let words: String = scenario
            .chars()
            .filter(|sign| *sign != ',')
            .map(|sign| {
                if sign == ' ' {
                    '_'
                } else {
                    sign.to_ascii_lowercase()
                }
            })
            .collect();
        let name = format!("storm_{words}.svg");
        let caption = format!("{scenario}, {} nodes", first.scenario.nodes);
        over_time(&runs, &caption, &dir.join(&name))?;
        names.push(name);
    }
    Ok(names)
}

fn colour(mode: &str) -> RGBColor {
    let index = Mode::ALL.iter().position(|known| known.name() == mode);
    [
        RGBColor(120, 120, 120),
        RGBColor(215, 48, 39),
        RGBColor(116, 173, 209),
        RGBColor(69, 117, 180),
        RGBColor(27, 120, 55),
        RGBColor(253, 174, 97),
        RGBColor(158, 101, 184),
        RGBColor(240, 90, 160),
        RGBColor(200, 120, 60),
    ][index.unwrap_or(0)]
}

/// Requests to the origin for each expiry, against the number of nodes: both logarithmic.
fn per_expiry(rows: &[&Figures], file: &Path) -> Drawn {
    let area = SVGBackend::new(file, (820, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.per_expiry).fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "origin requests for each expiry of a hot page",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d((0.9..22.0_f64).log_scale(), (0.7..most * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("nodes")
        .x_label_formatter(&|nodes| match *nodes as u32 {
            measured @ (1 | 2 | 4 | 8) => measured.to_string(),
            _ => String::new(),
        })
        .y_label_formatter(&|count| format!("{count:.0}"))
        .draw()?;
    for (index, mode) in Mode::ALL.into_iter().enumerate() {
        // Beside one another: five of them are the same line.
        let aside = 1.0 + 0.022 * (index as f64 - 4.0);
        let mut points: Vec<_> = rows
            .iter()
            .filter(|row| row.mode == mode.name())
            .map(|row| (row.nodes as f64 * aside, row.per_expiry))
            .collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let colour = colour(mode.name());
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(mode.name())
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
        chart.draw_series(
            points
                .into_iter()
                .map(|point| Circle::new(point, 3, colour.filled())),
        )?;
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

/// Above: requests to the origin; below: the slowest hundredth of the clients. Both over time, with
/// what went wrong.
fn over_time(runs: &[&Run], caption: &str, file: &Path) -> Drawn {
    let area = SVGBackend::new(file, (820, 640)).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(340);
    let rate: Vec<_> = runs.iter().map(|run| (*run, run.origin_rate())).collect();
    let title = format!("{caption}: origin requests per second");
    lines(&above, &title, &rate, 1.0, true)?;
    let slow: Vec<_> = runs.iter().map(|run| (*run, run.p99_over_time())).collect();
    lines(&below, "p99 of the clients, ms", &slow, 0.1, false)?;
    area.present()?;
    Ok(())
}

fn lines(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    runs: &[(&Run, Vec<(f64, f64)>)],
    least: f64,
    named: bool,
) -> Drawn {
    let points = || runs.iter().flat_map(|(_, points)| points);
    let most = points().map(|(_, value)| *value).fold(10.0, f64::max);
    let length = points().map(|(at, _)| *at).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(60)
        // The legend is beside the lines.
        .build_cartesian_2d(0.0..length * LEGEND, (least..most * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("seconds")
        .x_label_formatter(&|at| match *at <= length {
            true => format!("{at:.0}"),
            false => String::new(),
        })
        .y_label_formatter(&|value| {
            if *value < 1.0 {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            }
        })
        .draw()?;
    for (run, points) in runs {
        let colour = colour(run.mode.name());
        // On a logarithmic scale there is no zero.
        let points = points.iter().map(|(at, value)| (*at, value.max(least)));
        let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        if named {
            drawn.label(run.mode.name()).legend(move |(x, y)| {
                Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled())
            });
        }
    }
    if let Some((run, _)) = runs.first() {
        for (at, fault) in run.faults() {
            let line = [(at, least), (at, most * 1.5)];
            chart.draw_series(LineSeries::new(line, BLACK.mix(0.4)))?;
            let text = Text::new(fault.name(), (at, most * 1.3), ("sans-serif", 12));
            chart.draw_series(std::iter::once(text))?;
        }
    }
    if named {
        legend(&mut chart)?;
    }
    Ok(())
}

fn legend<'a, X, Y>(chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(4)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
