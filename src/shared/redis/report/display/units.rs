//! How times, sizes, lists and places are written.

use std::fmt;
use std::time::Duration;

use super::super::super::url::Host;
use super::super::facts::Place;

/// A time, with as many digits as say something.
pub(in super::super) struct Time(pub(in super::super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1e3;
        match millis {
            ..1.0 => write!(f, "{millis:.2} ms"),
            ..10.0 => write!(f, "{millis:.1} ms"),
            ..10_000.0 => write!(f, "{millis:.0} ms"),
            ..600_000.0 => write!(f, "{:.0} s", millis / 1e3),
            _ => write!(f, "{:.0} min", millis / 6e4),
        }
    }
}

/// A difference of clocks in microseconds.
pub(in super::super) struct Micros(pub(in super::super) i64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0 < 0 { "behind" } else { "ahead of" };
        let apart = Time(Duration::from_micros(self.0.unsigned_abs()));
        write!(f, "{apart} {word}")
    }
}

pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
        let mib = self.0 as f64 / f64::from(1 << 20);
        if mib < 1024.0 {
            write!(f, "{mib:.1} MiB")
        } else {
            write!(f, "{:.1} GiB", mib / 1024.0)
        }
    }
}

/// The first few of many.
pub(in super::super) struct Some4<'a, T>(pub(in super::super) &'a [T]);

impl<T: fmt::Display> fmt::Display for Some4<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, one) in self.0.iter().take(4).enumerate() {
            write!(f, "{}{one}", if number == 0 { "" } else { ", " })?;
        }
        match self.0.len().checked_sub(4) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(Host { port, .. }) => {
                let name = self.host().into_owned();
                let port = *port;
                Host { name, port }.fmt(f)
            }
            Self::Socket(path) => f.write_str(path),
        }
    }
}
