//! One operation each, as it goes over a connection: arguments in, reply out.

use std::time::Duration;

use redis::{Cmd, Value};

use super::era::{Line, Question};
use super::failure::Failure;
use super::link::Conn;
use super::names::{Names, Space};
use super::reply::{self, Said};
use super::script::{ACQUIRE, COMMIT, ERA, PURGE, RELEASE, RENEW};
use crate::entry::Fence;
use crate::key::EntryId;
use crate::shared::limits::{GRACE, millis, millis_at_least_one};
use crate::shared::{Ask, Commit, Committed, Content, PurgeKind, Release, Renew};

/// Asks; all but the content comes back. `grace` is how long the book-keeping lives. A fence that is
/// minted is larger than `floor`.
pub(super) async fn acquire(
    link: &mut Conn,
    names: &Names,
    ask: &Ask,
    grace: Duration,
    floor: u64,
) -> Result<Said, Failure> {
    let flags: String = [(ask.peek, 'p'), (ask.force, 'f'), (ask.insist, 'i')]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(ask.token.to_string())
            .arg(millis_at_least_one(ask.lease))
            .arg(&flags)
            .arg(millis(grace))
            .arg(ask.have.map_or_else(String::new, |fence| fence.to_string()))
            .arg(floor);
    };
    reply::said(ACQUIRE.run(link, names, arguments).await?)
}

/// Reads a version with its content: one snapshot.
pub(super) async fn fetch(
    link: &mut Conn,
    names: &Names,
) -> Result<Option<(Fence, Content)>, Failure> {
    let mut cmd = redis::cmd("HMGET");
    cmd.arg(&names.entry).arg("v").arg("m").arg("b");
    reply::content(cmd.query_async(link).await?)
}

pub(super) async fn commit(
    link: &mut Conn,
    space: &Space,
    commit: &Commit,
) -> Result<Committed, Failure> {
    let (mode, body) = match &commit.body {
        Some(body) => ("body", body.as_ref()),
        None => ("keep", [].as_slice()),
    };
    let shard = link.shard(space);
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(commit.token.to_string())
            .arg(commit.fence.get())
            .arg(millis(commit.fresh))
            .arg(millis(commit.keep.max(GRACE)))
            .arg(&space.channel)
            .arg(commit.id.to_string())
            .arg(mode)
            .arg(commit.meta.as_ref())
            .arg(body)
            // Begun milliseconds count: what is on time loses nothing.
            .arg(millis(commit.held) + 1)
            .arg(shard);
    };
    let names = space.names(commit.id);
    reply::committed(COMMIT.run(link, &names, arguments).await?)
}

pub(super) async fn renew(link: &mut Conn, space: &Space, renew: &Renew) -> Result<bool, Failure> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(renew.token.to_string())
            .arg(renew.fence.get())
            .arg(millis_at_least_one(renew.lease))
            .arg(millis(GRACE));
    };
    let names = space.names(renew.id);
    reply::yes(RENEW.run(link, &names, arguments).await?)
}

pub(super) async fn release(
    link: &mut Conn,
    space: &Space,
    release: &Release,
    grace: Duration,
) -> Result<bool, Failure> {
    let names = space.names(release.id);
    release_of(link, space, &names, release, grace).await
}

/// The same of a lease under these names.
pub(super) async fn release_of(
    link: &mut Conn,
    space: &Space,
    names: &Names,
    release: &Release,
    grace: Duration,
) -> Result<bool, Failure> {
    let (mark, lasts) = match release.block {
        Some((kind, lasts)) => (reply::mark_text(kind), millis(lasts)),
        None => (String::new(), 0),
    };
    let shard = link.shard(space);
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(release.token.to_string())
            .arg(lasts)
            .arg(&mark)
            .arg(&space.channel)
            .arg(release.id.to_string())
            .arg(millis(grace))
            .arg(shard);
    };
    reply::yes(RELEASE.run(link, names, arguments).await?)
}

pub(super) async fn purge(
    link: &mut Conn,
    space: &Space,
    era: u64,
    id: EntryId,
    kind: PurgeKind,
) -> Result<Fence, Failure> {
    let names = space.names_in(era, id);
    let shard = link.shard(space);
    let arguments = |cmd: &mut Cmd| purge_arguments(cmd, space, era, id, kind, shard);
    reply::purged(PURGE.run(link, &names, arguments).await?)
}

/// The same as one command of a pipeline; it fails with NOSCRIPT if the script is not known.
pub(super) fn purge_by_digest(
    link: &Conn,
    space: &Space,
    era: u64,
    id: EntryId,
    kind: PurgeKind,
) -> Cmd {
    let mut cmd = PURGE.by_digest(&space.names_in(era, id));
    purge_arguments(&mut cmd, space, era, id, kind, link.shard(space));
    cmd
}

fn purge_arguments(
    cmd: &mut Cmd,
    space: &Space,
    era: u64,
    id: EntryId,
    kind: PurgeKind,
    shard: &str,
) {
    let letter = match kind {
        PurgeKind::Hard => "h",
        PurgeKind::Soft => "s",
    };
    cmd.arg(letter)
        .arg(millis(GRACE))
        .arg(&space.channel)
        .arg(id.to_string())
        .arg(era)
        .arg(shard);
}

/// The era as it is stored, and those that it followed; an error too if that is none.
pub(super) async fn stored_era(link: &mut Conn, space: &Space) -> Result<Line, Failure> {
    let mut cmd = redis::cmd("GET");
    cmd.arg(space.era_key());
    match cmd.query_async(link).await? {
        Value::Nil => Ok(Line::default()),
        reply => reply::line(reply),
    }
}

/// Brings the store and the caller to the same era.
pub(super) async fn era(
    link: &mut Conn,
    space: &Space,
    question: &Question,
) -> Result<Line, Failure> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(question.known.to_string())
            .arg(question.beside.to_string())
            .arg(u8::from(question.purge.is_some()))
            .arg(millis(Duration::MAX))
            .arg(&space.channel);
    };
    let key = space.era_key();
    let said = ERA.run_on(link, &[&key], arguments).await;
    let said = said.map_err(Failure::from).and_then(reply::line);
    said.map_err(|failure| match failure {
        Failure::Foreign(what) => Failure::Foreign(format!("{key}: {what}")),
        other => other,
    })
}
