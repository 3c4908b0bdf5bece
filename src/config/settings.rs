//! The settings of a cache, and their ranges.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::config::rules::Rules;
use crate::config::{MIB, Rule, Scope};
use crate::engine::Tuning;
use crate::error::Error;
use crate::lock::Timing;
use crate::semantics::policy::{Policy, SetCookie};
use crate::semantics::status;
use crate::semantics::targeted::CDN_CACHE_CONTROL;

/// All settings of a cache, as data that a file may hold. Each has a method of the same name on
/// [`CacheBuilder`](crate::CacheBuilder), which says what it does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is documented at the builder's method of its name"
)]
pub struct Settings {
    pub local_capacity: u64,
    pub max_body_size: u64,
    pub fill_capacity: u64,
    pub shared_max_body_size: u64,
    pub default_ttl: Option<Duration>,
    pub grace: Duration,
    pub stale_if_error: Option<Duration>,
    pub keep: Duration,
    pub early_refresh: f64,
    pub fetch_timeout: Duration,
    pub lock_wait: Duration,
    pub lease: Duration,
    pub uncacheable_ttl: Duration,
    pub shared_uncacheable_ttl: Duration,
    pub error_backoff: Duration,
    pub max_concurrent_fetches: Option<usize>,
    pub redis_timeout: Duration,
    pub set_cookie: SetCookie,
    pub targets: Vec<HeaderName>,
    pub status_ttl: Vec<(RangeInclusive<u16>, Duration)>,
    pub stale_if_unreachable: Duration,
    pub honor_request_directives: bool,
    pub rules: Vec<Rule>,
    pub cache_status: bool,
    pub name: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local_capacity: 256 * MIB,
            max_body_size: 8 * MIB,
            fill_capacity: 64 * MIB,
            shared_max_body_size: MIB,
            default_ttl: None,
            grace: Duration::ZERO,
            stale_if_error: None,
            keep: Duration::from_secs(60),
            early_refresh: 1.0,
            fetch_timeout: Duration::from_secs(30),
            lock_wait: Duration::from_secs(5),
            lease: Duration::from_secs(3),
            uncacheable_ttl: Duration::from_secs(120),
            shared_uncacheable_ttl: Duration::from_secs(10),
            error_backoff: Duration::from_secs(1),
            max_concurrent_fetches: None,
            redis_timeout: Duration::from_millis(100),
            set_cookie: SetCookie::Refuse,
            targets: vec![CDN_CACHE_CONTROL],
            status_ttl: Vec::new(),
            stale_if_unreachable: Duration::from_secs(60),
            honor_request_directives: false,
            rules: Vec::new(),
            cache_status: true,
            name: "bellwether".to_owned(),
        }
    }
}

