//! One import point of locks and atomics, so that loom can stand in for them.
//!
//! Built with `--cfg bellwether_loom` (a name of our own: tokio reacts to plain `loom`), every lock
//! of this crate is loom's.

#[cfg(bellwether_loom)]
use loom::sync as raw;
#[cfg(not(bellwether_loom))]
use std::sync as raw;

pub(crate) use raw::atomic;

/// A mutex that is never poisoned: the data behind each lock of this crate is valid between any
/// two statements, so a panic of another thread is no reason to fail here too.
#[derive(Debug)]
pub(crate) struct Mutex<T>(raw::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(raw::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> raw::MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
