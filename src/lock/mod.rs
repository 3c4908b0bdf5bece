//! Locks for a fleet, or for one process: renewed while they are held, with a signal when they are
//! lost, a fencing token, and waiting that is told of the release. Of use without any cache.
//!
#![cfg_attr(feature = "redis", doc = "```no_run")]
#![cfg_attr(not(feature = "redis"), doc = "```ignore")]
//! # async fn import() {}
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use bellwether::lock::RedisLock;
//! use std::time::Duration;
//!
//! let locks = RedisLock::connect("redis://127.0.0.1:6379").await?;
//! let nightly = locks.named("nightly import");
//! let guard = nightly.lock(Duration::from_secs(5)).await?; // waits, at most so long
//! guard.run(import()).await?;                              // renewed meanwhile, stopped if lost
//! guard.release().await?;                                  // or drop it
//! # Ok(())
//! # }
//! ```
//!
//! | where locks are kept | |
//! |---|---|
//! | `RedisLock` | one Redis, Sentinel or Cluster |
//! | [`Redlock`] | several servers that know nothing of one another; fewer than half may be down |
//! | [`MemoryLock`] | this process: the embedded default, and for tests, on a paused clock too |
//!
//! On any of them: [`Lock`], held by a [`Guard`]; [`Election`] and its [`Leadership`];
//! [`Semaphore`]. What keeps locks elsewhere implements [`LockTier`].
//!
//! # What a holder can know, and what it cannot
//! A lock that outlives its holder's crash has to end by itself, and so it can end while its holder
//! lives and does not notice:
//!
//! ```text
//! store      │ lease of A, fence 41 ........│        │ lease of B, fence 42 .........
//!            │      ▲ renewed  ▲ renewed    │ ends   ▲ granted
//! A  asks ──▶│ works ┴─────────┴──╳ stands still (no CPU, a swap, a suspended machine)
//!                                 ╳                     ╳ goes on: writes with 41 ──▶ refused
//! B                                  waits ... ─────▶│ works ──▶ writes with 42 ──▶ stored
//!                                                            ────────── time ─────────▶
//! ```
//!
//! - While A runs, it knows: its own monotonic clock, counted from *before* each renewal was sent,
//!   less 1 % + 2 ms for clocks that do not run alike, ends before the lease does.
//!   [`Guard::lost`] resolves at that moment, whether or not the store can be reached, and
//!   [`Guard::run`] does not poll the work again.
//! - While A stands still, it knows nothing, and neither does anyone else know that it will go on.
//!   Woken up, `run` looks at the clock before it lets the work take another step. But what had left
//!   the process (a request on the wire, a write in a kernel's buffer), and a step that was cut in
//!   the middle between a look and a write, arrive whenever they do.
//! - So only the place that is written to can have the last word. It has to refuse a fence that is
//!   smaller than the largest it has seen, and a decision whose ground is gone: both in the same step
//!   as the write. (The fence alone does not see a late write that comes after the next holder has
//!   read and before it writes.)
//!
//! ```sql
//! UPDATE seats SET holder = :who, fence = :fence
//!  WHERE seat = :seat AND fence <= :fence AND holder IS NULL; -- what was read
//! -- no row changed: somebody else was here. Give up, and do not retry with this fence.
//! ```
//!
//! - A store that cannot compare (a mail, a payment at a third party) is not made safe by a lock:
//!   have the other side know the operation by a number (an idempotency key), or accept that it may
//!   happen twice where a holder stood still.
//!
//! A thread that is blocked (a computation without an await, `std::thread::sleep`) on a runtime with
//! a single thread is a process that stands still: no heartbeat is sent. Use `spawn_blocking`, or a
//! runtime with more threads.
//!
//! # What may go wrong at the store
//! | event | what holders and waiters see |
//! |---|---|
//! | the holder crashes | the next one has it within a lease |
//! | the store is slow, frozen or gone | renewals are tried again until the lease is over: a short outage costs nothing, a long one the lock ([`Loss::Unconfirmed`]). `try_lock` fails within 100 ms, at once where the store is known to be gone |
//! | it was emptied, or restarted without its data | the next renewal says so ([`Loss::Refused`]); until then, at most a third of a lease, another one may hold it as well, with a larger fence |
//! | failover to a replica | the same, if the lease was not copied yet. [`Redlock`] has no such gap |
//! | the store's wall clock jumps ahead | leases end early; fences go on rising |
//! | it jumps back | leases last longer; fences go on rising, by one each, until it has caught up. They fall only if the last fence is lost as well: see `RedisLock` |
//! | this machine's wall clock jumps | nothing: it is not used |

mod ears;
mod election;
mod error;
mod guard;
mod handle;
mod heartbeat;
mod lease;
mod memory;
mod name;
#[cfg(feature = "redis")]
mod redis;
mod redlock;
mod semaphore;
mod tier;
mod wait;

pub use election::{Election, Leader, Leadership, Observer};
pub use error::LockError;
pub use guard::Guard;
pub use handle::Lock;
pub use heartbeat::Loss;
pub(crate) use heartbeat::{Timing, Watch};
pub(crate) use lease::Lease;
pub use memory::MemoryLock;
pub use name::Name;
#[cfg(feature = "redis")]
pub use redis::RedisLock;
pub use redlock::Redlock;
pub use semaphore::{Permit, Semaphore};
pub use tier::{Claim, Claimed, Held, Holder, LockTier};

pub use crate::shared::{BoxFuture, Fence, Token};
