//! HTTP caching rules as pure functions of heads and `now`, each citing its section.

pub(crate) mod cookies;
pub(crate) mod date;
pub(crate) mod directives;
pub(crate) mod fields;
pub(crate) mod freshness;
pub(crate) mod invalidate;
pub(crate) mod list;
#[cfg(test)]
mod model;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod ready;
pub(crate) mod request;
pub(crate) mod reuse;
pub(crate) mod seen;
pub(crate) mod status;
pub(crate) mod storable;
pub(crate) mod tag;
pub(crate) mod targeted;
pub(crate) mod validate;
pub(crate) mod vary;
