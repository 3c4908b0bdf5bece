//! Writes a report down: a few aligned lines, then each finding with its cure.

mod units;

use std::fmt;
use std::time::Duration;

use self::units::Size;
pub(super) use self::units::{Micros, Some4, Time};
use super::super::topology::slots::SLOTS;
use super::facts::{Facts, Seen, Sentinel, Server, Watching, Whole};
use super::{Finding, Report, Severity};

/// Most servers that are listed one by one.
const LISTED: usize = 8;
/// The label of the first line.
const FIRST: &str = "shared tier";
/// Room for the labels.
const INDENT: usize = 13;
/// Room for what stands behind them, so that all fits into 100 columns.
const WIDTH: usize = 100 - INDENT;
/// What is said of what may not be asked.
const NO_HELLO: &str = "unknown: HELLO is not permitted (+hello would be enough)";
const NO_INFO: &str = "unknown: INFO is not permitted (+info would be enough)";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        let encrypted = if facts.tls {
            "encrypted"
        } else {
            "not encrypted"
        };
        let (url, namespace) = (&facts.url, &facts.namespace);
        line(
            f,
            FIRST,
            format_args!("{url}, namespace {namespace}, {encrypted}"),
        )?;
        match &facts.whole {
            Whole::Single => {}
            Whole::Watched { master, sentinels } => watched(f, master, sentinels)?,
            Whole::Cluster(cluster) => {
                let masters = cluster.masters.len();
                let replicas: usize = cluster.masters.iter().map(|(_, replicas)| replicas).sum();
                let covered = cluster.covered;
                let counted = format_args!(
                    "{masters} masters, {replicas} replicas, {covered} of {SLOTS} slots covered"
                );
                line(f, "cluster", counted)?;
            }
        }
        for (number, server) in facts.servers.iter().take(LISTED).enumerate() {
            let label = if number == 0 { "server" } else { "" };
            line(f, label, About(server))?;
        }
        rest(f, facts.servers.len())?;
        if facts.seen().next().is_some() {
            memory(f, facts)?;
            line(f, "round trip", Trips(facts))?;
            line(f, "rights", Rights(facts))?;
            line(f, "clock", Clocks(facts))?;
        }
        let count = |severity| {
            let all = self.findings();
            all.filter(|finding| finding.severity() == severity).count()
        };
        let advice = match count(Severity::Advice) {
            0 => String::new(),
            1 => ", 1 piece of advice".to_owned(),
            more => format!(", {more} pieces of advice"),
        };
        match count(Severity::Problem) {
            0 => line(f, "verdict", format_args!("no problem{advice}"))?,
            1 => line(f, "verdict", format_args!("1 problem{advice}"))?,
            more => line(f, "verdict", format_args!("{more} problems{advice}"))?,
        }
        self.findings().try_for_each(|finding| told(f, finding))
    }
}

/// A label and a text, wrapped and indented; with an empty label, one more of what was before. The
/// first line of all ends none.
fn line(f: &mut fmt::Formatter<'_>, label: &str, text: impl fmt::Display) -> fmt::Result {
    let text = text.to_string();
    let (mut label, mut used) = (label, WIDTH);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used + length < WIDTH {
            write!(f, " {word}")?;
            used += 1 + length;
            continue;
        }
        if label != FIRST {
            f.write_str("\n")?;
        }
        write!(f, "{label:<INDENT$}{word}")?;
        (label, used) = ("", length);
    }
    Ok(())
}

/// A line to be pasted, so never wrapped.
fn paste(f: &mut fmt::Formatter<'_>, command: &str) -> fmt::Result {
    write!(f, "\n{:INDENT$}  {command}", "")
}

fn rest(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.checked_sub(LISTED) {
        None | Some(0) => Ok(()),
        Some(more) => line(f, "", format_args!("and {more} more")),
    }
}

fn told(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let word = match finding.severity() {
        Severity::Problem => "PROBLEM",
        Severity::Advice => "advice",
    };
    line(f, word, finding.what())?;
    let places: Vec<_> = finding.places().collect();
    if !places.is_empty() {
        line(f, "  at", Some4(&places))?;
    }
    line(f, "  cure", finding.cure())?;
    finding.commands().try_for_each(|command| paste(f, command))
}

fn watched(f: &mut fmt::Formatter<'_>, master: &str, sentinels: &[Sentinel]) -> fmt::Result {
    let said: Vec<&Watching> = sentinels
        .iter()
        .filter_map(|one| one.state.as_ref().ok())
        .collect();
    let (answered, named) = (said.len(), sentinels.len());
    let mut text = format!("master {master}, {answered} of the {named} that the URL names answer");
    if let Some((watchers, one)) = said
        .iter()
        .filter_map(|one| Some((one.watchers?, one)))
        .max_by_key(|(watchers, _)| *watchers)
    {
        let number = |value: Option<u64>| value.map_or("?".to_owned(), |value| value.to_string());
        let (quorum, replicas) = (number(one.quorum), number(one.replicas));
        text += &format!("; watching: {watchers}, quorum {quorum}; replicas: {replicas}");
    }
    line(f, "sentinels", text)
}

