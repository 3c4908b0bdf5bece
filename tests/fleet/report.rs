//! The figures of a load, in words.

use crate::load::Samples;
pub(crate) use crate::support::report::{Stall, ms, row};

/// The figures of a load, in words.
pub(crate) fn figures(samples: &Samples) -> String {
    format!(
        "{} answers, {} errors, p50 {}, p99 {}, longest {}",
        samples.len(),
        samples.errors(),
        ms(samples.quantile(0.5)),
        ms(samples.quantile(0.99)),
        ms(samples.longest())
    )
}
