//! The heartbeat of a lease, and what is known of it between two beats.
//!
//! There is one for all leases: those of the cache's refreshes and those of the locks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::sync::Mutex;

/// How leases are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Length of a lease; renewed at a third of it.
    pub(crate) lease: Duration,
    /// Renewed no longer than this after the grant: a hung origin is not guarded for ever.
    pub(crate) longest: Duration,
    /// Most time for one call to the tier.
    pub(crate) call: Duration,
}

/// Why a lease is not surely there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// The store says that it is somebody else's, or nobody's: it ran out, was evicted, or the
    /// store lost it.
    Refused,
    /// Nobody confirmed it in time: the store was out of reach, or this process stood still.
    Unconfirmed,
    /// It was held for as long as it may be.
    Capped,
    /// Its own holder gave it back.
    Released,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the store gave it to somebody else, or lost it",
            Self::Unconfirmed => "it was not confirmed in time",
            Self::Capped => "it was held for as long as it may be",
            Self::Released => "it was given back",
        })
    }
}

/// Renews one lease.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    timing: Timing,
    granted: Instant,
    watch: Watch,
}

/// Sees whether a lease is there still, without holding it.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    held: Mutex<Held>,
    /// Told when the lease is lost.
    lost: Notify,
    /// The end of the longest hold.
    cap: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    /// By the local clock the lease is surely there until then: counted from *before* the call
    /// that granted or renewed it was sent.
    until: Instant,
    /// When the call was sent that granted or renewed it last.
    since: Instant,
    loss: Option<Loss>,
    /// The tier did not answer the last renewal.
    unanswered: bool,
}

impl Heartbeat {
    /// Time since the lease was asked for.
    pub(crate) fn age(&self) -> Duration {
        self.granted.elapsed()
    }

    /// Of the lease that a call sent at `asked` was granted, with `ttl` left.
    pub(crate) fn new(asked: Instant, ttl: Duration, timing: Timing) -> Self {
        let held = Held {
            until: asked + ttl,
            since: asked,
            loss: None,
            unanswered: false,
        };
        let shared = Shared {
            held: Mutex::new(held),
            lost: Notify::new(),
            cap: asked.checked_add(timing.longest),
        };
        Self {
            timing,
            granted: asked,
            watch: Watch(Arc::new(shared)),
        }
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Renews at a third of the lease, each time a little off it; ends when the lease is lost.
    pub(crate) async fn beat<F>(&self, renew: impl Fn() -> F)
    where
        F: Future<Output = Result<bool, Error>>,
    {
        let held = &self.watch.0.held;
        let mut next = self.next_beat();
        let loss = loop {
            sleep_until(next).await;
            let sent = Instant::now();
            {
                let held = held.lock();
                // Somebody was told so: what is lost is not renewed for nobody.
                if held.loss.is_some() {
                    return;
                }
                if sent >= held.until {
                    break Loss::Unconfirmed;
                }
            }
            if sent.duration_since(self.granted) >= self.timing.longest {
                break Loss::Capped;
            }
            next = match renew().await {
                Ok(true) => {
                    self.watch.confirm(sent, self.timing.lease);
                    self.next_beat()
                }
                Ok(false) => {
                    let mut held = held.lock();
                    // It may have gone at any time since it was confirmed last.
                    (held.until, held.unanswered) = (held.since, false);
                    break Loss::Refused;
                }
                // No answer: the lease may still be there, so try until its own end.
                Err(_) => {
                    held.lock().unanswered = true;
                    sent + self.timing.call.max(Duration::from_millis(100))
                }
            };
        };
        self.watch.lose(loss);
    }

    fn next_beat(&self) -> Instant {
        let third = self.timing.lease / 3;
        Instant::now() + third.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

impl Watch {
    /// True if somebody else may have it by now: the tier said so, or this process was paused past
    /// its end.
    pub(crate) fn may_be_lost(&self) -> bool {
        let held = self.0.held.lock();
        held.loss.is_some() || Instant::now() >= held.until
    }

    /// True if somebody else may have it by now and the tier is not the reason: it said so itself,
    /// or this process stood still.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.may_be_lost() && !self.0.held.lock().unanswered
    }

    /// A call sent at `sent` found it there, for `lease` at least from then on.
    pub(crate) fn confirm(&self, sent: Instant, lease: Duration) {
        let mut held = self.0.held.lock();
        // One that was extended by more is not cut short.
        (held.since, held.until) = (sent, held.until.max(sent + lease));
        held.unanswered = false;
    }

    /// Notes that it is lost. The first word counts.
    pub(crate) fn lose(&self, loss: Loss) {
        self.0.held.lock().loss.get_or_insert(loss);
        self.0.lost.notify_waiters();
    }

    /// Why it is lost, if it is. Once it was said to be lost it stays so, even if a late answer
    /// says that it was there: what was told to the work cannot be taken back.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let mut held = self.0.held.lock();
        if held.loss.is_none() {
            let now = Instant::now();
            if self.0.cap.is_some_and(|cap| now >= cap) {
                held.loss = Some(Loss::Capped);
            } else if now >= held.until {
                held.loss = Some(Loss::Unconfirmed);
            }
        }
        held.loss
    }

    /// For how much longer it is surely there, if no renewal comes.
    pub(crate) fn left(&self) -> Duration {
        if self.loss().is_some() {
            return Duration::ZERO;
        }
        self.ends().saturating_duration_since(Instant::now())
    }

    /// Waits until it is lost, to the moment: not until the next beat.
    pub(crate) async fn lost(self) -> Loss {
        loop {
            // Registered before the look, so that no word comes in between.
            let told = self.0.lost.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if let Some(loss) = self.loss() {
                return loss;
            }
            tokio::select! {
                () = told => {}
                () = sleep_until(self.ends()) => {}
            }
        }
    }

    fn ends(&self) -> Instant {
        let until = self.0.held.lock().until;
        self.0.cap.map_or(until, |cap| cap.min(until))
    }
}
