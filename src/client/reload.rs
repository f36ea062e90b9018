//! A changed configuration, taken over while the client runs.
//!
//! Owns nothing beside [`Client`]. Does not read files, and touches nothing but the proxies: what concerns the session or
//! the program takes a new client. Always true: connections of users live on, also those of proxies that go. Worst case:
//! the new proxies beside the old ones, for the length of the call.

use super::Client;
use super::proxies::Change;
use crate::config;

impl Client {
    /// Runs these proxies from now on. Those that are the same in every key are left alone; the server is told of the
    /// others at once, or at the next login (config §3.7).
    pub fn reload(&mut self, proxies: &[config::Proxy]) {
        let Change { gone, new, removed, added } = self.proxies.change(proxies);
        self.session.change(&gone, new, self.shared.now);
        for (what, names) in [("removed", removed), ("added", added)] {
            if !names.is_empty() {
                log::info!("{}proxy {what}: [{}]", self.session.prefix(), names.join(" "));
            }
        }
    }

    /// Whether the session is up and the server has accepted every proxy.
    pub fn is_settled(&self) -> bool {
        self.session.is_settled()
    }
}
