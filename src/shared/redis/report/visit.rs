//! One look at one server, on a connection of its own that ends with it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, PushInfo, RedisError, RedisResult, Value,
};
use tokio::time::{Instant, timeout_at};

use super::super::failure::Failure;
use super::super::link::Conn;
use super::super::names::Space;
use super::super::shards::Voice;
use super::super::supervisor;
use super::super::tls::Tls;
use super::super::url::{Login, Target};
use super::facts::{Clock, Place, Refusal, Seen, Server, Trouble};
use super::info::{Hello, Info, sentence, text};
use super::rights;
use crate::clock::{Clock as _, SystemClock};
use crate::key::EntryId;

/// How often the time is asked for: the middle of the round trips is told, and the shortest says
/// most about the clock.
const ROUNDS: usize = 5;

/// Who comes, and until when.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) target: Target,
    pub(super) tls: Tls,
    pub(super) space: Arc<Space>,
    pub(super) in_cluster: bool,
    pub(super) until: Instant,
}

impl Visitor {
    /// Looks at a server; `id` is an entry that may be tried there.
    pub(super) async fn visit(&self, place: Place, id: EntryId) -> Server {
        let mut seen = Box::<Seen>::default();
        let state = match self.enter(&place, &mut seen).await {
            Err(trouble) => Err(trouble),
            Ok(mut link) => {
                let look = Box::pin(self.look(&mut link, id, &mut seen));
                let looked = timeout_at(self.until, look).await;
                let looked = looked.unwrap_or(Err(Trouble::Late));
                seen.broke_off = looked.err();
                Ok(seen)
            }
        };
        Server { place, state }
    }

    /// Connects. Who may not go to the database goes to the first one, so that all that is missing
    /// is found at once.
    async fn enter(
        &self,
        place: &Place,
        seen: &mut Seen,
    ) -> Result<MultiplexedConnection, Trouble> {
        let entered = self.connect(place, &self.target.login, self.target.db);
        match entered.await {
            Err(Trouble::Other(why)) if why.contains("'select'") => {
                seen.lacks.push("+select".to_owned());
                self.connect(place, &self.target.login, 0).await
            }
            entered => entered,
        }
    }

    pub(super) async fn connect(
        &self,
        place: &Place,
        login: &Login,
        db: u32,
    ) -> Result<MultiplexedConnection, Trouble> {
        let client = self.client(place, login, db).map_err(Trouble::of)?;
        let left = self.until.saturating_duration_since(Instant::now());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(left))
            .set_response_timeout(Some(left))
            // Without one there is no subscribing; nothing that comes is of interest.
            .set_push_sender(|_: PushInfo| Ok::<_, redis::aio::SendError>(()));
        let connected = Box::pin(client.get_multiplexed_async_connection_with_config(&config));
        let connected = timeout_at(self.until, connected).await;
        connected.map_err(|_| Trouble::Late)?.map_err(Trouble::of)
    }

    fn client(&self, place: &Place, login: &Login, db: u32) -> RedisResult<Client> {
        match place {
            Place::Host(host) => self.target.client(host, login, db, &self.tls),
            Place::Socket(path) => {
                let mut target = self.target.clone();
                target.db = db;
                target.client_at(path)
            }
        }
    }

    async fn look(
        &self,
        link: &mut MultiplexedConnection,
        id: EntryId,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        let mut pipe = redis::pipe();
        pipe.cmd("HELLO").arg(3);
        pipe.cmd("INFO");
        if self.in_cluster {
            pipe.cmd("CONFIG").arg("GET").arg("cluster-*");
        }
        let mut said = ask(link, pipe).await?.into_iter();
        let mut next = || said.next().and_then(Result::ok).unwrap_or(Value::Nil);
        seen.hello = Hello::read(&next());
        seen.info = Info::read(&next());
        if let (true, Some(info)) = (seen.hello.version.is_empty(), &seen.info) {
            seen.hello = info.hello.clone();
        }
        seen.read_settings(&next());

        self.ask_time(link, seen).await?;
        let tried = rights::attempt(link, &self.space, id, self.in_cluster).await;
        let tried = tried.map_err(Trouble::of)?;
        seen.lacks.extend(tried.lacks);
        seen.refusal = tried.refusal;
        if let Err(error) = link.subscribe(&self.space.channels()[..]).await {
            if !rights::is_denied(&error) {
                return Err(Trouble::of(error));
            }
            let word = rights::denied(&error, "+subscribe", &self.space);
            if !seen.lacks.contains(&word) {
                seen.lacks.push(word);
            }
        }
        if seen.lacks.is_empty() && seen.refusal.is_none() {
            // Each step is permitted: now all of them together, as the tier does it.
            let conn = || Conn::new(link.clone(), &Voice::default());
            let (control, bulk) = (conn(), conn());
            let done = supervisor::try_calls(&self.space, id, control, bulk).await;
            match done {
                // The slot moved on meanwhile, which is not this server's fault.
                Ok(()) | Err(Failure::Elsewhere(_)) => {}
                Err(Failure::Refused(error)) => seen.refusal = Some(Refusal::of(&error)),
                Err(Failure::Dead(error)) => return Err(Trouble::of(error)),
                Err(Failure::Late) => return Err(Trouble::Late),
                Err(other) => return Err(Trouble::Other(sentence(&other.words()))),
            }
        }
        Ok(())
    }

    /// Whether it may tell the time or not, it takes one round trip to say so.
    async fn ask_time(
        &self,
        link: &mut MultiplexedConnection,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        let mut trips = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let (wall, sent) = (SystemClock.wall(), SystemClock.now());
            let mut pipe = redis::pipe();
            pipe.cmd("TIME");
            let said = ask(link, pipe).await?.pop();
            let trip = SystemClock.now().since(sent);
            trips.push(trip);
            let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
            let clock = said
                .and_then(Result::ok)
                .and_then(|said| Clock::read(&said, wall, trip));
            let best = |clock: &Clock| seen.clock.is_none_or(|best| clock.within < best.within);
            seen.clock = clock.filter(best).or(seen.clock);
        }
        trips.sort_unstable();
        seen.round_trip = trips.get(ROUNDS / 2).copied();
        Ok(())
    }
}

