//! In place of HTTPS where it is left out.
//!
//! Owns nothing. Does not do anything. Always true: `webServer.tls` is refused. Worst case: no memory.

use crate::config::WebTls;

pub(super) struct Secure;

impl Secure {
    pub(super) fn open(tls: Option<&WebTls>) -> Result<Self, String> {
        match tls {
            Some(_) => Err("webServer.tls: this redial is built without \"admin-tls\"".to_owned()),
            None => Ok(Self),
        }
    }

    pub(super) fn layer(&self) -> Layer {
        Layer
    }
}

pub(super) struct Layer;

impl Layer {
    pub(super) fn is_plain(&self) -> bool {
        true
    }

    pub(super) fn open(&mut self, _: &[u8], _: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<bool, String> {
        Ok(true)
    }

    pub(super) fn seal(&mut self, _: &[u8], _: &mut Vec<u8>) -> usize {
        0
    }

    pub(super) fn close(&mut self, _: &mut Vec<u8>) {}
}
