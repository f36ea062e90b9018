//! The session with the server: dial, log in, run, doubt, lose it, wait, again (protocol §8.5).
//!
//! Owns the phase, the control machine, the link's health, the second connection, the pace of retries and the session's
//! name. Does not own links or work connections; it says what is to become of them. Always true: there is one phase, and
//! each but a running session has a deadline; no login is sent while another of the same run id may still be answered,
//! where that would hang the server. Worst case: the announcements of all proxies, once, 20 KiB of the control machine,
//! and the records of outages and names.

mod doubt;
mod loss;
mod memory;
mod report;
mod ticket;

pub use memory::Memory;

use super::credential::Credential;
use super::cx::Cx;
use super::dial::{Dial, Host, Progress};
use super::failure::{Blame, Failure};
use super::link::Link;
use super::outage::{Outages, seconds};
use super::proxies::Proxies;
use super::standby::{Standby, dial_server, raise};
use super::traffic;
use crate::net::{Answer, ResolveError, Sock, Token};
use crate::proto::backoff::{Backoff, Pace};
use crate::proto::control::{Announce, Control, Out};
use crate::proto::crypto::BLOCK;
use crate::proto::health::Health;
use crate::proto::path::Path;
use crate::proto::takeover::{Takeover, takeover};
use crate::proto::time::{Duration, Instant, secs, sooner};
use memory::Notes;
use report::Tally;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

/// Owner of the control stream among the owners of mux streams.
pub(super) const CONTROL: u32 = u32::MAX;

/// The route is looked at this often while there is none and nobody tells of changes.
const NO_ROUTE_PAUSE: Duration = secs(5);
/// How long names that the server still holds for our old session are asked for again every second.
const PATIENCE: Duration = secs(90);

enum Phase {
    /// Until the next try.
    Waiting {
        until: Instant,
        no_route: bool,
        pace: Pace,
    },
    /// Until there is a ticket for the login.
    Asking,
    Dialing(Box<Dial>),
    /// Connected; the control machine knows whether we are logged in.
    Up(Box<Up>),
}

/// A session on a link.
struct Up {
    link: u32,
    stream: u32,
    control: Control,
    health: Health,
    /// Work connections that are still to be opened.
    wanted: u32,
    peer: SocketAddr,
    /// Our own address on the link.
    local: Option<IpAddr>,
    /// Where the route to the server left from when that was last looked at.
    route: Option<IpAddr>,
    /// The last sign of life.
    heard: Instant,
    /// Bytes acknowledged when that was last looked at, wrapping.
    acknowledged: Option<u32>,
    /// Bytes the kernel had taken when that was last looked at.
    wrote: u32,
}

/// How the server learned of the last session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It ended it, or it never began.
    Known,
    /// It may still believe it alive.
    Silent,
}

/// See the module.
pub(super) struct Session {
    phase: Phase,
    standby: Standby,
    /// It is for going back to the first server, not for a race.
    going_back: bool,
    backoff: Backoff,
    /// The server in use, by its place in the setup.
    server: usize,
    /// Tries in a row that came to nothing on it.
    strikes: u32,
    /// All servers have been tried since the last login.
    went_round: bool,
    /// When to try the first server again, while another is in use.
    failback_at: Option<Instant>,
    /// We are on the first server because it looked as if it were there again.
    went_back: bool,
    /// How often that was wrong, in a row.
    back_in_vain: u32,
    /// While no session has them.
    announces: Vec<Announce>,
    run_id: String,
    server_version: String,
    prefix: String,
    end: End,
    /// What is known about the path to the server in use.
    path: Path,
    /// Our address on it.
    path_from: Option<IpAddr>,
    /// Where the route to the server left from at the last try.
    dialed_from: Option<IpAddr>,
    outages: Outages,
    tally: Tally,
    ever_up: bool,
    /// Tells the events of one dial from another's.
    dials: u32,
    last_dial: Option<Instant>,
    last_peer: Option<SocketAddr>,
    /// When to look at the network again.
    look_at: Option<Instant>,
    looked_at: Option<Instant>,
    asked_at: Option<Instant>,
    notes: Notes,
    logged_in_at: Instant,
    /// Sessions in a row that the server ended too soon.
    replaced: u32,
}

