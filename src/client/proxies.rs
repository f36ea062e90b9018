//! The proxies as the client runs them.
//!
//! Owns, for each, its id, where the local service is, and what comes of a changed configuration. Does not own connections
//! or the state of the registration ([`crate::proto::control`]). Always true: an id means one proxy, and is never given
//! again: connections of a proxy that is gone find nothing under it. Worst case: 150 bytes a proxy beside its part of the
//! configuration.

use super::dial::Target;
use super::traffic::Ledger;
use crate::config;
use crate::proto::control::Announce;
use crate::proto::quiet::Quiet;
use std::collections::BTreeMap;

/// One proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) id: u32,
    pub(super) config: config::Proxy,
    pub(super) target: Target,
    /// The line about a local service that does not answer.
    pub(super) quiet: Quiet,
    /// For reports.
    pub(super) ledger: Ledger,
}

impl Proxy {
    fn new(id: u32, config: &config::Proxy) -> Self {
        let target = Target::new(&config.local_host, config.local_port);
        Self { id, config: config.clone(), target, quiet: Quiet::default(), ledger: Ledger::default() }
    }

    fn announce(&self) -> Announce {
        Announce::new(self.id, &self.config.wire_name, &self.config.announce)
    }
}

/// What a new configuration changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// What the server is to forget.
    pub(super) gone: Vec<u32>,
    /// What the server is to be told.
    pub(super) new: Vec<Announce>,
    /// Names of those that went or were replaced, sorted.
    pub(super) removed: Vec<String>,
    /// Names of those that came or took a place, sorted.
    pub(super) added: Vec<String>,
}

/// All of them, by id.
#[derive(Debug)]
pub(super) struct Proxies {
    list: Vec<Proxy>,
    next: u32,
}

impl Proxies {
    pub(super) fn new(configs: &[config::Proxy]) -> Self {
        let mut all = Self { list: Vec::new(), next: 0 };
        all.change(configs);
        all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Proxy> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Proxy> {
        self.list.iter_mut()
    }

    /// What the server is to be told of all of them.
    pub(super) fn announces(&self) -> Vec<Announce> {
        self.list.iter().map(Proxy::announce).collect()
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.list.binary_search_by_key(&id, |p| p.id).ok()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Proxy> {
        self.list.get(self.place(id)?)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Proxy> {
        let place = self.place(id)?;
        self.list.get_mut(place)
    }

    /// The name for a log line.
    pub(super) fn name(&self, id: u32) -> &str {
        self.get(id).map_or("(removed)", |p| p.config.name.as_str())
    }

    /// Finds a proxy by the name the server knows it by.
    pub(super) fn find(&self, wire_name: &str) -> Option<&Proxy> {
        self.list.iter().find(|p| p.config.wire_name == wire_name)
    }

    /// Takes a new list over. A proxy that is the same in every key stays as it is; one of which only the local side
    /// differs keeps its id, and the server learns nothing.
    pub(super) fn change(&mut self, configs: &[config::Proxy]) -> Change {
        let mut old: BTreeMap<String, Proxy> =
            core::mem::take(&mut self.list).into_iter().map(|p| (p.config.name.clone(), p)).collect();
        self.list.reserve_exact(configs.len());
        let mut change = Change::default();
        for config in configs {
            let before = old.remove(&config.name);
            let same = before.as_ref().is_some_and(|p| p.config == *config);
            let stays = before.as_ref().is_some_and(|p| p.config.same_to_server(config));
            let id = before.as_ref().map(|p| p.id);
            if before.is_some() && !same {
                change.removed.push(config.name.clone());
            }
            let ledger = match before {
                Some(kept) if same => {
                    self.list.push(kept);
                    continue;
                }
                before => before.map(|p| p.ledger).unwrap_or_default(),
            };
            change.added.push(config.name.clone());
            let proxy = match id.filter(|_| stays) {
                Some(id) => Proxy { ledger, ..Proxy::new(id, config) },
                None => {
                    change.gone.extend(id);
                    // What went through it is counted by its name.
                    let mut proxy = Proxy::new(self.next, config);
                    proxy.ledger.traffic = ledger.traffic;
                    self.next = self.next.wrapping_add(1);
                    change.new.push(proxy.announce());
                    proxy
                }
            };
            self.list.push(proxy);
        }
        change.gone.extend(old.values().map(|p| p.id));
        change.removed.extend(old.into_keys());
        change.removed.sort_unstable();
        change.added.sort_unstable();
        self.list.sort_unstable_by_key(|p| p.id);
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, u16, u16)]) -> Vec<config::Proxy> {
        let one = |(name, local, remote): &(&str, u16, u16)| {
            format!("[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = {local}\nremotePort = {remote}\n")
        };
        let text: String = entries.iter().map(one).collect();
        config::parse("frpc.toml", &format!("transport.tls.enable = false\n{text}")).unwrap().config.proxies
    }

    #[test]
    fn what_is_the_same_stays_and_what_is_not_changes_as_little_as_it_can() {
        let mut all = Proxies::new(&list(&[("b", 1, 11), ("a", 2, 12), ("c", 3, 13), ("d", 4, 14)]));
        let id = |all: &Proxies, name: &str| all.find(name).map(|p| p.id);
        let before = ["a", "b", "c"].map(|name| id(&all, name));
        let change = all.change(&list(&[("e", 5, 15), ("c", 3, 23), ("b", 9, 11), ("a", 2, 12)]));
        assert_eq!(change.removed, ["b", "c", "d"]);
        assert_eq!(change.added, ["b", "c", "e"]);
        assert_eq!((id(&all, "a"), id(&all, "b")), (before[0], before[1]), "the server has no part in b's change");
        assert_ne!(id(&all, "c"), before[2]);
        let told: Vec<&str> = change.new.iter().map(|announce| all.name(announce.id)).collect();
        assert_eq!((told, change.gone.len()), (vec!["e", "c"], 2));
        assert_eq!(all.find("b").map(|p| p.target.port), Some(9));
        assert!(before[2].is_some_and(|old| all.get(old).is_none() && all.name(old) == "(removed)"));
        let again = all.change(&list(&[("a", 2, 12), ("b", 9, 11), ("c", 3, 23), ("e", 5, 15)]));
        assert!(again.removed.is_empty() && again.added.is_empty() && again.gone.is_empty() && again.new.is_empty());
    }
}
