//! Which tests may run beside which.

use std::sync::OnceLock;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

fn turns() -> &'static RwLock<()> {
    static TURNS: OnceLock<RwLock<()>> = OnceLock::new();
    TURNS.get_or_init(RwLock::default)
}

/// For a test that mostly waits.
pub(crate) async fn among_others() -> RwLockReadGuard<'static, ()> {
    turns().read().await
}

/// For one that measures under load.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    turns().write().await
}
