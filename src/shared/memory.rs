//! The reference model of the shared tier, in this process.

/// The reference model: what a shared tier has to do, in the plainest way.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryTier;
