//! What becomes of links and work connections when their session is lost or moves on.
//!
//! Owns nothing beside [`Client`]. Does not decide that a session is over: that is the session's. Always true: a work
//! connection ends with its link; a link that nobody uses any more is closed. Worst case: the parent's.

use super::Client;
use super::cx::Cx;
use super::link::{Link, Owner};
use super::work::Work;
use crate::net::Net;
use crate::proto::time::{Duration, Instant, secs};
use std::net::IpAddr;

/// How long user connections may live on on a link that another has taken the place of.
const DRAIN: Duration = secs(600);

/// A link that is no session's any more.
pub(super) struct Draining {
    pub(super) link: u32,
    pub(super) until: Instant,
}

impl Client {
    /// Lets the second link take the place of the first, once that is condemned.
    pub(super) fn take_over(&mut self, net: &mut dyn Net) {
        let Self { setup, credential, session, links, works, proxies, shared, .. } = self;
        let mut cx = Cx { net, links, shared, proxies, setup, credential, prefix: "" };
        let used = |key| works.iter().filter(|(_, w)| !w.is_pooled() && w.at().link == Some(key)).count();
        let Some(replaced) = session.take_over(&mut cx, used) else { return };
        self.drop_pooled(net);
        if replaced.drain {
            self.draining.push(Draining { link: replaced.link, until: self.shared.now + DRAIN });
        } else {
            self.drop_link(replaced.link, true, net);
        }
        self.drop_stranded(net);
    }

    /// Drops links whose last user connection has ended.
    pub(super) fn drain(&mut self, net: &mut dyn Net) {
        let now = self.shared.now;
        let works = &self.works;
        let over = |d: &Draining| d.until <= now || !works.iter().any(|(_, w)| w.at().link == Some(d.link));
        let over: Vec<u32> = self.draining.iter().filter(|d| over(d)).map(|d| d.link).collect();
        for key in over {
            self.draining.retain(|d| d.link != key);
            self.drop_link(key, false, net);
        }
    }

    /// Work connections that wait for use end with their session.
    pub(super) fn drop_pooled(&mut self, net: &mut dyn Net) {
        let pooled: Vec<u32> = self.works.iter().filter(|(_, w)| w.is_pooled()).map(|(_, w)| w.at().work).collect();
        for work in pooled {
            self.with_work(work, net, Work::server_eof);
        }
    }

    /// The link is gone: the connections on it end. After silence the server may still
    /// hold its end: RST tells it, if it gets there.
    pub(super) fn drop_link(&mut self, key: u32, silent: bool, net: &mut dyn Net) {
        let Some(link) = self.links.try_remove(key as usize) else { return };
        if silent {
            net.abort(link.sock);
        } else {
            net.close(link.sock);
        }
        let concerned = |work: &Work| work.at().link == Some(key);
        let works: Vec<u32> = self.works.iter().filter(|(_, w)| concerned(w)).map(|(_, w)| w.at().work).collect();
        for work in works {
            self.works.get_mut(work as usize).into_iter().for_each(Work::unlink);
            self.with_work(work, net, Work::server_eof);
        }
    }

    /// Cuts off the work connections with a link of their own whose address is not ours any more: nothing can come back to
    /// them, and the kernel would not notice for a quarter of an hour.
    pub(super) fn drop_stranded(&mut self, net: &mut dyn Net) {
        let own = |link: &Link| match link.owner {
            Owner::Work(work) => Some((work, net.local_addr(link.sock)?.ip())),
            Owner::Session => None,
        };
        let works: Vec<(u32, IpAddr)> = self.links.iter().filter_map(|(_, link)| own(link)).collect();
        let mut gone: Vec<IpAddr> = works.iter().map(|(_, ip)| *ip).collect();
        gone.sort_unstable();
        gone.dedup();
        let opts = &self.setup.server(self.session.server()).opts;
        gone.retain(|ip| !net.has_address(*ip, opts));
        for (key, _) in works.iter().filter(|(_, ip)| gone.contains(ip)) {
            if let Some(work) = self.works.try_remove(*key as usize) {
                let (_, _, mut cx) = self.split(net);
                work.abort(&mut cx);
            }
        }
    }
}
