//! In place of TLS where it is left out: the same names, and no value of any of them.
//!
//! Owns nothing. Does not do anything: a [`Tls`] cannot exist, so the compiler drops all code for it. Always true: the
//! configuration refuses `transport.tls.enable = true` before anybody gets here. Worst case: no memory.

/// As with TLS.
pub const MAX_RECORD: usize = 16 * 1024;

/// As with TLS; nothing is sealed.
pub const fn sealed_len(plain: usize) -> usize {
    plain
}

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// Never said; here so that policies read the same.
    NotTls(Option<&'static str>),
    /// Never said.
    BadCertificate(String, &'static str),
    /// Never said.
    Refused(String),
    /// Never said.
    Failed(String),
}

impl core::fmt::Display for TlsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("built without TLS")
    }
}

/// What is wrong with the files or names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// Never said.
    Authority(String),
    /// Never said.
    Certificate(String),
    /// Never said.
    Key(String),
    /// There is no TLS.
    Name(String),
}

/// No value.
#[derive(Clone, Debug)]
pub enum Settings {}

impl Settings {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: &str, _: Option<&[u8]>, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<Self, SettingsError> {
        Err(SettingsError::Name("built without TLS".to_owned()))
    }

    /// Cannot be asked.
    pub fn verified(&self) -> bool {
        match *self {}
    }
}

/// What opening did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Plain bytes at the front.
    pub plain: usize,
    /// Where the rest starts.
    pub rest: usize,
}

/// No value.
#[derive(Debug)]
pub enum Tls {}

impl Tls {
    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        match *settings {}
    }

    /// Cannot be asked.
    pub fn ready(&self) -> bool {
        match *self {}
    }

    /// Cannot be asked.
    pub fn closed(&self) -> bool {
        match *self {}
    }

    /// Cannot be asked.
    pub fn output(&mut self) -> &mut Vec<u8> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn open(&mut self, _: &mut [u8], _: usize, _: usize) -> Result<Opened, TlsError> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn seal(&mut self, _: &[&[u8]], _: &mut [u8]) -> Result<usize, TlsError> {
        match *self {}
    }

    /// Cannot be called.
    pub fn close(&mut self) {
        match *self {}
    }
}
