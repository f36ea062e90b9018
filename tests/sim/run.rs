//! One world from its first turn to the verdict.
//!
//! Owns the client, the simulated net and the site, and the invariants. Does not know how to make a plan. Always true:
//! a run ends within [`LIMIT`] of virtual time. Worst case: the site.

use super::frps::mux;
use super::frps::settings::Settings;
use super::guest::{Guest, Verdict, Way};
use super::plan::{Naming, Plan, Trouble};
use super::service::PORTS;
use super::site::{Site, server};
use redial::client::{Client, Machine, Memory};
use redial::config::{self, Config, Loader};
use redial::net::sim::Sim;
use redial::net::{Answer, Event, Net};
use redial::proto::time::{Duration, Instant, millis, secs, sooner};
use std::net::IpAddr;

/// No world lasts longer.
const LIMIT: Duration = secs(2 * 3600);
/// How long a world goes on when everybody has what they want, so that leftovers have their time to go.
const QUIET: Duration = secs(80);

/// See the module.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) sim: Sim,
    pub(crate) site: Site,
    pub(crate) client: Client,
    config: Config,
    /// What the client wants to be remembered.
    pub(crate) memory: Memory,
    pub(crate) start: Instant,
    events: Vec<Event>,
    /// Turns the client was given.
    pub(crate) turns: u64,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Self {
        Self::with(plan, "", |_| {})
    }

    /// With more lines of configuration, and other settings of the server.
    pub(crate) fn with(plan: Plan, lines: &str, adapt: impl FnOnce(&mut Settings)) -> Self {
        let mut sim = Sim::new(plan.seed);
        sim.weather = plan.weather;
        let start = sim.now();
        name_server(&plan, &mut sim);
        let mut settings = if plan.mux { Settings::default() } else { Settings::without_mux() };
        if plan.old_server {
            let mux = plan.mux.then_some(mux::Settings { window: mux::INITIAL_WINDOW, keepalive: secs(60) });
            settings = Settings { mux, ..Settings::old() };
        }
        settings.token = "t".to_owned();
        adapt(&mut settings);
        let loader = Loader { allow_exec: true, ..Loader::default() };
        let loaded = loader.parse("sim.toml", &configuration(&plan, lines)).expect("a valid configuration");
        let mut config = loaded.config;
        // Not what is set where the tests run.
        config.auth.oidc.iter_mut().for_each(|oidc| oidc.system_ca_file.clear());
        let client = program(&config, start);
        let site = Site::new(&plan, settings, start);
        Self { plan, sim, site, client, config, memory: Memory::default(), start, events: Vec::new(), turns: 0 }
    }

    /// The program starts again, with what it remembers. What becomes of its connections is the caller's business.
    pub(crate) fn start_again(&mut self) {
        self.client = program(&self.config, self.sim.now());
        self.client.recall(self.memory.clone());
    }

    /// Another client takes the place of this one, and is told what this one knew.
    pub(crate) fn replace(&mut self) {
        let new = program(&self.config, self.sim.now());
        let memory = core::mem::replace(&mut self.client, new).retire(&mut self.sim);
        self.client.recall(memory);
    }

    /// Takes these proxies over: names, local ports, and the server's ports (0: it chooses).
    pub(crate) fn reload(&mut self, proxies: &[(&str, u16, u16)]) {
        let one = |(name, local, remote): &(&str, u16, u16)| entry(&self.plan, name, *local, *remote);
        let text: String = proxies.iter().map(one).collect();
        let loaded = config::parse("sim.toml", &format!("serverAddr = \"10.0.0.2\"\n{text}"));
        self.client.reload(&loaded.expect("a valid configuration").config.proxies);
    }

    /// One turn; false if nothing will ever happen again, or the client has ended.
    pub(crate) fn turn(&mut self) -> bool {
        self.turn_before(None)
    }

    /// One turn that ends at `end` at the latest.
    fn turn_before(&mut self, end: Option<Instant>) -> bool {
        self.turns += 1;
        self.client.turn(&mut self.sim);
        self.remember();
        if self.client.exit().is_some() {
            return false;
        }
        let deadline = sooner(self.client.deadline(), end);
        let goes_on = self.sim.advance(deadline, &mut self.site, &mut self.events);
        for event in self.events.drain(..) {
            self.client.handle(event, &mut self.sim);
        }
        self.remember();
        // As the program does it: no turn after the end.
        goes_on && self.client.exit().is_none()
    }

    fn remember(&mut self) {
        if let Some(memory) = self.client.take_memory() {
            self.memory = memory.clone();
        }
    }

    /// Turns until `done`, at most for `limit`.
    pub(crate) fn until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let give_up = self.sim.now() + limit;
        while !done(self) {
            assert!(self.turn() && self.sim.now() < give_up, "waited in vain for {what}");
        }
    }

    /// Turns for so long.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.sim.now() + time;
        while self.sim.now() < end && self.turn_before(Some(end)) {}
    }

    /// Lives until everybody has what they want, and a while longer.
    pub(crate) fn live(&mut self) {
        self.until("the guests to go", LIMIT, |run| run.site.is_done());
        self.until("what they left to arrive", LIMIT, |run| !run.is_under_way());
        let back = |run: &mut Self| run.site.frps.tally().logins > run.site.logins_before;
        self.until("the server to have the client back", secs(200), back);
        self.pass(QUIET);
        // Whatever happened: now it works.
        let guest = self.site.invite(Way::Echo, 3000, self.sim.now());
        self.until("the last guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
        assert_eq!(self.site.guests[guest].verdict, Verdict::Served, "the last guest");
        self.pass(QUIET);
    }

    /// Whether bytes of a guest that has left may still be on their way to its service.
    fn is_under_way(&self) -> bool {
        let now = self.sim.now();
        let waiting = |(number, guest): (usize, &Guest)| {
            let delivered = u32::try_from(number).ok().and_then(|n| self.site.delivered.get(&n)).copied();
            let hope = guest.closed.is_some_and(|at| now < at + secs(600));
            matches!(guest.way, Way::Leave | Way::Rude) && delivered.unwrap_or(0) < guest.to_send() && hope
        };
        self.site.guests.iter().enumerate().any(waiting)
    }

    /// The invariants.
    pub(crate) fn check(&self) {
        self.check_guests();
        let tally = self.site.frps.tally();
        assert_eq!(tally.violation, None, "the mux rules");
        assert_eq!(tally.garbage, 0, "the messages");
        let cut = matches!(self.plan.trouble, Trouble::Cut | Trouble::Away(_));
        assert!(tally.silent == 0 || cut, "a ping was late");
        if cut && !self.plan.mux {
            // A dead line without mux in use is left to the kernel's keepalive, hours later; an unused one is not.
            let there = |g: &&Guest| g.started.is_some_and(|at| self.site.struck.is_some_and(|struck| at <= struck));
            let in_use = self.site.guests.iter().filter(there).count();
            let (works, pooled) = (self.client.load().0, self.site.frps.pooled());
            assert!(works <= pooled + in_use, "{works} work connections, {pooled} pooled, {in_use} in use");
            return;
        }
        self.check_leftovers();
    }

    /// Nothing is left of those who have gone.
    pub(crate) fn check_leftovers(&self) {
        let pooled = self.site.frps.pooled();
        assert_eq!(self.client.load().0, pooled, "work connections that nobody uses");
        let sockets = 1 + if self.plan.mux { 0 } else { pooled };
        assert_eq!(self.sim.open_sockets(), sockets, "sockets");
        assert_eq!(self.sim.open_pipes(), 0, "pipes");
        let per_work = 1100;
        assert!(self.client.load().1 <= pooled * per_work, "{} bytes are still charged", self.client.load().1);
    }

    fn check_guests(&self) {
        for (number, guest) in self.site.guests.iter().enumerate() {
            let number = u32::try_from(number).expect("few");
            let what = || format!("guest {number}: {guest:?}");
            if guest.verdict == Verdict::Failed {
                assert!(self.excused(guest.started, guest.closed), "{}", what());
                continue;
            }
            let delivered = self.site.delivered.get(&number).copied().unwrap_or(0);
            match guest.way {
                // What it left may have been on its way for a while when the trouble came.
                Way::Leave | Way::Rude if !self.excused(guest.started, guest.closed.map(|at| at + secs(100))) => {
                    assert_eq!(delivered, guest.to_send(), "{}", what());
                }
                Way::Echo | Way::Stalled => assert_eq!(delivered, guest.to_send(), "{}", what()),
                Way::Refused => {
                    let took = guest.closed.expect("it is closed").since(guest.started.expect("it came"));
                    assert!(took < secs(5) || self.excused(guest.started, guest.closed), "{}", what());
                }
                _ => {}
            }
        }
    }

    /// Whether there was trouble while a guest was there, or no session yet.
    fn excused(&self, started: Option<Instant>, closed: Option<Instant>) -> bool {
        let (Some(started), Some(closed)) = (started, closed) else { return true };
        let early = started < self.start + secs(12);
        let away = match self.plan.trouble {
            Trouble::Away(long) | Trouble::Restart(long) => long,
            _ => Duration::ZERO,
        };
        // Detection takes the mux 40 s, heartbeats 91 s; then a retry.
        let trouble = self.site.struck.is_some_and(|at| started < at + away + secs(150) && closed + secs(1) > at);
        early || trouble
    }

    /// What the client did, in one number.
    pub(crate) fn trace(&self) -> u64 {
        self.site.trace
    }
}