const MILLI: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A guessed lifetime is at most a day.
const HEURISTIC_CAP: Duration = Duration::from_secs(24 * 3_600);
/// A lease is renewed no longer than this.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for the first that is out of its range; the
    /// text names the setting, the value and the range.
    pub fn check(&self) -> Result<(), Error> {
        within(
            "local_capacity",
            self.local_capacity,
            MIB / 16..=u64::MAX / 4,
        )?;
        within("max_body_size", self.max_body_size, 0..=1 << 31)?;
        within("fill_capacity", self.fill_capacity, 0..=u64::MAX / 4)?;
        within(
            "shared_max_body_size",
            self.shared_max_body_size,
            0..=512 * MIB,
        )?;
        within(
            "default_ttl",
            self.default_ttl.unwrap_or_default(),
            Duration::ZERO..=YEAR,
        )?;
        within("grace", self.grace, Duration::ZERO..=YEAR)?;
        within(
            "stale_if_error",
            self.stale_if_error.unwrap_or_default(),
            Duration::ZERO..=YEAR,
        )?;
        within(
            "stale_if_unreachable",
            self.stale_if_unreachable,
            Duration::ZERO..=YEAR,
        )?;
        check_statuses("status_ttl", &self.status_ttl)?;
        within("keep", self.keep, Duration::ZERO..=YEAR)?;
        within("early_refresh", self.early_refresh, 0.0..=10.0)?;
        within("fetch_timeout", self.fetch_timeout, MILLI..=HOUR)?;
        within("lock_wait", self.lock_wait, Duration::ZERO..=HOUR)?;
        within(
            "lease",
            self.lease,
            Duration::from_millis(100)..=LONGEST_HOLD,
        )?;
        within(
            "uncacheable_ttl",
            self.uncacheable_ttl,
            Duration::ZERO..=HOUR,
        )?;
        within(
            "shared_uncacheable_ttl",
            self.shared_uncacheable_ttl,
            Duration::ZERO..=HOUR,
        )?;
        within(
            "error_backoff",
            self.error_backoff,
            Duration::ZERO..=LONGEST_BACK_OFF,
        )?;
        within(
            "max_concurrent_fetches",
            self.max_concurrent_fetches.unwrap_or(1),
            1..=1 << 20,
        )?;
        within(
            "redis_timeout",
            self.redis_timeout,
            MILLI..=Duration::from_secs(10),
        )?;
        if !status::is_name(&self.name) {
            let name = &self.name;
            return Err(Error::config(format!(
                "name is {name:?}, must be printable ASCII and not empty"
            )));
        }
        self.rules()?;
        Ok(())
    }

    /// All rules, compiled; an error names the rule.
    pub(crate) fn rules(&self) -> Result<Rules, Error> {
        let general = Arc::new(self.scope());
        let rules = self.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| rule.compile(&format!("rules[{index}]"), &general));
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Rules::new(general, rules))
    }

    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            local_capacity: self.local_capacity,
            max_body: self.max_body_size,
            fill_capacity: self.fill_capacity.max(self.max_body_size),
            shared_max_body: self.shared_max_body_size,
            fetch_timeout: self.fetch_timeout,
            lock_wait: self.lock_wait,
            lease: Timing {
                lease: self.lease,
                longest: LONGEST_HOLD,
                call: self.redis_timeout,
            },
            tier_budget: self.redis_timeout.saturating_mul(3) / 2,
            uncacheable_local: self.uncacheable_ttl,
            uncacheable_shared: self.shared_uncacheable_ttl,
            back_off: self.error_backoff,
            back_off_longest: LONGEST_BACK_OFF,
            early_beta: self.early_refresh,
            max_fetches: self.max_concurrent_fetches,
        }
    }

    fn scope(&self) -> Scope {
        let policy = Policy {
            targets: self.targets.clone(),
            status_ttl: self.status_ttl.clone(),
            stale_if_unreachable: self.stale_if_unreachable,
            default_ttl: self.default_ttl,
            grace: self.grace,
            stale_if_error: self.stale_if_error,
            keep: self.keep,
            set_cookie: self.set_cookie,
            heuristic_cap: HEURISTIC_CAP,
            ..Policy::default()
        };
        Scope {
            policy,
            honor_request_directives: self.honor_request_directives,
            ..Scope::default()
        }
    }
}

pub(crate) fn check_statuses(
    name: &str,
    lifetimes: &[(RangeInclusive<u16>, Duration)],
) -> Result<(), Error> {
    for (statuses, ttl) in lifetimes {
        within(name, *ttl, Duration::ZERO..=YEAR)?;
        within(&format!("{name}: status"), *statuses.start(), 200..=599)?;
        let rest = *statuses.start()..=599;
        within(&format!("{name}: last status"), *statuses.end(), rest)?;
    }
    Ok(())
}

pub(crate) fn within<T: PartialOrd + Debug>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(Error::config(format!(
        "{name} is {value:?}, must be from {low:?} to {high:?}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        Settings::default().check().expect("the defaults are good");
    }

    #[test]
    fn a_bad_setting_is_named_with_its_value_and_its_range() {
        let bad = [
            (
                Settings {
                    local_capacity: 1,
                    ..Settings::default()
                },
                "local_capacity is 1, must be from 65536",
            ),
            (
                Settings {
                    lease: MILLI,
                    ..Settings::default()
                },
                "lease is 1ms, must be from 100ms to 60s",
            ),
            (
                Settings {
                    early_refresh: f64::NAN,
                    ..Settings::default()
                },
                "early_refresh is NaN, must be from 0.0 to 10.0",
            ),
            (
                Settings {
                    max_concurrent_fetches: Some(0),
                    ..Settings::default()
                },
                "max_concurrent_fetches is 0, must be from 1",
            ),
            (
                Settings {
                    name: "a\nb".into(),
                    ..Settings::default()
                },
                "name is \"a\\nb\", must be printable ASCII",
            ),
        ];
        for (settings, text) in bad {
            let error = settings.check().expect_err("it is out of range");
            assert!(error.is_config());
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }
}
