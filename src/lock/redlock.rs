//! One lock over several servers that know nothing of one another.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::lock::handle::{Lock, valid};
use crate::lock::name::Name;
use crate::lock::tier::{Claim, Claimed, Held, Holder, LockTier};
use crate::shared::{BoxFuture, Fence};

/// How long to wait before the next attempt where nobody has a majority: from, and up to so much
/// more.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(150));
/// Those who hear of a release do not all ask in the same moment: they would split the votes.
const SPREAD: Duration = Duration::from_millis(15);

/// A lock over N servers that know nothing of one another: it is held if more than half of them say
/// so. Fewer than half may be down.
///
/// # How it works
/// All servers are asked at once, with one token, each for at most its
/// [timeout](Self::timeout). With a majority, and time left of the lease when the time that the
/// asking took and a drift of 1 % + 2 ms are taken off, it is held; else it is given back on all of
/// them, those that did not answer too, and tried again after a random time of 50 to 200 ms. A
/// renewal needs a majority as well. A server that is down costs its timeout five times, until its
/// connection is given up, and nothing after that.
///
/// # Its fence
/// No server sees all holders, so none can count them. Each one mints a fence of its own; the
/// largest of the majority is the lock's, and, before the lock is had, a majority has to take it as
/// the one to beat, each only while it is leased to this holder. This second round trip is the price
/// for fences that strictly rise. *Why they do:* of two holders, both majorities share a server,
/// which was leased to one of them first. There, the first one's fence was noted while it had the
/// lease, thus before it was leased to the second one; so the second one's fence is larger. No clock
/// is part of this argument, but the server's memory is: see the rule below.
///
/// # What it is good for
/// Whether it is safe has been debated: Martin Kleppmann ("How to do distributed locking", 2016)
/// held that it rests on clocks and on pauses being short, and has no fencing token; Salvatore
/// Sanfilippo ("Is Redlock safe?") that only the drift of clocks over one lease matters, and that no
/// lock which ends by itself can stop a holder that was paused. Both are right about the last part:
/// whatever lock it is, the store that is written to has to refuse the smaller fence, and with that
/// check, the lock is there to save work. What Redlock adds to one server with replicas is that a
/// failover loses no lock, since nothing is copied behind the answer. If one server (or Sentinel) is
/// enough for you, it is simpler, and half as far away.
///
/// # A server that was restarted
/// One that comes back without its data has forgotten leases and fences: it could make up a second
/// majority. So it has to stay out for as long as the longest lease that anybody uses (and, for the
/// fences, for as long as clocks of servers may differ), before it is let in again: start it later,
/// or with a firewall shut. Or let no write be lost: `appendonly yes` and `appendfsync always`.
/// Nothing here can do that for you.
#[derive(Debug, Clone)]
pub struct Redlock {
    nodes: Arc<[Arc<dyn LockTier>]>,
    timeout: Duration,
}

impl Redlock {
    /// Over these servers: three or five of them, each a `RedisLock` of one
    /// server with no replica.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there are fewer than three.
    pub fn new<T: LockTier>(nodes: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let nodes: Vec<Arc<dyn LockTier>> = nodes
            .into_iter()
            .map(|node| Arc::new(node) as Arc<dyn LockTier>)
            .collect();
        if nodes.len() < 3 {
            return Err(Error::config(format!(
                "redlock: it takes three servers to outvote one, got {}",
                nodes.len()
            )));
        }
        Ok(Self {
            nodes: nodes.into(),
            timeout: Duration::from_millis(50),
        })
    }

    /// Most time for one server to answer. Has to be short against the lease; too short, and a slow
    /// server counts as down. Default: 50 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A lock of this name, with all defaults.
    #[must_use]
    pub fn named(&self, name: impl AsRef<[u8]>) -> Lock {
        Lock::new(self.clone(), name)
    }

    fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    fn within(&self, within: Duration) -> Duration {
        within.min(self.timeout)
    }

    fn held(&self, held: &Held) -> Held {
        Held {
            within: self.within(held.within),
            ..held.clone()
        }
    }

    /// Asks every server the same.
    async fn ask<'a, T: Send>(
        &'a self,
        question: impl Fn(&'a dyn LockTier) -> BoxFuture<'a, Result<T, Error>>,
    ) -> Vec<Result<T, Error>> {
        all(self.nodes.iter().map(|node| question(&**node)).collect()).await
    }

    /// What a vote says: an error if those who did not answer could have turned it.
    fn count(&self, votes: &[Result<bool, Error>]) -> Result<bool, Error> {
        let yes = votes.iter().filter(|vote| matches!(vote, Ok(true))).count();
        let silent = votes.iter().filter(|vote| vote.is_err()).count();
        if yes >= self.quorum() {
            return Ok(true);
        }
        if yes + silent >= self.quorum() {
            return Err(self.too_few());
        }
        Ok(false)
    }

