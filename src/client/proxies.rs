//! The proxies as the client runs them.
//!
//! Owns, for each, the name the server knows it by, where the local service is, and what is done to the bytes. Does not
//! own connections or the state of the registration ([`crate::proto::control`]). Always true: the order is that of the
//! configuration; indices are the same everywhere. Worst case: the names of the configuration once more.

use super::dial::Target;
use super::setup::local_opts;
use crate::config;
use crate::net::SockOpts;
use crate::proto::quiet::Quiet;

/// One proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// As in the configuration and in logs.
    pub(super) name: String,
    /// As the server has it: with the user's prefix.
    pub(super) wire_name: String,
    pub(super) encryption: bool,
    pub(super) compression: bool,
    pub(super) target: Target,
    pub(super) opts: SockOpts,
    /// The line about a local service that does not answer.
    pub(super) quiet: Quiet,
}

impl Proxy {
    pub(super) fn new(proxy: &config::Proxy) -> Self {
        let target = Target::new(&proxy.local_host, proxy.local_port);
        let opts = local_opts(&target);
        Self {
            name: proxy.name.clone(),
            wire_name: proxy.announce.proxy_name.clone(),
            encryption: proxy.announce.use_encryption,
            compression: proxy.announce.use_compression,
            target,
            opts,
            quiet: Quiet::default(),
        }
    }
}

/// Finds a proxy by the name the server knows it by.
pub(super) fn find(proxies: &[Proxy], wire_name: &str) -> Option<usize> {
    proxies.iter().position(|p| p.wire_name == wire_name)
}
