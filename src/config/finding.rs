//! What is wrong, or odd, in a configuration file.
//!
//! Owns the form of such a message: file, line, key, and what to do. Does not decide what is wrong. Always true: one
//! finding is one line of text. Worst case: a few hundred bytes a finding.

/// What is said about `fe80::1%eth0`.
pub(super) const NO_ZONES: &str =
    "IPv6 zones (%…) are not supported: use a global or unique local address, which needs none, or IPv4";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look.
    Note,
    /// The file is used, but this cannot work or hurts.
    Warning,
    /// The file is refused.
    Error,
}

/// One message about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Path of the file as the user gave it; empty if it came from flags.
    pub file: String,
    /// Line, from 1; 0 if it concerns the file as a whole.
    pub line: u32,
    /// Full path of the key, as `proxies[0].localPort`, or the flag; empty if it concerns none.
    pub key: String,
    /// Which rule of redial's own found it, as "T3"; empty for others.
    pub id: &'static str,
    /// What is wrong and what to do.
    pub text: String,
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut between = "";
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            between = ": ";
        }
        if !self.key.is_empty() {
            write!(f, "{between}{}", self.key)?;
            between = ": ";
        }
        write!(f, "{between}{}", self.text)
    }
}
