//! How a test fails and how it waits: an error is one text, and every wait has a limit and says what it waited for.
//!
//! The only sleep of the end-to-end tests is in [`poll_until`]; all else waits for events.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// What a test and its helpers return: a failure is a text for the person who reads the report.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The limit of a wait that should take moments; generous because the machine may be busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The limit of a wait for the next try after the server refused one: redial waits 30 to 33 s.
pub(crate) const REFUSAL: Duration = Duration::from_secs(60);

/// Returns with the formatted failure unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

/// Puts what was being done before an error's own text.
pub(crate) trait Context<T> {
    fn context(self, doing: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Outcome<T> {
        self.map_err(|error| format!("{doing}: {error}"))
    }
}

/// Asks `ready` again and again: for the state of another process that announces nothing (a port, a descriptor count).
pub(crate) fn poll_until(what: &str, limit: Duration, mut ready: impl FnMut() -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + limit;
    while !ready().context(format_args!("waiting until {what}"))? {
        ensure!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Runs the jobs at once, each on a thread of its own; the first failure in their order.
pub(crate) fn at_once<T: Send>(jobs: Vec<Box<dyn FnOnce() -> Outcome<T> + Send + '_>>) -> Outcome<Vec<T>> {
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs.into_iter().map(|job| scope.spawn(job)).collect();
        running
            .into_iter()
            .map(|job| job.join().unwrap_or_else(|_| Err("a thread of the test panicked".into())))
            .collect()
    })
}
