//! The tables, the slopes in words, and the picture.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::layer::{BODY, Grown};
use crate::support;
use crate::waiters::Waited;

/// What the leanest Rust peer takes for an entry of 1 KiB (pingora's store in memory).
const PEER: f64 = 2_185.0;

pub(crate) fn show(grown: &[Grown], waited: &[Waited], entry: f64, entries: usize, kept: bool) {
    let text = tables(grown, waited, entry, entries);
    println!("{text}");
    if kept {
        let dir = support::results();
        let head = format!(
            "# How costs grow\n\n{}, {}. `cargo bench --bench growth`.\n\n![](growth.svg)\n",
            support::date(),
            support::machine()
        );
        fs::write(dir.join("growth.md"), format!("{head}{text}")).expect("a file can be written");
        draw(grown, waited, &dir.join("growth.svg")).expect("a picture");
        println!("written to benches/results: growth.md, growth.svg");
    }
    assert!(
        entry < PEER,
        "an entry of 1 KiB takes {entry:.0} bytes in the proxy"
    );
    for crowd in waited {
        assert_eq!(crowd.origin, 1, "{} waiters", crowd.waiters);
        assert!(
            crowd.last.as_secs_f64() < 1.0,
            "{} waiters: the last after {:?}",
            crowd.waiters,
            crowd.last
        );
    }
}

fn tables(grown: &[Grown], waited: &[Waited], entry: f64, entries: usize) -> String {
    let mut text = format!(
        "\n## Entries\n\nThe layer by itself, bodies of {BODY} bytes, pages at random; the memory is \
         all that the process grew by. {}\n\n| entries | bytes each | hit ns | fill ns |\n|---|---|---|---|\n",
        slopes(grown)
    );
    for one in grown {
        let Grown {
            entries,
            bytes,
            hit,
            fill,
        } = one;
        let _ = writeln!(
            text,
            "| {entries} | {bytes:.0} | {} | {} |",
            hit.as_nanos(),
            fill.as_nanos()
        );
    }
    let _ = write!(
        text,
        "\nIn the proxy, behind a real origin, an entry of 1 KiB with its fields takes **{entry:.0} \
         bytes** among {entries} (the leanest Rust peer {PEER:.0}).\n\n## Waiters\n\nAll ask for one \
         cold page of 1 KiB; the origin answers once all wait. Each is a task with its request and \
         its response, which is part of the memory.\n\n| waiters | bytes each | last answer ms after the \
         origin's | origin requests |\n|---|---|---|---|\n"
    );
    for crowd in waited {
        let Waited {
            waiters,
            bytes,
            last,
            origin,
        } = crowd;
        let last = last.as_secs_f64() * 1_000.0;
        let _ = writeln!(text, "| {waiters} | {bytes:.0} | {last:.1} | {origin} |");
    }
    text
}

/// How much dearer it gets each time that there are ten times as many.
fn slopes(grown: &[Grown]) -> String {
    let (Some(first), Some(last)) = (grown.first(), grown.last()) else {
        return String::new();
    };
    let decades = (last.entries as f64 / first.entries as f64).log10();
    let times = last.hit.as_secs_f64() / first.hit.as_secs_f64();
    let tail = &grown[grown.len().saturating_sub(3)..];
    let bytes = tail.iter().map(|one| one.bytes);
    let (least, most) = (
        bytes.clone().fold(f64::MAX, f64::min),
        bytes.fold(0.0, f64::max),
    );
    format!(
        "From {} to {} entries a hit takes {times:.1} times as long, {:.2} times for each tenfold (the \
         processor's caches); the memory of an entry stays between {least:.0} and {most:.0} bytes over \
         the last three.",
        first.entries,
        last.entries,
        times.powf(1.0 / decades.max(1.0))
    )
}

fn draw(grown: &[Grown], waited: &[Waited], file: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (820, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let parts = area.split_evenly((2, 2));
    let entries = |value: fn(&Grown) -> f64| -> Vec<_> {
        grown
            .iter()
            .map(|one| (one.entries as f64, value(one)))
            .collect()
    };
    let waiters = |value: fn(&Waited) -> f64| -> Vec<_> {
        waited
            .iter()
            .map(|one| (one.waiters as f64, value(one)))
            .collect()
    };
    let hits = entries(|one| one.hit.as_nanos() as f64);
    one(&parts[0], "ns for a hit, by entries", &hits)?;
    one(
        &parts[1],
        "bytes for an entry, by entries",
        &entries(|one| one.bytes),
    )?;
    let last = waiters(|one| one.last.as_secs_f64() * 1_000.0);
    one(&parts[2], "ms to the last answer, by waiters", &last)?;
    one(
        &parts[3],
        "bytes for a waiter, by waiters",
        &waiters(|one| one.bytes),
    )?;
    area.present()?;
    Ok(())
}

fn one(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    points: &[(f64, f64)],
) -> Result<(), Box<dyn Error>> {
    let last = points.last().map_or(10.0, |point| point.0);
    let first = points.first().map_or(1.0, |point| point.0);
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(50)
        .build_cartesian_2d((first * 0.8..last * 1.2).log_scale(), 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|count| match *count {
            count if count >= 1e6 => format!("{:.0}M", count / 1e6),
            count if count >= 1e3 => format!("{:.0}k", count / 1e3),
            count => format!("{count:.0}"),
        })
        .draw()?;
    let colour = RGBColor(27, 120, 55);
    chart.draw_series(LineSeries::new(
        points.iter().copied(),
        colour.stroke_width(2),
    ))?;
    chart.draw_series(
        points
            .iter()
            .map(|point| Circle::new(*point, 3, colour.filled())),
    )?;
    Ok(())
}