/// A link whose session has ended.
pub(super) struct Ended {
    pub(super) link: Option<u32>,
    /// The first login failed and the configuration says to give up then.
    pub(super) give_up: Option<String>,
}

/// A link that another one has taken the place of.
pub(super) struct Replaced {
    pub(super) link: u32,
    /// User connections on it may live on.
    pub(super) drain: bool,
}

impl Session {
    pub(super) fn new(announces: Vec<Announce>, spread: Duration, now: Instant) -> Self {
        Self {
            phase: Phase::Waiting { until: now, no_route: false, pace: Pace::Ours },
            standby: Standby::Off,
            going_back: false,
            backoff: Backoff::new(spread),
            server: 0,
            strikes: 0,
            went_round: false,
            failback_at: None,
            went_back: false,
            back_in_vain: 0,
            announces,
            run_id: String::new(),
            server_version: String::new(),
            prefix: String::new(),
            end: End::Known,
            path: Path::default(),
            path_from: None,
            dialed_from: None,
            outages: Outages::default(),
            tally: Tally::default(),
            ever_up: false,
            dials: 0,
            last_dial: None,
            last_peer: None,
            look_at: None,
            looked_at: None,
            asked_at: None,
            notes: Notes::default(),
            logged_in_at: now,
            replaced: 0,
        }
    }

    /// Starts every log line of the session.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether we are logged in and the server has accepted every proxy.
    pub(super) fn is_settled(&self) -> bool {
        matches!(&self.phase, Phase::Up(up) if up.control.logged_in() && up.control.not_running().next().is_none())
    }

