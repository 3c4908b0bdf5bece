//! Looks into the shared tier without a flight: for who wants nothing fetched.

use std::sync::Arc;

use crate::engine::{Engine, publish};
use crate::entry::VaryRule;
use crate::event::Incident;
use crate::key::Key;
use crate::local::Known;
use crate::shared::Ask;

impl Engine {
    /// What the shared tier holds under `key`, which was chosen by `rule`, if it can be read.
    /// Nothing is kept of it: no purge could strike it off.
    ///
    /// # Cancellation
    /// Nothing has happened.
    pub(crate) async fn consult(&self, key: &Key, rule: Option<Arc<VaryRule>>) -> Option<Known> {
        let tier = self.tier.as_ref()?;
        let (epoch, asked) = (self.epoch(), self.now());
        let look = Ask::look(key.id(), None, self.tuning.lease.call);
        let answer = match tier.acquire(look).await {
            Ok(answer) => answer,
            Err(error) => {
                let counters = &self.counters;
                counters.incident(Incident::SharedUnavailable, &error);
                return None;
            }
        };
        let view = answer.view.as_ref()?;
        let content = view.content.as_ref()?;
        let softened = publish::softened(&answer, self.now());
        match publish::read(key, rule, view, content, asked, epoch, 0.0) {
            Ok(Known::Rule(rule)) => Some(Known::Rule(match softened {
                Some(softened) => Arc::new(rule.softened(softened, rule.until)),
                None => rule,
            })),
            Ok(known) => Some(known),
            Err(flaw) => {
                let counters = &self.counters;
                counters.incident(Incident::CorruptEntry, &flaw.as_str());
                None
            }
        }
    }
}
