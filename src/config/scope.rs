//! Which settings hold for which requests.

use crate::config::requests::Requests;
use crate::semantics::policy::Policy;

/// All that holds for the requests that one rule is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) policy: Policy,
    /// The client's own directives count (RFC 9111 §5.2.1).
    pub(crate) honor_request_directives: bool,
    /// What becomes of requests before they are looked up.
    pub(crate) requests: Requests,
}
