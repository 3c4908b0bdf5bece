//! What the sentinels say, each for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::timeout_at;

use super::super::super::url::{Host, Login};
use super::super::facts::{Place, Sentinel, Trouble, Watching};
use super::super::rights;
use super::super::visit::{Visitor, ask};
use super::together;

/// What sentinels announce a failover by.
const SWITCH: &str = "+switch-master";

/// The masters that sentinels name: one, unless they disagree.
pub(super) fn named(sentinels: &[Sentinel]) -> Vec<Host> {
    let said = sentinels.iter().filter_map(|one| one.state.as_ref().ok());
    let newest = said.clone().map(|watching| watching.epoch).max();
    // Who is behind by a failover does not count.
    let said = said.filter(|watching| Some(watching.epoch) == newest);
    let mut hosts: Vec<_> = said.filter_map(|one| one.master.clone()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

pub(super) async fn ask_all(
    visitor: Visitor,
    hosts: &[Host],
    master: &str,
    login: &Login,
) -> Vec<Sentinel> {
    let visitor = Arc::new(visitor);
    let asked = hosts.iter().map(|host| {
        let (visitor, place) = (Arc::clone(&visitor), Place::Host(host.clone()));
        let (master, login) = (master.to_owned(), login.clone());
        async move {
            let asked = ask_one(&visitor, &place, &master, &login);
            let state = timeout_at(visitor.until, asked).await;
            let state = state.unwrap_or(Err(Trouble::Late));
            Sentinel { place, state }
        }
    });
    together(asked).await
}

async fn ask_one(
    visitor: &Visitor,
    place: &Place,
    master: &str,
    login: &Login,
) -> Result<Watching, Trouble> {
    let mut link = visitor.connect(place, login, 0).await?;
    let mut watching = Watching::default();
    let mut pipe = redis::pipe();
    let words = ["GET-MASTER-ADDR-BY-NAME", "MASTER"];
    for word in words {
        pipe.cmd("SENTINEL").arg(word).arg(master);
    }
    let said = ask(&mut link, pipe).await?;
    for (word, said) in words.into_iter().zip(said) {
        match said {
            Ok(said) => watching.read(word, said),
            Err(error) if rights::is_denied(&error) => {
                let word = word.to_lowercase();
                watching.lacks.push(format!("+sentinel|{word}"));
            }
            // It is said of a name that it does not know.
            Err(error) if word == "MASTER" && error.code() == Some("ERR") => {}
            Err(error) => return Err(Trouble::of(error)),
        }
    }
    if let Err(error) = link.subscribe(SWITCH).await {
        if !rights::is_denied(&error) {
            return Err(Trouble::of(error));
        }
        let channel = error.detail().is_some_and(|text| text.contains("channel"));
        let word = if channel {
            format!("&{SWITCH}")
        } else {
            "+subscribe".to_owned()
        };
        watching.lacks.push(word);
    }
    Ok(watching)
}

impl Watching {
    pub(in super::super) fn read(&mut self, word: &str, said: Value) {
        if word != "MASTER" {
            let place: Option<(String, u16)> = redis::from_redis_value(said).ok();
            self.master = place.map(|(name, port)| Host { name, port });
            return;
        }
        let all: HashMap<String, Value> = redis::from_redis_value(said).unwrap_or_default();
        let number = |name: &str| {
            let value = all.get(name)?.clone();
            redis::from_redis_value::<u64>(value).ok()
        };
        self.epoch = number("config-epoch").unwrap_or_default();
        self.watchers = number("num-other-sentinels").map(|others| others.saturating_add(1));
        self.quorum = number("quorum");
        self.replicas = number("num-slaves");
        self.down_after = number("down-after-milliseconds").map(Duration::from_millis);
    }
}
