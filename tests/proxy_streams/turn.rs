//! Who runs beside whom: any two tests do, but for the one that measures speed.

use std::sync::OnceLock;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A turn beside others.
pub(crate) async fn shared() -> RwLockReadGuard<'static, ()> {
    turns().read().await
}

/// A turn alone.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    turns().write().await
}

fn turns() -> &'static RwLock<()> {
    static TURNS: OnceLock<RwLock<()>> = OnceLock::new();
    TURNS.get_or_init(RwLock::default)
}
