//! The head of a stored response, in little memory.

use std::sync::Arc;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{AGE, CACHE_STATUS, HeaderMap, HeaderName, HeaderValue};

use crate::entry::shape::{Line, Shape};
use crate::entry::{Head, Lines};

/// A stored head: its own values in one allocation, and the rest shared with other entries.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) status: StatusCode,
    shape: Arc<Shape>,
    /// Those of the lines for which the shape has none, in their order.
    values: Box<[HeaderValue]>,
}

impl From<Head> for Packed {
    fn from(mut head: Head) -> Self {
        // A head has none; but what comes from the shared tier is never trusted.
        head.headers.remove(AGE);
        let shape = Shape::of(head.headers.iter());
        let lines = shape.lines().iter().zip(head.headers.values());
        let own: Vec<_> = lines
            .filter(|(line, _)| line.value.is_none())
            .map(|(_, value)| value)
            .collect();
        Self {
            status: head.status,
            values: packed(&own),
            shape,
        }
    }
}

/// The same values, as slices of one allocation that holds nothing else.
fn packed(values: &[&HeaderValue]) -> Box<[HeaderValue]> {
    let mut all = BytesMut::with_capacity(values.iter().map(|value| value.len()).sum());
    for value in values {
        all.extend_from_slice(value.as_bytes());
    }
    let mut all = all.freeze();
    let values = values.iter().map(|value| {
        let mut own = HeaderValue::from_maybe_shared(all.split_to(value.len()))
            .expect("the bytes of a value are a value");
        own.set_sensitive(value.is_sensitive());
        own
    });
    values.collect()
}

impl Packed {
    /// Its fields for a response, with [room](Shape::template) for those of our own.
    pub(crate) fn headers(&self) -> HeaderMap {
        let empty = HeaderValue::from_static("");
        self.headers_with(empty.clone(), empty)
    }

    /// Its fields and the two of our own, put where there is [room](Shape::template) for them: that
    /// takes no look-up. The room of an empty one stays. What other caches have said in
    /// `Cache-Status` comes before ours.
    pub(crate) fn headers_with(&self, age: HeaderValue, cache_status: HeaderValue) -> HeaderMap {
        let mut headers = self.shape.template().clone();
        let mut slots = headers.values_mut();
        let mut own = self.values.iter();
        // By the lines and not by the slots: those behind are for the next two.
        for line in self.shape.lines() {
            let slot = slots.next();
            if line.value.is_none()
                && let (Some(slot), Some(own)) = (slot, own.next())
            {
                *slot = own.clone();
            }
        }
        if let Some(slot) = slots.next() {
            *slot = age;
        }
        match slots.next() {
            Some(slot) => *slot = cache_status,
            None if cache_status.is_empty() => {}
            None => {
                headers.append(CACHE_STATUS, cache_status);
            }
        }
        headers
    }

    /// The head as it came.
    pub(crate) fn head(&self) -> Head {
        let mut headers = HeaderMap::with_capacity(self.shape.lines().len());
        for (name, value) in self.iter() {
            headers.append(name, value.clone());
        }
        Head {
            status: self.status,
            headers,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let mut own = self.values.iter();
        let lines = self.shape.lines().iter();
        lines.filter_map(move |line| {
            let value = line.value.as_ref().or_else(|| own.next())?;
            Some((&line.name, value))
        })
    }

    /// Bytes of memory that it occupies, beside itself.
    pub(crate) fn size(&self) -> usize {
        /// What an allocation takes beside its content, and the counter of those that share it.
        const ALLOCATIONS: usize = 64;
        /// A line, and a slot of the map.
        const OF_A_SHAPE: usize = size_of::<Line>() + 112;

        let values: usize = self.values.iter().map(HeaderValue::len).sum();
        let shape = match self.shape.is_shared() {
            true => 0,
            false => self.shape.lines().len() * OF_A_SHAPE,
        };
        values + self.values.len() * size_of::<HeaderValue>() + shape + ALLOCATIONS
    }
}

impl Lines for Packed {
    fn line(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.iter()
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        let of_it = self.iter().filter(move |(other, _)| *other == name);
        of_it.map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests;
