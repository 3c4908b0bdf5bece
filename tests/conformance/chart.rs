//! The totals as a picture: a bar for each cache.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::outcome::Kind::{Optimal, Required};
use crate::outcome::Outcome::{Fail, OptFail, Pass};
use crate::outcome::{Run, Tally};

/// One colour of a bar: its name, and how many tests of a cache it stands for.
type Segment = (&'static str, RGBColor, fn(&Tally) -> usize);

const SEGMENTS: [Segment; 5] = [
    ("required, passed", RGBColor(27, 120, 55), |tally| {
        tally.of(Required, Pass)
    }),
    ("optimal, passed", RGBColor(127, 191, 123), |tally| {
        tally.of(Optimal, Pass)
    }),
    ("could not be judged", RGBColor(200, 200, 200), |tally| {
        tally.asked() - tally.passed() - tally.any(Fail) - tally.any(OptFail)
    }),
    ("optimal, missed", RGBColor(253, 204, 100), |tally| {
        tally.any(OptFail)
    }),
    ("required, FAILED", RGBColor(200, 50, 50), |tally| {
        tally.any(Fail)
    }),
];

/// Draws the required and optimal tests of every cache into an SVG file.
pub(crate) fn draw(run: &Run, file: &Path) -> Result<(), Box<dyn Error>> {
    let mut caches = vec![("bellwether".to_owned(), run.tests.iter().collect::<Tally>())];
    for cache in &run.others {
        caches.push((cache.name.clone(), run.tally_of(cache)));
    }
    // The picture counts from below.
    caches.reverse();
    let asked = caches[0].1.asked();
    let rows = u32::try_from(caches.len())?;

    let area = SVGBackend::new(file, (820, 100 + 34 * rows)).into_drawing_area();
    area.fill(&WHITE)?;
    let (bars, below) = area.split_vertically(70 + 34 * rows);
    let title = format!("http-cache-tests 0.4.5: {asked} required and optimal tests");
    let mut chart = ChartBuilder::on(&bars)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(25)
        .y_label_area_size(90)
        .build_cartesian_2d(0..asked, (0..caches.len() - 1).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_label_formatter(&|row| match row {
            SegmentValue::CenterOf(row) => caches.get(*row).map_or_else(String::new, name),
            _ => String::new(),
        })
        .draw()?;
    for (index, (name, colour, count)) in SEGMENTS.iter().enumerate() {
        chart.draw_series(caches.iter().enumerate().map(|(row, (_, tally))| {
            let before = SEGMENTS[..index].iter();
            let begin: usize = before.map(|segment| segment.2(tally)).sum();
            let corners = [
                (begin, SegmentValue::Exact(row)),
                (begin + count(tally), SegmentValue::Exact(row + 1)),
            ];
            let mut bar = Rectangle::new(corners, colour.filled());
            bar.set_margin(4, 4, 0, 0);
            bar
        }))?;
        let x = 102 + 143 * i32::try_from(index)?;
        below.draw(&Rectangle::new([(x, 5), (x + 12, 17)], colour.filled()))?;
        below.draw(&Text::new(*name, (x + 18, 5), ("sans-serif", 14)))?;
    }
    area.present()?;
    Ok(())
}

fn name((name, tally): &(String, Tally)) -> String {
    format!("{name} {}", tally.passed())
}
