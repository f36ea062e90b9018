//! What is asked of a child process, and what came of it.
//!
//! Owns the values of [`super::Net::spawn`] and their words. Does not start anything. Always true: a job's output is
//! bounded by what was asked for. Worst case: that output, and what is written to the job.

use std::ffi::OsString;
use std::path::PathBuf;

/// Bytes of a job's standard error that are kept: its first ones; what comes later is read and dropped.
pub const MAX_STDERR: usize = 2048;
/// Jobs at once, those that were killed and have not ended yet (asleep in the kernel, on a lost NFS server) among them.
pub const MAX_JOBS: usize = 8;

/// A child process to be: without a shell, in our working directory, with our environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// A path, or a name to be found in `PATH`.
    pub program: PathBuf,
    /// Its arguments, its name not among them.
    pub args: Vec<OsString>,
    /// Added to the environment.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads; then its standard input ends.
    pub stdin: Vec<u8>,
    /// One byte more on standard output ends it.
    pub max_output: usize,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

impl Status {
    /// Whether it says that all went well.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// In Go's words, which frpc's users know.
impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(number) => write!(f, "signal: {number}"),
        }
    }
}

/// What a process left.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// All it wrote to standard output.
    pub stdout: Vec<u8>,
    /// The first [`MAX_STDERR`] bytes of standard error.
    pub stderr: Vec<u8>,
}

/// Without what it wrote: that may be a secret.
impl core::fmt::Debug for Output {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Output {{ {}, {} bytes }}", self.status, self.stdout.len())
    }
}

/// Why a job gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// It wrote more than was asked for, and was killed.
    TooMuch,
    /// The system lost it.
    Lost(String),
}

impl core::fmt::Display for JobError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooMuch => f.write_str("its output is too long"),
            Self::Lost(why) => f.write_str(why),
        }
    }
}
