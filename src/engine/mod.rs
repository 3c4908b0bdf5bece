//! Joins the mechanisms: who leads, who follows, what is stored where. Knows no HTTP.
//!
//! A request's way: [`plan`] says from what is known locally what to do; if that is to join the
//! key's flight, the first one there becomes its leader and [`drive`] runs in a task of its own
//! (so that no client can cancel it): it [`ask`]s the shared tier, [`wait`]s for another node's
//! refresh, or [`refresh`]es from the [`origin`] and [`fill`]s body and stores.

mod ask;
mod consult;
mod copy;
pub(crate) mod core;
mod drive;
mod events;
mod fill;
pub(crate) mod landing;
pub(crate) mod origin;
pub(crate) mod plan;
mod publish;
mod refresh;
#[cfg(all(test, not(bellwether_loom)))]
mod sim;
mod store;
mod wait;

pub(crate) use self::core::{Engine, Tuning};
pub(crate) use landing::{By, Failure, Job, Landing, Task};
