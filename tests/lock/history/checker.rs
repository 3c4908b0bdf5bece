//! What a history of holds says against the promises.

use std::sync::Mutex;

/// One hold, in microseconds of the clock of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) fence: u64,
    /// When the holder was told.
    pub(crate) granted: u64,
    /// Until then the holder was told that it surely has it: it gave it back, or its lease may have
    /// been over. Not after `granted`: it was told too late to have had anything.
    pub(crate) sure: u64,
    /// When it really stopped: it may have stood still.
    pub(crate) stopped: u64,
}

/// A write to the store that is protected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) fence: u64,
    /// The holder was sure at that moment.
    pub(crate) sure: bool,
    pub(crate) taken: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) holds: Vec<Hold>,
    pub(crate) writes: Vec<Write>,
    largest: u64,
}

/// What there was of it, to see that something was proved.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) holds: usize,
    /// Holders that worked on past their lease, beside the next one.
    pub(crate) outlived: usize,
    /// Writes of such holders that were refused.
    pub(crate) refused: usize,
}

impl std::iter::Sum for Figures {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            holds: sum.holds + one.holds,
            outlived: sum.outlived + one.outlived,
            refused: sum.refused + one.refused,
        })
    }
}

impl History {
    /// The store: it refuses what comes with a smaller fence than the largest it has seen.
    pub(crate) fn write(&mut self, fence: u64, sure: bool) {
        let taken = fence >= self.largest;
        if taken {
            self.largest = fence;
        }
        self.writes.push(Write { fence, sure, taken });
    }

    pub(crate) fn verdict(&self) -> Result<Figures, String> {
        let mut holds: Vec<_> =
            (self.holds.iter().filter(|hold| hold.granted < hold.sure)).collect();
        holds.sort_unstable_by_key(|hold| hold.granted);
        let mut figures = Figures {
            holds: holds.len(),
            ..Figures::default()
        };
        for pair in holds.windows(2) {
            let [older, newer] = [pair[0], pair[1]];
            if newer.granted < older.sure {
                return Err(format!("two are sure at once: {older:?} and {newer:?}"));
            }
            if newer.fence <= older.fence {
                return Err(format!(
                    "a fence that does not rise: {older:?} and {newer:?}"
                ));
            }
            // By the first rule: only past the end of its lease.
            figures.outlived += usize::from(older.stopped > newer.granted);
        }
        let mut largest = 0;
        for write in &self.writes {
            if write.taken && write.fence < largest {
                return Err(format!("{write:?} was taken after {largest}"));
            }
            if write.sure && !write.taken {
                return Err(format!(
                    "{write:?} of a sure holder was refused after {largest}"
                ));
            }
            figures.refused += usize::from(!write.taken);
            largest = largest.max(if write.taken { write.fence } else { 0 });
        }
        Ok(figures)
    }
}

pub(crate) type Shared = std::sync::Arc<Mutex<History>>;

#[test]
fn the_checker_sees_each_kind_of_wrong() {
    let hold = |fence, granted, sure, stopped| Hold {
        fence,
        granted,
        sure,
        stopped,
    };
    let verdict = |holds: &[Hold], writes: &[(u64, bool, bool)]| {
        let writes = writes.iter().map(|(fence, sure, taken)| Write {
            fence: *fence,
            sure: *sure,
            taken: *taken,
        });
        let history = History {
            holds: holds.to_vec(),
            writes: writes.collect(),
            largest: 0,
        };
        history.verdict()
    };
    let good = [hold(5, 10, 20, 40), hold(6, 20, 30, 30)];
    let figures = verdict(
        &good,
        &[(5, true, true), (6, true, true), (5, false, false)],
    )
    .unwrap();
    assert_eq!(
        (figures.holds, figures.outlived, figures.refused),
        (2, 1, 1)
    );
    // One that was told too late is no holder.
    verdict(&[hold(5, 10, 20, 20), hold(4, 12, 11, 11)], &[]).unwrap();
    for wrong in [
        [hold(5, 10, 20, 20), hold(6, 19, 30, 30)],
        [hold(5, 10, 20, 20), hold(5, 20, 30, 30)],
        [hold(5, 10, 20, 20), hold(4, 30, 40, 40)],
    ] {
        verdict(&wrong, &[]).unwrap_err();
    }
    verdict(&[], &[(5, true, true), (4, false, true)]).unwrap_err();
    verdict(&[], &[(5, true, true), (4, true, false)]).unwrap_err();
}
