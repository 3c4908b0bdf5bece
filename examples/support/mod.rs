//! What the lock examples have in common: a Redis, a table on the screen, processes of their own.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each example uses its own part of this"
)]

pub(crate) mod processes;
pub(crate) mod redis;
pub(crate) mod table;

use std::error::Error;
use std::process::ExitCode;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Code 0 if all that was to be shown was seen, 1 if not or if something went wrong.
pub(crate) fn exit(outcome: Outcome<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
