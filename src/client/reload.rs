//! A changed configuration, taken over while the client runs.
//!
//! Owns nothing beside [`Client`]. Does not read files, and touches nothing but the proxies: what concerns the session or
//! the program takes a new client. Always true: connections of users live on, also those of proxies that go. Worst case:
//! the new proxies beside the old ones, for the length of the call.

use super::Client;
use super::proxies::Change;
use super::session::Memory;
use crate::config;
use crate::net::Net;

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

    /// Closes everything, so that another client can take its place on the same net; what that one should be told, if it
    /// is to be the same for the server. Events that are under way already mean nothing to the next one.
    pub fn retire(mut self, net: &mut dyn Net) -> Memory {
        self.session.close(&self.setup);
        self.credential.give_up(net);
        let works = core::mem::take(&mut self.works);
        let (session, _, mut cx) = self.split(net);
        session.abandon(&mut cx);
        works.into_iter().for_each(|(_, work)| work.close(&mut cx));
        let memory = self.session.memory().clone();
        // The layers' last words: the server hears of the end of streams and sessions, not of a break.
        self.flush(net);
        self.links.drain().for_each(|link| net.close(link.sock));
        memory
    }

    /// What is run now, as configured.
    pub fn proxies(&self) -> Vec<config::Proxy> {
        self.proxies.iter().map(|p| p.config.clone()).collect()
    }

    /// One of them, by its name.
    pub fn proxy(&self, name: &str) -> Option<&config::Proxy> {
        self.proxies.iter().map(|p| &p.config).find(|proxy| proxy.name == name)
    }

    /// What [`Client::is_settled`] still waits for, for a log line.
    pub fn unsettled(&self) -> String {
        self.session.unsettled(&self.proxies)
    }

    /// Whether the session is up and the server has accepted every proxy.
    pub fn is_settled(&self) -> bool {
        self.session.is_settled()
    }
}