    fn too_few(&self) -> Error {
        let (quorum, all) = (self.quorum(), self.nodes.len());
        Error::unavailable(format!("fewer than {quorum} of {all} servers answered"))
    }

    /// When to try again, by what those servers said that did not grant.
    fn again(&self, mut left: Vec<Duration>) -> Duration {
        // If the others may still form a majority, nobody had one: the votes were split.
        let against = self.nodes.len() - self.quorum();
        left.sort_unstable();
        let free = left.len().checked_sub(against + 1).map(|at| left[at]);
        let random = RETRY.0 + RETRY.1.mul_f64(fastrand::f64());
        free.map_or(random, |free| free.max(random))
    }
}

impl LockTier for Redlock {
    fn acquire(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, Error>> {
        Box::pin(async move {
            let asked = Instant::now();
            let lease = claim.lease;
            let held = Held {
                name: claim.name.clone(),
                token: claim.token,
                within: self.within(claim.within),
            };
            let mut undo = Undo(Some((self, held.clone())));
            let within = held.within;
            let claim = Claim { within, ..claim };
            let answers = self.ask(|node| node.acquire(claim.clone())).await;
            let mut granted = Vec::new();
            let (mut fence, mut left, mut others) = (Fence::new(0), lease, Vec::new());
            for (node, answer) in self.nodes.iter().zip(&answers) {
                match answer {
                    Ok(Claimed::Granted {
                        fence: one,
                        left: time,
                    }) => {
                        (fence, left) = (fence.max(*one), left.min(*time));
                        granted.push(node);
                    }
                    Ok(Claimed::Held { left }) => others.push(*left),
                    Err(_) => {}
                }
            }
            if granted.len() >= self.quorum() {
                let raise = granted.iter().map(|node| node.raise(held.clone(), fence));
                let raised = all(raise.collect()).await;
                let raised = raised.iter().filter(|one| matches!(one, Ok(true))).count();
                if raised >= self.quorum() && asked.elapsed() < valid(left) {
                    undo.0 = None;
                    return Ok(Claimed::Granted { fence, left });
                }
            }
            // Waited for: the next attempt should not meet what is left of this one.
            self.ask(|node| node.release(held.clone())).await;
            undo.0 = None;
            if granted.len() + others.len() < self.quorum() {
                return Err(self.too_few());
            }
            let left = self.again(others);
            Ok(Claimed::Held { left })
        })
    }

    fn renew(&self, held: Held, lease: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let held = self.held(&held);
        Box::pin(async move { self.count(&self.ask(|node| node.renew(held.clone(), lease)).await) })
    }

    fn raise(&self, held: Held, fence: Fence) -> BoxFuture<'_, Result<bool, Error>> {
        let held = self.held(&held);
        Box::pin(async move { self.count(&self.ask(|node| node.raise(held.clone(), fence)).await) })
    }

    fn release(&self, held: Held) -> BoxFuture<'_, Result<bool, Error>> {
        let held = self.held(&held);
        Box::pin(async move { self.count(&self.ask(|node| node.release(held.clone())).await) })
    }

    fn look(&self, name: Name, within: Duration) -> BoxFuture<'_, Result<Option<Holder>, Error>> {
        let within = self.within(within);
        Box::pin(async move {
            let seen = self.ask(|node| node.look(name.clone(), within)).await;
            if seen.iter().filter(|one| one.is_ok()).count() < self.quorum() {
                return Err(self.too_few());
            }
            let mut holders: Vec<Holder> = seen.into_iter().flatten().flatten().collect();
            // The one that a majority took as the one to beat.
            holders.sort_unstable_by_key(|holder| (holder.fence, holder.left));
            let mut same = holders.chunk_by(|one, other| one.fence == other.fence);
            let leading = same.rfind(|same| same.len() >= self.quorum());
            // Until so few have it left that they are no majority.
            Ok(leading.map(|same| same[same.len() - self.quorum()].clone()))
        })
    }

    fn changed(&self, name: &Name) -> BoxFuture<'static, ()> {
        let mut told: Vec<_> = self.nodes.iter().map(|node| node.changed(name)).collect();
        Box::pin(async move {
            poll_fn(|cx| {
                let any = told.iter_mut().any(|one| one.as_mut().poll(cx).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            sleep(SPREAD.mul_f64(fastrand::f64())).await;
        })
    }
}

/// Gives back what was granted so far, on all servers, if the claim is dropped half-way.
struct Undo<'a>(Option<(&'a Redlock, Held)>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        // Without a runtime it ends by itself.
        if let (Some((all, held)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            let all = all.clone();
            runtime.spawn(async move {
                let _ = all.release(held).await;
            });
        }
    }
}

/// Runs all to their end, side by side.
async fn all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *done = Some(output),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
