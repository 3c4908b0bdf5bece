//! Events of a cluster by sharded pub/sub: they stay with their master and reach every node, and
//! none is lost without a word, whatever becomes of the channels.

mod diary;
mod fleet;
mod losses;
mod rights;
mod routes;
