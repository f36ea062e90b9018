//! The session in doubt: what speaks for and against the link, the second connection, and the other servers.
//!
//! Owns nothing beside [`Session`]. Does not log in or wait: that is the parent's. Always true: a link is left only for
//! one on which the server has answered, on proof, or when it has been silent for so long that nothing is lost with it.
//! Worst case: the parent's.

use super::{End, Pace, Phase, Replaced, Session, Up};
use crate::client::cx::Cx;
use crate::client::failure::{Blame, Failure};
use crate::client::outage::Kind;
use crate::client::standby::Standby;
use crate::proto::health::{Cause, Order};
use crate::proto::mux::Mux;
use crate::proto::path::Path;
use crate::proto::race::REPEAT;
use crate::proto::time::{Duration, Instant, millis, secs, sooner};

/// Changes of the network that come close together are looked at once.
const DEBOUNCE: Duration = millis(50);
/// Changes that do not concern our link make us ask it at most this often.
const ASK_PAUSE: Duration = secs(1);
/// Between two tries that the network's changes set off.
const DIAL_PAUSE: Duration = millis(500);

impl Up {
    /// Looks whether what we sent is being acknowledged: life on a link whose answers are stuck or lost.
    fn measure(&mut self, cx: &Cx<'_>) {
        let Some(link) = cx.links.get(self.link as usize) else { return };
        let Some(waiting) = cx.net.unacknowledged(link.sock) else { return };
        let acknowledged = link.wrote.wrapping_sub(waiting);
        if self.acknowledged.replace(acknowledged).is_some_and(|before| before != acknowledged) {
            self.health.on_acknowledged(waiting == 0, cx.shared.now);
        }
    }
}

impl Session {
    /// Bytes came over a link of ours.
    pub(in crate::client) fn on_heard(&mut self, link: u32, cx: &mut Cx<'_>) {
        let now = cx.shared.now;
        if self.standby.link() == Some(link) {
            self.standby.look(cx);
        }
        let Phase::Up(up) = &mut self.phase else { return };
        if up.link != link {
            return;
        }
        up.heard = now;
        up.health.on_heard(now);
        let mux = cx.links.get_mut(link as usize).and_then(|link| link.mux.as_mut());
        if let Some(rtt) = mux.and_then(Mux::take_pong) {
            up.health.on_pong(Some(rtt), now);
        }
    }

    /// A link was flushed; `wrote`: the bytes the kernel has taken for it, wrapping.
    pub(in crate::client) fn on_sent(&mut self, link: u32, wrote: u32, now: Instant) {
        if let Phase::Up(up) = &mut self.phase
            && up.link == link
            && core::mem::replace(&mut up.wrote, wrote) != wrote
        {
            up.health.on_sent(now);
        }
    }

    /// The program stood still.
    pub(in crate::client) fn on_stall(&mut self, stood: Duration, now: Instant) {
        if let Phase::Up(up) = &mut self.phase {
            up.control.on_stall(stood);
            up.health.on_stall(stood, now);
        }
    }

    /// The program was kept from running for so long beyond its time.
    pub(in crate::client) fn on_late(&mut self, late: Duration) {
        if let Phase::Up(up) = &mut self.phase {
            up.health.on_late(late);
        }
    }

