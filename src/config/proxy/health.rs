//! `healthCheck`.
//!
//! Owns its keys, defaults and checks. Does not check a service. Always true: times are positive. Worst case: its headers.

use super::super::scope::Scope;
use crate::proto::time::{Duration, secs};

/// How a local service is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `type`, with what only it needs.
    pub probe: Probe,
    /// `timeoutSeconds`.
    pub timeout: Duration,
    /// `maxFailed`; at least 1.
    pub max_failed: u32,
    /// `intervalSeconds`.
    pub interval: Duration,
}

/// `healthCheck.type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It takes a connection.
    Tcp,
    /// It answers a GET by 2xx.
    Http {
        /// `path`, with a slash in front.
        path: String,
        /// `httpHeaders`: names and values.
        headers: Vec<(String, String)>,
    },
}

/// The largest number of seconds that is taken: a year.
const YEAR: i64 = 366 * 86_400;

/// Reads the table; `None` if the check is off.
pub(super) fn read(mut t: Scope<'_>) -> Option<HealthCheck> {
    let kind = t.text("type");
    let path = t.text_or_empty("path");
    let timeout = seconds(&mut t, "timeoutSeconds", 3);
    let max_failed = t.int("maxFailed").map_or(1, |f| f.value);
    let interval = seconds(&mut t, "intervalSeconds", 10);
    let mut headers = Vec::new();
    let place = t.path("httpHeaders");
    for (index, (entries, line)) in t.tables("httpHeaders").into_iter().enumerate() {
        let mut header = Scope::new(entries, format!("{place}[{index}]"), line, t.report());
        headers.push((header.text_or_empty("name"), header.text_or_empty("value")));
        header.finish(&[]);
    }
    let probe = match kind.as_ref().map(|f| f.value.as_str()) {
        None => None,
        Some("tcp") => Some(Probe::Tcp),
        Some("http") => {
            if let Some(f) = kind.as_ref().filter(|_| path.is_empty()) {
                t.report().invalid(f.line, &f.key, "health check path should not be empty");
            }
            let slash = if path.starts_with('/') { "" } else { "/" };
            Some(Probe::Http { path: format!("{slash}{path}"), headers })
        }
        Some(other) => {
            let (line, key) = kind.as_ref().map(|f| (f.line, f.key.clone())).unwrap_or_default();
            t.report().invalid(line, &key, format!("not support health check type: {other}"));
            None
        }
    };
    t.finish(&[]);
    Some(HealthCheck {
        probe: probe?,
        timeout,
        max_failed: u32::try_from(max_failed.max(1)).unwrap_or(u32::MAX),
        interval,
    })
}

/// A positive number of seconds; the default in place of others.
fn seconds(t: &mut Scope<'_>, key: &'static str, default: u64) -> Duration {
    let found = t.int(key).and_then(|f| u64::try_from(f.value.min(YEAR)).ok());
    secs(found.unwrap_or(default))
}
