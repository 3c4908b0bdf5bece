//! Taking entries away, or their freshness, by URL.

use http::Uri;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::Key;
use crate::shared::PurgeKind;

/// Purges `uri` and all its variants; `key` knows under which key a GET of it is looked up.
pub(crate) async fn purge(
    engine: &Engine,
    uri: &Uri,
    kind: PurgeKind,
    key: impl FnOnce(&str, &str) -> Key,
) -> Result<(), Error> {
    let Some(authority) = uri.authority() else {
        return Err(Error::config(format!(
            "uri is \"{uri}\", must be absolute (http://host/path)"
        )));
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let id = key(authority.as_str(), path).id();
    engine.purge(id, kind).await
}
