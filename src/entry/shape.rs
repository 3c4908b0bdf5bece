//! What stored heads have in common. An origin has few sets of fields, so entries share them.
//!
//! A map of fields takes 104 bytes for each, most of them the same in all entries. So an entry holds
//! those values alone that are its own, and a *shape*: the names, and the values that say something
//! of the kind of a page rather than of the page. A hit makes its map by copying that of the shape,
//! which costs no hash.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use http::header::{AGE, CACHE_STATUS, HeaderMap, HeaderName, HeaderValue};

use crate::entry::common;

/// Shapes that are shared. Heads of any further one have theirs for themselves.
const MOST_SHAPES: usize = 1_024;
/// Names that are kept for good. Heads with any further one have their shapes for themselves.
const MOST_NAMES: usize = 1_024;
const LONGEST_NAME: usize = 64;
/// Values that are kept for good. Any further one is an entry's own.
const MOST_VALUES: usize = 1_024;
const LONGEST_VALUE: usize = 512;

/// One line of a head.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) name: HeaderName,
    /// That of all heads of this shape; `None` if each has its own.
    pub(crate) value: Option<HeaderValue>,
}

/// The lines of a head, in its order, as far as it has them in common with others.
#[derive(Debug)]
pub(crate) struct Shape {
    lines: Box<[Line]>,
    /// A map of these lines, and with [room](Shape::template).
    template: HeaderMap,
    shared: bool,
}

impl Shape {
    /// The shape of a head, whose lines come in the order of a map.
    pub(crate) fn of<'a>(
        lines: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    ) -> Arc<Self> {
        // Nothing in there is left half done by a panic.
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all_known = true;
        let lines = lines.map(|(name, value)| {
            let known = table.name(name);
            all_known &= known.is_some();
            Line {
                name: known.unwrap_or_else(|| name.clone()),
                value: table.value(name, value),
            }
        });
        let lines: Box<[Line]> = lines.collect();
        if all_known {
            table.shape(lines)
        } else {
            drop(table);
            Arc::new(Self::new(lines, false))
        }
    }

    fn new(lines: Box<[Line]>, shared: bool) -> Self {
        let empty = HeaderValue::from_static("");
        let mut template = HeaderMap::with_capacity(lines.len() + 2);
        for line in &lines {
            let value = line.value.as_ref().unwrap_or(&empty);
            template.append(line.name.clone(), value.clone());
        }
        template.insert(AGE, empty.clone());
        template.entry(CACHE_STATUS).or_insert(empty);
        Self {
            lines,
            template,
            shared,
        }
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The map, with an empty value for each that is a head's own, and behind the lines room for the
    /// two fields that every response gets of its own, `Age` and `Cache-Status`: a hit then replaces
    /// values in its copy instead of growing it.
    pub(crate) fn template(&self) -> &HeaderMap {
        &self.template
    }

    /// True if other heads have it, too: it takes no memory of an entry's own.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// Names and values in it are in memory that is never given back. Else every hit on every core
/// would count the users of one and the same allocation.
#[derive(Debug, Default)]
struct Table {
    names: HashSet<HeaderName>,
    values: HashSet<HeaderValue>,
    shapes: HashMap<Box<[Line]>, Weak<Shape>>,
}

impl Table {
    fn name(&mut self, name: &HeaderName) -> Option<HeaderName> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        if self.names.len() >= MOST_NAMES || name.as_str().len() > LONGEST_NAME {
            return None;
        }
        let known = HeaderName::from_static(name.as_str().to_owned().leak());
        self.names.insert(known.clone());
        Some(known)
    }

    fn value(&mut self, name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
        if value.is_sensitive() || !common::has_few_values(name) {
            return None;
        }
        if let Some(known) = self.values.get(value) {
            return Some(known.clone());
        }
        let text = value.to_str().ok()?;
        if self.values.len() >= MOST_VALUES || text.len() > LONGEST_VALUE {
            return None;
        }
        let known = HeaderValue::from_static(text.to_owned().leak());
        self.values.insert(known.clone());
        Some(known)
    }

    fn shape(&mut self, lines: Box<[Line]>) -> Arc<Shape> {
        if let Some(shape) = self.shapes.get(&lines).and_then(Weak::upgrade) {
            return shape;
        }
        if self.shapes.len() >= MOST_SHAPES {
            self.shapes.retain(|_, shape| shape.strong_count() > 0);
        }
        let shared = self.shapes.len() < MOST_SHAPES;
        let shape = Arc::new(Shape::new(lines.clone(), shared));
        if shared {
            self.shapes.insert(lines, Arc::downgrade(&shape));
        }
        shape
    }
}

#[cfg(test)]
mod tests;
