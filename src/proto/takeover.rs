//! What a server does with a session that died silently when its owner logs in again.
//!
//! Owns the table of frps releases. Does not log in. Always true: an unknown release is treated as the careful middle.
//! Worst case: no memory.
//!
//! | frps | login with the run id of a session that the server believes alive |
//! |---|---|
//! | up to 0.64, from 0.70.1 | takes over at once |
//! | 0.65 to 0.68 | is answered when the server's own keepalive has found the old one dead: 10 to 40 s |
//! | 0.69.0 to 0.70.0 | the same, and a second login before that hangs the run id until the server restarts |
//!
//! Without mux the old connection is closed, which ends it in every release.

/// How a server treats the old session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// The new login replaces it at once.
    AtOnce,
    /// The new login waits for its end; it is quicker to start a session of its own and wait for the proxies' names.
    Waits,
    /// As [`Takeover::Waits`], and an abandoned login makes the run id useless.
    Hangs,
}

/// What a server of this version does. `mux`: whether tcpMux is on.
pub fn takeover(version: &str, mux: bool) -> Takeover {
    match release(version) {
        _ if !mux => Takeover::AtOnce,
        Some((0, ..=64, _) | (0, 70, 1..) | (0, 71.., _) | (1.., ..)) => Takeover::AtOnce,
        Some((0, 69.., _)) => Takeover::Hangs,
        _ => Takeover::Waits,
    }
}

/// Major, minor and patch; a suffix (`-rc1`) is left out.
fn release(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    let mut number = || {
        let part = parts.next()?;
        part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number()?, number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_its_manners() {
        for (version, expected) in [
            ("0.33.0", Takeover::AtOnce),
            ("0.64.0", Takeover::AtOnce),
            ("0.65.0", Takeover::Waits),
            ("v0.68.1", Takeover::Waits),
            ("0.69.0", Takeover::Hangs),
            ("0.69.1", Takeover::Hangs),
            ("0.70.0", Takeover::Hangs),
            ("0.70.1", Takeover::AtOnce),
            ("0.70.12-rc1", Takeover::AtOnce),
            ("0.71.0", Takeover::AtOnce),
            ("1.0.0", Takeover::AtOnce),
            ("", Takeover::Waits),
            ("dev", Takeover::Waits),
            ("0.x.1", Takeover::Waits),
        ] {
            assert_eq!(takeover(version, true), expected, "{version}");
            assert_eq!(takeover(version, false), Takeover::AtOnce, "{version} without mux");
        }
    }
}