impl Seen {
    fn read_settings(&mut self, said: &Value) {
        let Value::Map(pairs) = said else { return };
        for (name, value) in pairs {
            match (text(name), text(value)) {
                (Some("cluster-require-full-coverage"), Some(value)) => {
                    self.full_coverage = Some(value == "yes");
                }
                (Some("cluster-node-timeout"), Some(value)) => {
                    self.node_timeout = value.parse().ok().map(Duration::from_millis);
                }
                _ => {}
            }
        }
    }
}

impl Clock {
    /// Reads an answer to `TIME` that was asked for at `wall` and took `trip`.
    pub(super) fn read(said: &Value, wall: Duration, trip: Duration) -> Option<Self> {
        let Value::Array(parts) = said else {
            return None;
        };
        let [seconds, micros] = parts.as_slice() else {
            return None;
        };
        let number = |value| text(value).and_then(|text| text.parse::<i64>().ok());
        let theirs = number(seconds)?.checked_mul(1_000_000)?;
        let theirs = theirs.checked_add(number(micros)?)?;
        let within = i64::try_from(trip.as_micros() / 2).ok()?;
        let ours = i64::try_from(wall.as_micros()).ok()?.checked_add(within)?;
        let ahead = theirs.checked_sub(ours)?;
        Some(Self { ahead, within })
    }
}

impl Trouble {
    pub(super) fn of(error: RedisError) -> Self {
        let words = sentence(&error.to_string());
        let has = |word: &str| words.contains(word);
        if error.is_connection_refusal() {
            return Self::Refused;
        }
        if error.is_timeout() {
            return Self::Late;
        }
        match error.code() {
            Some("NOAUTH") => return Self::NoLogin,
            Some("WRONGPASS") => return Self::WrongLogin(words),
            _ => {}
        }
        if error.kind() == ErrorKind::AuthenticationFailed {
            Self::WrongLogin(words)
        } else if error.kind() == ErrorKind::RESP3NotSupported
            || (has("unknown command") && has("HELLO"))
            || has("unsupported protocol version")
        {
            Self::TooOld
        } else if has("failed to lookup address") {
            Self::Unknown(words)
        } else if has("certificate") || has("received fatal alert") || has("corrupt message") {
            Self::Tls(words)
        } else if error.is_connection_dropped() {
            Self::Closed
        } else {
            Self::Other(words)
        }
    }
}

/// Asks several things at once. An error is one of the connection.
pub(super) async fn ask(
    link: &mut impl ConnectionLike,
    mut pipe: Pipeline,
) -> Result<Vec<Result<Value, RedisError>>, Trouble> {
    let said = pipe.ignore_errors().query_async(link).await;
    said.map_err(Trouble::of)
}
