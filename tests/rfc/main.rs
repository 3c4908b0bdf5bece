//! What the caching RFCs ask for, section by section, at the layer. Each row is a short story: what
//! the origin answers, what clients ask, and what must come of it.
//!
//! A row that is marked `finding N` states what should be and is not.

#[path = "../middleware/support.rs"]
#[expect(
    dead_code,
    reason = "the other tests of the layer need more of it than these"
)]
mod support;
mod table;

mod ages;
mod authorization;
mod cache_status;
mod conditions;
mod dates;
mod fields;
mod freshening;
mod freshness;
mod invalidation;
mod methods;
mod preconditions;
mod request_directives;
mod response_directives;
mod reuse;
mod stale;
mod storing;
mod targeted;
mod validation;
mod vary;
