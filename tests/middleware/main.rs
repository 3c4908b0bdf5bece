//! The layer as its users see it: one service, one cache, paused time.

mod bodies;
mod cancel;
mod conditional;
mod directives;
mod flock;
mod invalidation;
mod pieces;
mod purges;
mod ranges;
mod readiness;
mod rules;
mod staleness;
mod support;
mod variants;
