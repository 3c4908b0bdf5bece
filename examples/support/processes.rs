//! The example again, as a process of its own that can be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Outcome;

/// A child of ours. It is killed with this value.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts this program with these arguments. What it prints can be read from its `stdout`.
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(Path::new(&program));
        let child = command.args(arguments).stdout(Stdio::piped()).spawn()?;
        Ok(Self(child))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        let pid = Pid::from_raw(i32::try_from(self.0.id())?);
        Ok(kill(pid, signal)?)
    }

    /// Kills it at once, as a crash would, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