    /// Somebody asks for a look.
    pub(in crate::client) fn poke(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Up(up) => up.health.suspect(Cause::Poked, now),
            Phase::Waiting { until, .. } => *until = now,
            Phase::Asking | Phase::Dialing(_) => {}
        }
    }

    /// The network changed.
    pub(in crate::client) fn on_change(&mut self, now: Instant) {
        // With a link the first of several changes is looked at at once: it may be the proof.
        let at = match self.looked_at {
            _ if self.link().is_none() => now + DEBOUNCE,
            Some(at) => now.max(at + DEBOUNCE),
            None => now,
        };
        self.look_at = sooner(self.look_at, Some(at));
    }

    /// Looks at addresses and routes.
    pub(super) fn look(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let now = cx.shared.now;
        (self.look_at, self.looked_at) = (None, Some(now));
        let route = self.route(cx);
        self.standby.redirect(cx);
        match &mut self.phase {
            Phase::Waiting { until, no_route, pace } => {
                let changed = match route {
                    Some(Ok(source)) => *no_route || self.dialed_from != Some(source),
                    Some(Err(_)) => false,
                    // Nothing is known of the way: this may be what was missing.
                    None => *pace == Pace::Ours,
                };
                if changed && *pace != Pace::Refused {
                    let soonest = self.last_dial.map_or(now, |at| at + DIAL_PAUSE);
                    *until = soonest.max(now).min(*until);
                }
            }
            Phase::Up(up) => {
                let opts = &cx.setup.server(self.server).opts;
                let source = route.and_then(Result::ok);
                if let Some(ip) = up.local.filter(|ip| !cx.net.has_address(*ip, opts)) {
                    up.health.prove(Cause::AddressGone(ip));
                } else if self.asked_at.is_none_or(|at| now.since(at) >= ASK_PAUSE) {
                    self.asked_at = Some(now);
                    let moved = source.filter(|source| up.route.is_some_and(|before| before != *source));
                    up.health.suspect(moved.map_or(Cause::NetworkChanged, Cause::RouteChanged), now);
                    up.route = source.or(up.route);
                }
            }
            Phase::Asking => {}
            Phase::Dialing(dial) => {
                dial.redirect(cx.net);
                return self.dial_goes_on(cx);
            }
        }
        self.judge(cx)
    }

    /// Does what the health of the link asks for.
    pub(super) fn judge(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let now = cx.shared.now;
        let Phase::Up(up) = &mut self.phase else { return Ok(()) };
        if !up.control.logged_in() {
            // The login has its own deadline; but without our address no answer can come.
            let opts = &cx.setup.server(self.server).opts;
            let gone = up.local.filter(|ip| !cx.net.has_address(*ip, opts)).map(Cause::AddressGone);
            return gone.map_or(Ok(()), |cause| Err(Failure::new(Blame::Silence, cause.to_string())));
        }
        if let Some(at) = self.standby.take_late()
            && self.standby.server() == self.server
        {
            up.health.on_opened(at);
        }
        if up.health.deadline().is_some_and(|at| at <= now) {
            up.measure(cx);
        }
        up.health.expire(now);
        let mut prepare = None;
        while let Some(order) = up.health.poll() {
            match order {
                Order::Ping => match cx.links.get_mut(up.link as usize).and_then(|link| link.mux.as_mut()) {
                    Some(mux) => mux.ping(now),
                    None => up.control.probe(now, cx.net.unix_time()),
                },
                Order::Prepare(cause) => prepare = Some(cause),
                Order::StandDown => {
                    log::info!("{}the link to the server answers again", self.prefix);
                    self.standby.call_off(cx);
                }
            }
        }
        if let Some(link) = cx.links.get_mut(up.link as usize) {
            link.touch(up.link, cx.shared);
        }
        if let Some(cause) = up.health.proof().or_else(|| up.health.lost(now)) {
            return Err(Failure::new(Blame::Silence, cause.to_string()));
        }
        let expected = up.health.wait();
        if !self.standby_is_wanted() || (prepare.is_some() && self.going_back) {
            // One that is to go back may take ten seconds to fail.
            self.standby.call_off(cx);
        }
        if let Some(cause) = prepare.filter(|_| !self.standby.is_on()) {
            self.going_back = false;
            log::info!("{}the link to the server may be dead ({cause}): preparing another", self.prefix);
            let task = self.next_dial(now);
            self.standby.start(self.server, expected, task, cx);
            cx.credential.want(true, cx.net);
        }
        Ok(())
    }

    /// Whether somebody waits for the second connection.
    fn standby_is_wanted(&self) -> bool {
        let racing = matches!(&self.phase, Phase::Up(up) if up.health.racing());
        racing || (self.going_back && !self.standby.has_failed())
    }

    /// Does what is due for the second connection.
    pub(super) fn tend_standby(&mut self, cx: &mut Cx<'_>) {
        if self.standby_is_wanted() {
            let task = self.next_dial(cx.shared.now);
            self.standby.expire(task, cx);
        } else {
            self.standby.call_off(cx);
        }
    }

    /// How long to stay with another server before the first one is tried again: ever longer while it takes connections
    /// but no login.
    pub(super) fn failback_pause(&self, cx: &Cx<'_>) -> Duration {
        cx.setup.failback * (1 << self.back_in_vain.min(6))
    }

    /// The first server may be back: prepares a connection to it.
    pub(super) fn fail_back(&mut self, cx: &mut Cx<'_>) {
        let now = cx.shared.now;
        self.failback_at = Some(now + self.failback_pause(cx));
        if !self.standby.is_on() && self.link().is_some() {
            self.going_back = true;
            let task = self.next_dial(now);
            self.standby.start(0, REPEAT, task, cx);
        }
    }

    /// Goes to the next server, if there is another.
    pub(super) fn next_server(&mut self, cx: &Cx<'_>) {
        let server = (self.server + 1) % cx.setup.servers();
        self.strikes = 0;
        self.back_in_vain += u32::from(core::mem::take(&mut self.went_back));
        if server != self.server {
            self.use_server(server, cx);
            self.went_round |= server == 0;
            if !self.went_round {
                // After a whole round in vain the pauses grow.
                self.backoff.restart();
            }
        }
    }

    /// From now on another server, which does not know our name, or another way to the same.
    pub(super) fn use_server(&mut self, server: usize, cx: &Cx<'_>) {
        log::info!("{}the next server is {}", self.prefix, cx.setup.server(server).target);
        let same = cx.setup.server(server).target == cx.setup.server(self.server).target;
        self.server = server;
        (self.last_peer, self.path, self.dialed_from) = (None, Path::default(), None);
        if !same {
            self.run_id.clear();
            self.server_version.clear();
            self.end = End::Known;
        }
    }

    /// Lets the second connection take over, if it works and the first one does not.
    pub(in crate::client) fn take_over(&mut self, cx: &mut Cx<'_>, in_use: impl Fn(u32) -> usize) -> Option<Replaced> {
        let (Phase::Up(up), Standby::Linked { link, server, peer, answered: true, .. }) = (&self.phase, &self.standby)
        else {
            return None;
        };
        let (now, link, server, peer) = (cx.shared.now, *link, *server, *peer);
        let back = server == 0 && self.server != 0;
        let condemned = up.health.condemned(now);
        let cause = condemned
            .map(|cause| cause.to_string())
            .or_else(|| back.then(|| "the first server is there again".to_owned()))?;
        if !cx.credential.has(now) {
            cx.credential.want(false, cx.net);
            return None;
        }
        let (old, heard, path) = (up.link, up.heard, up.health.path());
        let kept = in_use(old);
        if condemned.is_none() {
            log::info!("{}going back to the first server", self.prefix);
            self.went_back = true;
        } else {
            log::warn!("{}the connection to the server is lost: {cause}; another one takes over", self.prefix);
        }
        self.tally.failures += u64::from(condemned.is_some());
        self.outages.lost(condemned.map_or(Kind::FailedBack, Kind::from), &cause, heard, now, kept);
        (self.end, self.path) = (End::Silent, path);
        if server != self.server {
            self.use_server(server, cx);
        }
        self.standby = Standby::Off;
        self.replaced = 0;
        if let Phase::Up(up) =
            core::mem::replace(&mut self.phase, Phase::Waiting { until: now, no_route: false, pace: Pace::Ours })
        {
            self.announces = up.control.into_proxies();
            if let Some(mux) = cx.links.get_mut(old as usize).and_then(|link| link.mux.as_mut()) {
                mux.detach(up.stream, now);
            }
        }
        self.log_in(link, peer, cx);
        Some(Replaced { link: old, drain: kept > 0 })
    }

    /// A link of ours failed that is not the one in use.
    pub(in crate::client) fn standby_failed(
        &mut self,
        link: u32,
        failure: &Failure,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        if self.standby.link() == Some(link) {
            self.standby.failed(&failure.text, cx);
        }
        self.judge(cx)
    }
}
