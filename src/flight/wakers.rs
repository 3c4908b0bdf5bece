//! A set of wakers with cheap removal, kept under somebody else's lock.

use std::task::Waker;

/// The wakers of those who wait, each in a numbered slot that it gives back when it leaves.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    /// Notes `waker`, in `slot` if the caller has one already.
    pub(crate) fn note(&mut self, slot: &mut Option<usize>, waker: &Waker) {
        match *slot {
            Some(index) => match &mut self.slots[index] {
                Some(known) => known.clone_from(waker),
                empty => *empty = Some(waker.clone()),
            },
            None => {
                let index = self.free.pop().unwrap_or_else(|| {
                    self.slots.push(None);
                    self.slots.len() - 1
                });
                self.slots[index] = Some(waker.clone());
                *slot = Some(index);
            }
        }
    }

    /// Gives a slot back.
    pub(crate) fn leave(&mut self, slot: &mut Option<usize>) {
        if let Some(index) = slot.take() {
            self.slots[index] = None;
            self.free.push(index);
        }
    }

    /// Takes all wakers out, to be woken once the lock is released. Slots stay with their owners.
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        self.slots.iter_mut().filter_map(Option::take).collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

/// Wakes them all. To be called without any lock held: a waker may run its task's code.
pub(crate) fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
