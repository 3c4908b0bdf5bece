//! Simulated fleets: whole engines over one shared tier that fails in all ways, under a paused
//! clock, with every decision drawn from one seed.
//!
//! - [`world`] builds a fleet and lets clients loose on it; [`life`] pauses and kills its nodes.
//! - [`faulty`] is what stands between a node and the tier, [`pipe`] between the tier's events and
//!   a node, [`ledger`] notes what the tier did, [`mutants`] break it on purpose.
//! - [`site`] is a site whose content changes, [`origin`] the way to it, [`client`] a request as the Tower face makes it.
//! - [`history`] is what happened, [`checks`] and [`safety`] what must be true of it, [`runs`] and
//!   [`storm`] the tests; [`seeds`] runs and replays them.
//! - [`cancel`] drops every future at each of its polls.
//!
//! A failing run prints the seed and the command that replays it.

mod cancel;
mod checks;
mod client;
mod faulty;
mod history;
mod ledger;
mod life;
mod mutants;
mod origin;
mod pipe;
mod regressions;
mod runs;
mod safety;
mod seeds;
mod site;
mod storm;
mod world;
