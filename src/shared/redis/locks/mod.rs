//! The operations of locks: the same keys, connections and events as those of entries, so a lock
//! is given back by the same script, and what was granted to nobody by the same book of debts.

use std::sync::Weak;
use std::time::Duration;

use redis::Cmd;

use super::breaker::Call;
use super::debts::Ghost;
use super::failure::Failure;
use super::link::Links;
use super::names::Names;
use super::script::Script;
use super::{Inner, RedisTier, reply, wire};
use crate::entry::Fence;
use crate::error::Error;
use crate::key::EntryId;
use crate::shared::limits::{GRACE, millis, millis_at_least_one};
use crate::shared::{Listener, Release, SharedTier, Token};

static CLAIM: Script = Script::new(include_str!("claim.lua"));
static EXTEND: Script = Script::new(include_str!("extend.lua"));
static RAISE: Script = Script::new(include_str!("raise.lua"));
static LOOK: Script = Script::new(include_str!("look.lua"));

/// Asks for a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockClaim<'a> {
    pub(crate) id: EntryId,
    pub(crate) token: Token,
    pub(crate) lease: Duration,
    pub(crate) name: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) waits: bool,
    pub(crate) announce: bool,
    pub(crate) within: Duration,
}

/// What `claim.lua` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockClaimed {
    Granted { fence: Fence, left: Duration },
    Held { left: Duration },
}

/// A lease by its token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockHeld {
    pub(crate) id: EntryId,
    pub(crate) token: Token,
    pub(crate) within: Duration,
}

/// Who has it, how long still, and what it said it is.
pub(crate) type LockHolder = (Fence, Duration, String);

impl RedisTier {
    pub(crate) async fn lock_claim(&self, claim: LockClaim<'_>) -> Result<LockClaimed, Error> {
        let inner = &*self.inner;
        let mut ghost = Ghostly {
            inner,
            ghost: Some(Ghost {
                id: claim.id,
                token: claim.token,
                is_lock: true,
            }),
        };
        let act = |mut links: Links| async move {
            let flags = [(claim.waits, 'w'), (claim.announce, 'a')];
            let flags: String =
                (flags.iter().filter_map(|(set, flag)| set.then_some(*flag))).collect();
            let id = claim.id.to_string();
            let shard = links.control.shard(&inner.space);
            let arguments = |cmd: &mut Cmd| {
                cmd.arg(claim.token.to_string())
                    .arg(millis_at_least_one(claim.lease))
                    .arg(millis(GRACE))
                    .arg(claim.name)
                    .arg(claim.owner)
                    .arg(&flags)
                    .arg(&inner.space.channel)
                    .arg(&id)
                    .arg(shard);
            };
            let names = inner.space.lock_names(claim.id);
            let [tag, fence, left] =
                reply::texts(CLAIM.run(&mut links.control, &names, arguments).await?)?;
            let left = millis_left(&left)?;
            Ok(match tag.as_str() {
                "G" => Some(LockClaimed::Granted {
                    fence: Fence::new(reply::number(&fence)?),
                    left,
                }),
                "H" => Some(LockClaimed::Held { left }),
                "O" => None,
                _ => return Err(Failure::foreign("an unknown answer to a claim")),
            })
        };
        let result = inner
            .reach(claim.id, Call::Followup, claim.within, act)
            .await;
        if matches!(result, Ok(_) | Err(Failure::Held)) {
            ghost.ghost = None;
        }
        result?.ok_or_else(|| Error::unavailable("redis is out of memory"))
    }

    pub(crate) async fn lock_extend(&self, held: LockHeld, lease: Duration) -> Result<bool, Error> {
        self.lock_act(held, &EXTEND, |cmd| {
            cmd.arg(millis_at_least_one(lease)).arg(millis(GRACE));
        })
        .await
    }

    pub(crate) async fn lock_raise(&self, held: LockHeld, fence: Fence) -> Result<bool, Error> {
        self.lock_act(held, &RAISE, |cmd| {
            cmd.arg(fence.get()).arg(millis(GRACE));
        })
        .await
    }

    /// What cannot be given back now is so when the server is there again.
    pub(crate) async fn lock_release(&self, held: LockHeld) -> Result<bool, Error> {
        let inner = &*self.inner;
        let LockHeld { id, token, within } = held;
        let mut ghost = Ghostly {
            inner,
            ghost: Some(Ghost {
                id,
                token,
                is_lock: true,
            }),
        };
        let release = Release {
            id,
            token,
            block: None,
            within,
        };
        let act = |mut links: Links| async move {
            let names = inner.space.lock_names(id);
            wire::release_of(&mut links.control, &inner.space, &names, &release, GRACE).await
        };
        let result = inner.reach(id, Call::Followup, within, act).await;
        if matches!(result, Ok(_) | Err(Failure::Foreign(_))) {
            ghost.ghost = None;
        }
        Ok(result?)
    }

    pub(crate) async fn lock_look(
        &self,
        id: EntryId,
        within: Duration,
    ) -> Result<Option<LockHolder>, Error> {
        let inner = &*self.inner;
        let act = |mut links: Links| async move {
            let names = inner.space.lock_names(id);
            let arguments = |cmd: &mut Cmd| {
                cmd.arg(millis(GRACE));
            };
            let said = LOOK.run(&mut links.control, &names, arguments).await?;
            let [fence, left, owner] = reply::texts(said)?;
            if fence.is_empty() {
                return Ok(None);
            }
            let fence = Fence::new(reply::number(&fence)?);
            Ok(Some((fence, millis_left(&left)?, owner)))
        };
        Ok(inner.reach(id, Call::Followup, within, act).await?)
    }

    /// From now on `listener` hears of releases.
    pub(crate) fn lock_listen(&self, listener: Weak<dyn Listener>) {
        self.subscribe(listener);
    }

    async fn lock_act(
        &self,
        held: LockHeld,
        script: &'static Script,
        more: impl Fn(&mut Cmd),
    ) -> Result<bool, Error> {
        let inner = &*self.inner;
        let more = &more;
        let act = |mut links: Links| async move {
            let names: Names = inner.space.lock_names(held.id);
            let arguments = |cmd: &mut Cmd| {
                cmd.arg(held.token.to_string());
                more(cmd);
            };
            reply::yes(script.run(&mut links.control, &names, arguments).await?)
        };
        Ok(inner
            .reach(held.id, Call::Followup, held.within, act)
            .await?)
    }
}

/// A key that is there has a time left; that it may be in its last moment is no error.
fn millis_left(text: &str) -> Result<Duration, Failure> {
    let left: i64 = reply::number(text)?;
    Ok(Duration::from_millis(left.max(0).unsigned_abs()))
}

/// Remembers a lease that nobody has, until it is known to be gone: the call failed, or its caller
/// was dropped.
struct Ghostly<'a> {
    inner: &'a Inner,
    ghost: Option<Ghost>,
}

impl Drop for Ghostly<'_> {
    fn drop(&mut self) {
        if let Some(ghost) = self.ghost {
            self.inner.debts.owe_release(ghost);
            self.inner.topology.wake_for(&self.inner.space, ghost.id);
        }
    }
}
