//! Values of fields that most responses carry, made once: a number, alone or behind a text.

use std::sync::{Mutex, OnceLock, PoisonError};

use http::HeaderValue;

/// How many texts are kept for good.
const MOST_TEXTS: usize = 16;
const HUNDRED: usize = 100;

/// A text with each number from 0 to 9,999 behind it: of seconds, hours, and so most of what is
/// said of ages and lifetimes. Made a hundred at a time, when the first of them is asked for.
///
/// The values are in memory that is never given back. Else every hit on every core would count the
/// users of one and the same allocation.
#[derive(Debug)]
pub(crate) struct Ready {
    text: String,
    hundreds: [OnceLock<Box<[HeaderValue]>>; HUNDRED],
}

/// The numbers alone.
pub(crate) static NUMBERS: Ready = Ready::behind(String::new());

impl Ready {
    /// The numbers behind this text, which is fit for a field.
    pub(crate) const fn behind(text: String) -> Self {
        Self {
            text,
            hundreds: [const { OnceLock::new() }; HUNDRED],
        }
    }

    /// The same, kept for good and for all who ask; `None` if there are too many texts.
    pub(crate) fn of(text: String) -> Option<&'static Self> {
        static TEXTS: Texts = Texts::new();
        TEXTS.get(text)
    }

    /// The text with that number; `None` beyond 9,999. Allocates with the first of a hundred only.
    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<HeaderValue> {
        let number = usize::try_from(number).ok()?;
        let hundred = self.hundreds.get(number / HUNDRED)?;
        let values = match hundred.get() {
            Some(values) => values,
            None => hundred.get_or_init(|| self.hundred(number / HUNDRED)),
        };
        values.get(number % HUNDRED).cloned()
    }

    fn hundred(&self, which: usize) -> Box<[HeaderValue]> {
        let numbers = which * HUNDRED..(which + 1) * HUNDRED;
        let mut all = String::new();
        let ends: Vec<_> = numbers
            .map(|number| {
                all.push_str(&self.text);
                all.push_str(&number.to_string());
                all.len()
            })
            .collect();
        let all: &'static str = all.leak();
        let mut start = 0;
        let values = ends.into_iter().map(|end| {
            let value = &all[start..end];
            start = end;
            HeaderValue::from_static(value)
        });
        values.collect()
    }
}

/// Those that are kept.
struct Texts(Mutex<Vec<&'static Ready>>);

impl Texts {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn get(&self, text: String) -> Option<&'static Ready> {
        // Nothing in there is left half done by a panic.
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.iter().find(|known| known.text == text) {
            return Some(known);
        }
        if texts.len() >= MOST_TEXTS {
            return None;
        }
        let made: &Ready = Box::leak(Box::new(Ready::behind(text)));
        texts.push(made);
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_stands_behind_the_text_and_allocates_nothing_again() {
        let ready = Ready::behind("a; b=".to_owned());
        for number in 0..10_000 {
            let value = ready.get(number).expect("it is one of them");
            assert_eq!(value, format!("a; b={number}"));
        }
        assert_eq!(ready.get(10_000), None);
        assert_eq!(ready.get(u64::MAX), None);
        let again = allocation_counter::measure(|| {
            for number in 0..10_000 {
                std::hint::black_box(ready.get(number));
            }
        });
        assert_eq!(again.count_total, 0);
    }

    #[test]
    fn one_text_is_kept_once_and_not_any_number_of_them() {
        let texts = Texts::new();
        let kept = |number: usize| texts.get(number.to_string());
        let first = kept(0).expect("there is room");
        assert!(std::ptr::eq(first, kept(0).expect("it is there")));
        assert_eq!(
            (0..100).filter(|number| kept(*number).is_some()).count(),
            MOST_TEXTS
        );
        assert!(std::ptr::eq(first, kept(0).expect("it is there")));
    }
}
