//! Taking entries away by URL.

use http::Uri;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::Key;
use crate::shared::PurgeKind;

/// Purges `uri` and all its variants.
pub(crate) async fn purge(engine: &Engine, uri: &Uri) -> Result<(), Error> {
    let Some(authority) = uri.authority() else {
        return Err(Error::config(format!(
            "uri is \"{uri}\", must be absolute (http://host/path)"
        )));
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    engine
        .purge(Key::primary(authority.as_str(), path).id(), PurgeKind::Hard)
        .await
}
