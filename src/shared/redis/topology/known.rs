//! What is known of the master that sentinels watch over, and which of their words are news.

use std::collections::HashMap;

use redis::Value;

use super::super::failure::Failure;
use super::super::url::Host;

/// What is known of the master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The epoch of its configuration. It grows with each failover, so an answer of an earlier one
    /// is out of date, whoever gives it.
    pub(super) epoch: u64,
    pub(super) host: Option<Host>,
}

impl Known {
    /// Whether this answer is not out of date, which is noted then.
    pub(super) fn accepts(&mut self, answer: &Self) -> bool {
        let current = answer.epoch >= self.epoch;
        if current {
            self.clone_from(answer);
        }
        current
    }

    /// Whether this answer, which nobody waits for, says that another one became the master.
    pub(super) fn is_refuted_by(&mut self, answer: &Self) -> bool {
        // Of one epoch there is one master, though some may name it in another way.
        let news = answer.epoch > self.epoch;
        let other = news && self.host.is_some() && self.host != answer.host;
        if news {
            self.clone_from(answer);
        }
        other
    }

    /// Whether this switch, which every sentinel announces in turn, is one that is not known yet.
    pub(super) fn switched(&mut self, old: &Host, new: Host) -> bool {
        let news = self.host.as_ref() == Some(old);
        if news {
            // At least: so whoever has not heard of it is out of date.
            self.epoch = self.epoch.saturating_add(1);
            self.host = Some(new);
        }
        news
    }
}

/// Reads what a sentinel says of its master: the place, then all it knows.
pub(super) fn read(replies: &Value) -> Result<Known, Failure> {
    let (place, all): (Option<(String, u16)>, HashMap<String, Value>) =
        redis::from_redis_value_ref(replies)
            .map_err(|error| Failure::foreign(error.to_string()))?;
    let Some((name, port)) = place else {
        return Err(Failure::Nowhere("it knows no master of this name".into()));
    };
    let epoch = all.get("config-epoch");
    let epoch = epoch.and_then(|value| redis::from_redis_value_ref(value).ok());
    Ok(Known {
        epoch: epoch.unwrap_or_default(),
        host: Some(Host { name, port }),
    })
}

/// What has to hold for whatever a sentinel says; see `crate::fuzzing`.
#[cfg(any(test, fuzzing))]
pub(in super::super) fn fuzz(replies: &Value, announced: &str) {
    let mut known = read(replies).unwrap_or_default();
    let before = known.clone();
    assert!(known.accepts(&before) && known == before);
    let master = announced.split(' ').next().unwrap_or_default();
    if let Some((old, new)) = switch(announced, master) {
        known.host = Some(old.clone());
        assert!(known.switched(&old, new.clone()));
        assert!(known.host.as_ref() == Some(&new) && known.epoch >= before.epoch);
    }
}

/// The old and the new place, if the announcement is about this master.
pub(super) fn switch(text: &str, master: &str) -> Option<(Host, Host)> {
    let mut words = text.split(' ');
    words.next().filter(|name| *name == master)?;
    let mut host = || {
        let (name, port) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Host { name, port })
    };
    Some((host()?, host()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16, epoch: u64) -> Known {
        let name = "a".into();
        let host = Some(Host { name, port });
        Known { epoch, host }
    }

    #[test]
    fn a_switch_counts_once_however_many_announce_it() {
        let mut known = at(1, 5);
        let (old, new) = switch("m a 1 a 2", "m").unwrap();
        assert!(known.switched(&old, new.clone()));
        assert!(!known.switched(&old, new));
        assert_eq!(known, at(2, 6));
    }

    #[test]
    fn who_has_not_heard_of_a_failover_is_not_believed() {
        let mut known = at(1, 5);
        assert!(known.is_refuted_by(&at(2, 7)));
        assert!(!known.accepts(&at(1, 5)) && !known.is_refuted_by(&at(1, 5)));
        assert!(known.accepts(&at(2, 7)) && !known.is_refuted_by(&at(2, 7)));
    }

    #[test]
    fn another_name_of_the_same_master_is_no_other_master() {
        let mut known = at(1, 5);
        assert!(!known.is_refuted_by(&at(2, 5)));
        // The first answer at all tells nothing new either.
        assert!(!Known::default().is_refuted_by(&at(2, 5)));
    }

    #[test]
    fn announcements_about_others_are_passed_over() {
        for strange in ["", "m", "x a 1 a 2", "m a 1 a", "m a x a 2"] {
            assert_eq!(switch(strange, "m"), None, "{strange}");
        }
    }
}