/// A server in a line.
struct About<'a>(&'a Server);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { place, state } = self.0;
        let Ok(seen) = state else {
            return write!(f, "{place}: out of reach");
        };
        let hello = &seen.hello;
        let valkey = seen.info.as_ref().and_then(|info| info.valkey.as_deref());
        let product = match (hello.product.as_str(), valkey) {
            (_, Some(_)) | ("valkey", _) => "Valkey",
            ("redis", _) => "Redis",
            ("", _) => NO_HELLO,
            (other, _) => other,
        };
        let version = valkey.unwrap_or(&hello.version);
        write!(f, "{place}: {product}")?;
        if !version.is_empty() {
            write!(f, " {version}")?;
        }
        if !hello.role.is_empty() {
            write!(f, ", {}", hello.role)?;
        }
        match seen.info.as_ref().and_then(|info| info.replicas) {
            None | Some(0) => Ok(()),
            Some(1) => f.write_str(" with 1 replica"),
            Some(many) => write!(f, " with {many} replicas"),
        }
    }
}

fn memory(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    let many = facts.servers.len() > 1;
    for (number, (place, seen)) in facts.seen().take(LISTED).enumerate() {
        let label = if number == 0 { "memory" } else { "" };
        let text = in_use(seen);
        if many {
            line(f, label, format_args!("{place}: {text}"))?;
        } else {
            line(f, label, text)?;
        }
    }
    rest(f, facts.seen().count())
}

fn in_use(seen: &Seen) -> String {
    let Some(info) = &seen.info else {
        return NO_INFO.to_owned();
    };
    let used = info
        .used
        .map_or("unknown".to_owned(), |used| Size(used).to_string());
    let policy = info.policy.as_deref().unwrap_or("unknown policy");
    match info.limit {
        None => format!("{used} used, {policy}"),
        Some(0) => format!("{used} used, no limit, {policy}"),
        Some(limit) => format!("{used} of {} used, {policy}", Size(limit)),
    }
}

struct Trips<'a>(&'a Facts);

impl fmt::Display for Trips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trips = || self.0.seen().filter_map(|(_, seen)| seen.round_trip);
        let (Some(least), Some(most)) = (trips().min(), trips().max()) else {
            return f.write_str("unknown");
        };
        if trips().count() > 1 {
            write!(f, "{} to ", Time(least))?;
        }
        write!(
            f,
            "{}; a call is given up after {}",
            Time(most),
            Time(self.0.timeout)
        )
    }
}

struct Rights<'a>(&'a Facts);

impl fmt::Display for Rights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.0;
        write!(f, "user {}: ", facts.user)?;
        let mut lacks: Vec<&str> = Vec::new();
        for word in facts.seen().flat_map(|(_, seen)| &seen.lacks) {
            if !lacks.contains(&word.as_str()) {
                lacks.push(word);
            }
        }
        if !lacks.is_empty() {
            write!(f, "lacks {}", lacks.join(" "))
        } else if facts
            .seen()
            .any(|(_, seen)| seen.broke_off.is_some() || seen.refusal.is_some())
        {
            f.write_str("none is missing, as far as could be tried")
        } else {
            f.write_str("all that are needed")
        }
    }
}

struct Clocks<'a>(&'a Facts);

impl fmt::Display for Clocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clocks = || self.0.seen().filter_map(|(_, seen)| seen.clock);
        let Some(far) = clocks().max_by_key(|clock| clock.ahead.unsigned_abs()) else {
            return f.write_str("unknown");
        };
        let within = Time(Duration::from_micros(far.within.unsigned_abs()));
        if far.ahead.unsigned_abs() <= far.within.unsigned_abs() {
            write!(f, "the same as this node's")?;
        } else {
            write!(f, "{} this node's", Micros(far.ahead))?;
        }
        write!(f, ", give or take {within}")?;
        let (least, most) = (
            clocks().map(|one| one.ahead).min(),
            clocks().map(|one| one.ahead).max(),
        );
        if let (Some(least), Some(most), true) = (least, most, clocks().count() > 1) {
            let apart = Time(Duration::from_micros(
                most.saturating_sub(least).unsigned_abs(),
            ));
            write!(f, "; masters at most {apart} apart")?;
        }
        Ok(())
    }
}
