//! Which purges of everything followed which.

use std::fmt;

use crate::shared::redis::failure::Failure;

/// Most eras of a line; the oldest goes first.
const MOST: usize = 16;

/// An era and those that it followed, latest first: whatever was stored before any of these began
/// does not count in it.
///
/// A number alone does not say so much: two servers whose clocks differ may give the later purge the
/// lower one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shared::redis) struct Line(Vec<u64>);

impl Line {
    /// Reads one: numbers with commas between.
    pub(in crate::shared::redis) fn read(text: &str) -> Result<Self, Failure> {
        let mut eras = Vec::new();
        for number in text.split(',') {
            let era = super::read(number)?;
            if eras.len() == MOST || eras.last().is_some_and(|last| *last <= era) {
                return Err(Failure::foreign("eras that do not follow each other"));
            }
            eras.push(era);
        }
        Ok(Self(eras))
    }

    /// Of an era about which no more is known.
    pub(in crate::shared::redis) fn of(era: u64) -> Self {
        Self(vec![era])
    }

    /// The era that counts; 0 before the first purge of everything.
    pub(in crate::shared::redis) fn head(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    /// True if this era is the one that counts, or is over. What is older than all of a full line is
    /// taken to be over.
    pub(in crate::shared::redis) fn holds(&self, era: u64) -> bool {
        let is_older = self.0.len() == MOST && self.0.last() > Some(&era);
        era == 0 || is_older || self.0.contains(&era)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }

    /// With these, too.
    pub(in crate::shared::redis) fn add(&mut self, eras: impl IntoIterator<Item = u64>) {
        self.0.extend(eras);
        self.0.sort_unstable_by(|a, b| b.cmp(a));
        self.0.dedup();
        self.0.truncate(MOST);
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.0.retain(|era| keep(*era));
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, era) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{era}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_strange_ones_are_not() {
        let full = (1..=16u32).rev().map(|era| era.to_string());
        let full = full.collect::<Vec<_>>().join(",");
        for text in ["7", "9,8,1", &full] {
            assert_eq!(Line::read(text).unwrap().to_string(), text);
        }
        let long = format!("17,{full}");
        for strange in [
            "",
            "0",
            "7,",
            ",7",
            "7,8",
            "7,7",
            "7,0",
            "x",
            "9007199254740992",
            &long,
        ] {
            assert!(Line::read(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_full_line_takes_what_is_older_for_over() {
        let mut line = Line::default();
        assert!(line.holds(0) && !line.holds(1));
        line.add((3..18).chain([20]));
        assert_eq!((line.head(), line.0.len()), (20, 16));
        assert!(line.holds(2) && line.holds(3) && !line.holds(19) && !line.holds(21));
        line.add([30]);
        assert_eq!((line.head(), line.0.last()), (30, Some(&4)));
        line.retain(|era| era != 30);
        // It has room again.
        assert!(!line.holds(3) && line.holds(4));
    }
}