    /// Gives up what is under way.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_>) {
        if let Phase::Dialing(dial) = &mut self.phase {
            dial.abandon(cx.net);
        }
        self.standby.call_off(cx);
    }

    /// What is missing until [`Session::is_settled`].
    pub(super) fn unsettled(&self, proxies: &Proxies) -> String {
        match &self.phase {
            Phase::Up(up) if up.control.logged_in() => {
                let missing: Vec<&str> = up.control.not_running().map(|id| proxies.name(id)).collect();
                format!("not every proxy was started: [{}]", missing.join(" "))
            }
            _ => "there was no login".to_owned(),
        }
    }

    /// Takes proxies away and adds others, now or at the next login.
    pub(super) fn change(&mut self, gone: &[u32], new: Vec<Announce>, now: Instant) {
        if let Phase::Up(up) = &mut self.phase {
            return up.control.change(gone, new, now);
        }
        self.announces.retain(|announce| !gone.contains(&announce.id));
        self.announces.extend(new);
    }

    /// The server in use, by its place in the setup.
    pub(super) fn server(&self) -> usize {
        self.server
    }

    /// The link in use and our stream on it.
    pub(super) fn link(&self) -> Option<(u32, u32)> {
        match &self.phase {
            Phase::Up(up) => Some((up.link, up.stream)),
            _ => None,
        }
    }

    /// The links that are the session's own: the one in use, and the second one.
    pub(super) fn links(&self) -> impl Iterator<Item = u32> + use<> {
        self.link().map(|(link, _)| link).into_iter().chain(self.standby.link())
    }

    /// Where we are, in a few words.
    pub(super) fn doing(&self) -> &'static str {
        match &self.phase {
            Phase::Waiting { no_route: true, .. } => "waiting for a route to the server",
            Phase::Waiting { .. } => "waiting for the next try",
            Phase::Asking => "waiting for a token",
            Phase::Dialing(_) => "connecting to the server",
            Phase::Up(up) if !up.control.logged_in() => "logging in",
            Phase::Up(up) if up.control.not_running().next().is_none() => "running",
            Phase::Up(_) => "running, but not all proxies are",
        }
    }

    /// What is to be said about where we are and where we were.
    pub(super) fn status(&self, now: Instant) -> impl Iterator<Item = String> {
        let here = match &self.phase {
            Phase::Waiting { no_route: true, .. } => "waiting for a route to the server".to_owned(),
            Phase::Waiting { until, .. } => format!("waiting {} ms for the next try", until.since(now).as_millis()),
            Phase::Asking => "waiting for a token".to_owned(),
            Phase::Dialing(_) => "connecting to the server".to_owned(),
            Phase::Up(up) if up.control.logged_in() => {
                let rtt =
                    up.health.path().rtt().map_or_else(String::new, |rtt| format!(", round trip {}", seconds(rtt)));
                format!("running as [{}] on frps {}{rtt}", self.run_id, self.server_version)
            }
            Phase::Up(_) => "logging in".to_owned(),
        };
        core::iter::once(here).chain(self.outages.report(now))
    }

    /// When [`Session::expire`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Asking => None,
            Phase::Dialing(dial) => Some(dial.deadline()),
            Phase::Up(up) => {
                let health = up.health.deadline().filter(|_| up.control.logged_in());
                sooner(up.control.deadline().map(|(at, _)| at), health)
            }
        };
        [phase, self.look_at, self.standby.deadline(), self.failback_at].into_iter().fold(None, sooner)
    }

    /// Does what is due.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let now = cx.shared.now;
        if self.deadline().is_none_or(|at| at > now) {
            return Ok(());
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(cx)?;
        }
        if self.standby.deadline().is_some_and(|at| at <= now) {
            self.tend_standby(cx);
        }
        if self.failback_at.is_some_and(|at| at <= now) {
            self.fail_back(cx);
        }
        match &mut self.phase {
            Phase::Waiting { until, .. } if *until <= now => self.try_again(cx),
            Phase::Waiting { .. } | Phase::Asking => Ok(()),
            Phase::Dialing(_) => self.dial_goes_on(cx),
            Phase::Up(up) => {
                let ready = cx.links.get(up.link as usize).is_some_and(Link::ready);
                let result = up.control.expire(now, cx.net.unix_time());
                result.map_err(|e| match ready {
                    true => e.into(),
                    false => Failure::new(Blame::Network, "TLS handshake: i/o timeout"),
                })?;
                self.judge(cx)
            }
        }
    }

    fn next_dial(&mut self, now: Instant) -> u32 {
        self.dials = self.dials.wrapping_add(1);
        self.last_dial = Some(now);
        self.dials
    }

    /// Starts to connect, if there is a route.
    fn try_again(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let now = cx.shared.now;
        let route = self.route(cx);
        self.dialed_from = route.as_ref().and_then(|route| route.as_ref().ok()).copied();
        if let Some(Err(e)) = route {
            if !matches!(self.phase, Phase::Waiting { no_route: true, .. }) {
                let device = cx.setup.server(self.server).opts.device.as_ref();
                let through = device.map_or_else(String::new, |name| format!(" through {name}"));
                log::warn!("{}no route to the server{through} ({e}): waiting for one", self.prefix);
            }
            self.phase = Phase::Waiting { until: now + NO_ROUTE_PAUSE, no_route: true, pace: Pace::Ours };
            return Ok(());
        }
        log::info!("{}try to connect to server...", self.prefix);
        if cx.credential.has(now) {
            return self.set_out(cx);
        }
        self.phase = Phase::Asking;
        cx.credential.want(true, cx.net);
        Ok(())
    }

    /// Connects to log in.
    fn set_out(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let now = cx.shared.now;
        let task = self.next_dial(now);
        self.phase = Phase::Dialing(Box::new(dial_server(self.server, self.path.wait(), task, cx)));
        self.dial_goes_on(cx)
    }

    /// Where a connection to the server would come from; `None` while no address of the server is known, or it may not be
    /// known.
    fn route(&self, cx: &Cx<'_>) -> Option<std::io::Result<IpAddr>> {
        let server = cx.setup.server(self.server);
        let to = match server.target.host {
            Host::Ip(ip) => SocketAddr::new(ip, server.target.port),
            Host::Name(_) => self.last_peer?,
        };
        let route = cx.net.source_for(to, &server.opts);
        // That is for the dial to say.
        let refused = matches!(&route, Err(e) if e.kind() == ErrorKind::PermissionDenied);
        (!refused).then_some(route)
    }

    fn dial_goes_on(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        let Phase::Dialing(dial) = &mut self.phase else { return Ok(()) };
        let progress = dial.go(cx.net);
        self.dialed(progress, cx)
    }

    /// A try to reach the server ended.
    pub(super) fn on_dialed(
        &mut self,
        token: Token,
        sock: Sock,
        result: std::io::Result<()>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match &mut self.phase {
            Phase::Dialing(dial) if dial.token() == token => {
                let progress = dial.on_dialed(sock, result, cx.net);
                self.dialed(progress, cx)
            }
            _ => {
                self.standby.on_dialed(token, sock, result, cx);
                self.judge(cx)
            }
        }
    }

    /// The look-up of the server's name made progress.
    pub(super) fn on_resolved(
        &mut self,
        token: Token,
        result: Result<Answer, ResolveError>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match &mut self.phase {
            Phase::Dialing(dial) if dial.token() == token => {
                let progress = dial.on_resolved(result, cx.net);
                self.dialed(progress, cx)
            }
            _ => {
                self.standby.on_resolved(token, result, cx);
                self.judge(cx)
            }
        }
    }

    fn dialed(&mut self, progress: Progress, cx: &mut Cx<'_>) -> Result<(), Failure> {
        match progress {
            Progress::Pending => Ok(()),
            Progress::Failed(e) => Err(e.into()),
            Progress::Up(sock) => {
                let (link, peer) = raise(sock, self.server, cx)?;
                self.log_in(link, peer, cx);
                Ok(())
            }
        }
    }

    /// Sends the login over a link.
    fn log_in(&mut self, link: u32, peer: SocketAddr, cx: &mut Cx<'_>) {
        let now = cx.shared.now;
        let entry = cx.links.get_mut(link as usize);
        let local = entry.as_ref().and_then(|link| cx.net.local_addr(link.sock)).map(|addr| addr.ip());
        let stream = entry.and_then(|link| link.mux.as_mut()).and_then(|mux| mux.open(CONTROL, now)).unwrap_or(0);
        let mut iv = [0; BLOCK];
        cx.net.random(&mut iv);
        let mut login = cx.setup.login.clone();
        login.privilege_key = cx.credential.take(now).unwrap_or_default();
        self.use_recalled(cx);
        let slow = self.takeover(cx) != Takeover::AtOnce;
        // Without its name nothing takes over at once.
        let held = self.end == End::Silent && (slow || self.run_id.is_empty());
        // A client id is refused as online until the old session has ended: then only the old name helps.
        let fresh = held && login.client_id.is_empty();
        if held && slow {
            self.explain(cx);
        }
        if !fresh {
            login.run_id.clone_from(&self.run_id);
        }
        let announces = core::mem::take(&mut self.announces);
        let mut control = Control::new(cx.setup.control.clone(), login, announces, iv, cx.net.unix_time(), now);
        if held {
            control.be_patient(now + PATIENCE);
        }
        if self.path_from != local {
            (self.path, self.path_from) = (Path::default(), local);
        }
        let health = Health::new(cx.setup.probe, self.path, now);
        self.last_peer = Some(peer);
        let route = self.route(cx).and_then(Result::ok);
        self.phase = Phase::Up(Box::new(Up {
            link,
            stream,
            control,
            health,
            wanted: 0,
            peer,
            local,
            route,
            heard: now,
            acknowledged: None,
            wrote: 0,
        }));
    }

    fn takeover(&self, cx: &Cx<'_>) -> Takeover {
        takeover(&self.server_version, cx.setup.mux.is_some())
    }

    /// Says why coming back takes longer than it should.
    fn explain(&self, cx: &Cx<'_>) {
        let version = if self.server_version.is_empty() { "this frps" } else { self.server_version.as_str() };
        log::warn!(
            "{}frps {version} may hold the old session up to 40 s: upgrade it to 0.70.1 or later, or set \
             transport.tcpMuxKeepaliveInterval = 5 in frps.toml",
            cx.prefix
        );
    }

    /// Bytes of the control connection, changed in place.
    pub(super) fn feed(&mut self, bytes: &mut [u8], cx: &mut Cx<'_>) -> Result<(), Failure> {
        let Phase::Up(up) = &mut self.phase else { return Ok(()) };
        let fed = up.control.feed(bytes, cx.shared.now);
        if let Some(mux) = cx.links.get_mut(up.link as usize).and_then(|link| link.mux.as_mut()) {
            mux.consumed(up.stream, bytes.len(), cx.shared.now);
        }
        Ok(fed?)
    }

    /// Acts on what the control machine has to say and hands its messages to the link.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>) {
        while let Phase::Up(up) = &mut self.phase
            && let Some(out) = up.control.poll()
        {
            traffic::note(cx.proxies, &out);
            self.on_out(out, cx);
        }
        let Phase::Up(up) = &mut self.phase else { return };
        up.wanted = up.wanted.saturating_add(up.control.take_wanted());
        up.get_tickets(&self.prefix, cx);
        let Some(link) = cx.links.get_mut(up.link as usize) else { return };
        let window = link.mux.as_ref().map_or(usize::MAX, |mux| mux.room(up.stream));
        let out = up.control.output();
        let fits = out.len().min(window);
        if fits > 0 {
            link.post(up.stream, out.get(..fits).unwrap_or_default());
            out.drain(..fits);
            link.touch(up.link, cx.shared);
        }
        if out.is_empty() {
            *out = Vec::new();
        }
    }

    fn on_out(&mut self, out: Out, cx: &Cx<'_>) {
        let name = |proxy| cx.proxies.name(proxy);
        match out {
            Out::LoggedIn { run_id, version } => {
                self.prefix = format!("[{run_id}] ");
                log::info!("{}login to server success, get run id [{run_id}]", self.prefix);
                (self.run_id, self.server_version, self.ever_up) = (run_id, version, true);
                self.tally.logins += 1;
                self.end = End::Known;
                self.logged_in_at = cx.shared.now;
                self.named(cx);
                self.backoff.up(cx.shared.now);
                if self.server == 0 {
                    (self.went_back, self.back_in_vain) = (false, 0);
                }
                self.failback_at = (self.server != 0).then_some(cx.shared.now + self.failback_pause(cx));
                let names: Vec<&str> = cx.proxies.iter().map(|p| p.config.name.as_str()).collect();
                log::info!("{}proxy added: [{}]", self.prefix, names.join(" "));
                if let Some(line) = self.outages.back(cx.shared.now) {
                    log::info!("{}{line}", self.prefix);
                }
            }
            Out::ProxyStarted { proxy, remote_addr } => {
                log::info!("{}[{}] start proxy success", self.prefix, name(proxy));
                log::debug!("{}[{}] users reach it at {remote_addr}", self.prefix, name(proxy));
            }
            Out::ProxyRefused { proxy, error } => {
                log::warn!("{}[{}] start error: {error}", self.prefix, name(proxy));
            }
            Out::ProxyHeld { proxy } => {
                log::debug!("{}[{}] the server still has it from the old session", self.prefix, name(proxy));
            }
            Out::PingSent => log::debug!("{}send heartbeat to server", self.prefix),
            Out::PongSeen => {
                log::debug!("{}receive heartbeat from server", self.prefix);
                if let Phase::Up(up) = &mut self.phase
                    && cx.setup.mux.is_none()
                {
                    up.health.on_pong(None, cx.shared.now);
                }
            }
        }
    }

    /// One work connection that is still to be opened: its first message, and where to (without mux).
    pub(super) fn next_wanted(
        &mut self,
        credential: &mut Credential,
        now: Instant,
    ) -> Option<(crate::wire::msg::NewWorkConn, IpAddr)> {
        let Phase::Up(up) = &mut self.phase else { return None };
        let mut hello = up.control.new_work_conn(&self.run_id);
        if up.wanted > 0 && up.control.work_needs_ticket() {
            hello.privilege_key = credential.take(now)?;
        }
        up.wanted = up.wanted.checked_sub(1)?;
        Some((hello, up.peer.ip()))
    }

    /// The connection could not be opened now: try again later.
    pub(super) fn want_again(&mut self) {
        if let Phase::Up(up) = &mut self.phase {
            up.wanted = up.wanted.saturating_add(1);
        }
    }
}