fn program(config: &Config, now: Instant) -> Client {
    let machine = Machine { hostname: "sim".to_owned(), memory_available: Some(64 << 20) };
    Client::new(config, &machine, now).expect("a client")
}

fn name_server(plan: &Plan, sim: &mut Sim) {
    let (good, wrong) = (server().ip(), |i| IpAddr::from([10, 9, 9, i]));
    let answer = |addrs: Vec<IpAddr>, done| Ok(Answer { addrs, done });
    let dead: IpAddr = "2001:db8::9".parse().expect("an address");
    let script = match plan.naming {
        Naming::Address => return,
        Naming::Slow => vec![(secs(3), answer(vec![good], true))],
        Naming::DeadV6First => vec![(millis(5), answer(vec![dead], false)), (millis(40), answer(vec![good], true))],
        Naming::WrongFirst => vec![(millis(5), answer(vec![wrong(1), wrong(2), good], true))],
    };
    sim.name("frps.test", script);
}

fn configuration(plan: &Plan, lines: &str) -> String {
    let host = if plan.naming == Naming::Address { "10.0.0.2" } else { "frps.test" };
    let mux = plan.mux;
    // Unless it comes from elsewhere. Tables come last.
    let token = if lines.contains("auth.") { "" } else { "auth.token = \"t\"\n" };
    let retries = if lines.contains("loginFailExit") { "" } else { "loginFailExit = false\n" };
    let mut text = format!(
        "serverAddr = \"{host}\"\n{token}{retries}transport.tls.enable = false\n\
         transport.tcpMux = {mux}\n{lines}\n"
    );
    for (name, port) in PORTS {
        text += &entry(plan, name, port, 0);
    }
    text
}

fn entry(plan: &Plan, name: &str, local: u16, remote: u16) -> String {
    let (encryption, compression) = (plan.encryption, plan.compression);
    format!(
        "[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = {local}\nremotePort = {remote}\n\
         transport.useEncryption = {encryption}\ntransport.useCompression = {compression}\n"
    )
}
