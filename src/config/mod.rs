//! Settings are data, components are builder methods, `build` checks.

mod builder;
mod cache;
mod globs;
mod requests;
mod rule;
mod rules;
mod scope;
mod settings;

pub use builder::CacheBuilder;
pub use cache::Cache;
pub(crate) use cache::Shared;
pub use rule::{Cookies, Query, Rule};
pub(crate) use scope::Scope;
pub use settings::Settings;

/// One mebibyte, for settings in bytes.
pub const MIB: u64 = 1 << 20;
