//! What proves to the server who we are, where it is not in the configuration: token sources and OIDC.
//!
//! Owns the fetching of it (a command, a file, a request to an issuer), how long it is good for, and when to fetch it anew.
//! Does not know what it is used for, or decide what a failure means: [`super::session`] does. Always true: one fetch at a
//! time; a value is never logged; before [`Credential::prepared`] no session starts. Worst case: a value of [`MAX_VALUE`]
//! and one fetch.
//!
//! Why is it so?
//! * *Why two kinds?* A token (`auth.token`, `auth.tokenSource`) is fetched once and proofs are computed from it. A ticket
//!   (OIDC) is the proof itself, and ends: it is fetched for each use, or kept while it lasts.
//! * *Why is a ticket renewed before anybody wants one?* The issuer is reached over the same line as the server: when that
//!   comes back, the login must not wait for a third party. Tickets that last less than [`WORTH_RENEWING`] are not: issuers
//!   count requests; they are fetched when the link is in doubt.

#[cfg_attr(not(feature = "oidc"), path = "credential/no_issuer.rs")]
mod issuer;
mod source;
mod turn;

use super::shared::Shared;
use crate::config::{Auth, Secret};
use crate::net::job::Output;
use crate::net::{Answer, Event, FileDone, JobError, Net, ResolveError, Sock, Token};
use crate::proto::time::{Duration, Instant, secs, sooner};
use crate::wire::frame;
use issuer::{Exchange, Issuer, Progress};

/// Port of [`Token`]: what is asked for here (task: the number of the fetch).
const CREDENTIAL: u8 = 8;
/// Bytes of a token or a ticket, at most.
const MAX_VALUE: usize = 64 * 1024;
/// The same of an issuer's ticket: a login holds more than that.
const MAX_TICKET: usize = frame::MAX_BODY - 1024;
/// How long a fetch may take that somebody waits for.
const LIMIT: Duration = secs(30);
/// At the start there is no limit, as with frpc; after this, and ever longer, it is said what is waited for.
const SAY_AFTER: Duration = secs(10);
/// A ticket that ends so soon is not used any more: it has to arrive, and clocks differ (Go: 10 s).
const EARLY: Duration = secs(10);
/// Tickets that last so long are renewed before they end.
const WORTH_RENEWING: Duration = secs(3600);
/// Bounds of the pause after a failure, unless a login needs a ticket: that has a pace of its own.
const PAUSES: (Duration, Duration) = (secs(1), secs(60));

/// How it is come by.
enum Way {
    /// It is in the configuration, or was fetched at the start.
    Known,
    /// `auth.tokenSource`, not fetched yet.
    Once(Secret),
    /// `auth.oidc.tokenSource`.
    Each(Secret),
    /// `auth.oidc`.
    Issuer(Box<Issuer>),
}

/// A proof.
struct Ticket {
    text: String,
    /// `None`: for one use.
    until: Option<Instant>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    /// For the user.
    pub(super) text: String,
    /// The issuer said no, and will say it again.
    pub(super) refused: bool,
    /// It said no, whatever it will say next.
    answered: bool,
}

impl Why {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), refused: false, answered: false }
    }
}

/// What has become of a fetch.
pub(super) enum News {
    /// `auth.tokenSource` gave the token.
    Token(String),
    /// The program cannot start.
    Hopeless(String),
    /// There is a ticket.
    Ticket,
    /// There is none.
    Failed(Why),
}

/// What runs.
enum Kind {
    Job,
    Files,
    Exchange(Box<Exchange>),
}

struct Fetch {
    kind: Kind,
    since: Instant,
    /// The next time to say that it takes long.
    say_at: Instant,
    /// Somebody waits for it, or nobody yet.
    until: Option<Instant>,
}

/// See the module.
pub(super) struct Credential {
    way: Way,
    ticket: Option<Ticket>,
    fetch: Option<Fetch>,
    /// Of the last fetch: tells its events from another's.
    number: u32,
    renew_at: Option<Instant>,
    /// Since the last success.
    failures: u32,
    retry_at: Option<Instant>,
    /// A fetch ended.
    result: Option<Result<Gained, Why>>,
}

/// What a fetch brought.
enum Gained {
    /// A value, and how long it lasts; `None`: one use.
    Value(String, Option<Duration>),
    /// What the issuer's certificate is checked against.
    Prepared,
}

impl Credential {
    pub(super) fn new(auth: &Auth, now: Instant) -> Result<Self, String> {
        let way = match (&auth.oidc, &auth.source) {
            (Some(oidc), _) => match &oidc.source {
                Some(source) => Way::Each(source.clone()),
                None => Way::Issuer(Box::new(Issuer::new(oidc)?)),
            },
            (None, Secret::Fixed(_)) => Way::Known,
            (None, source) => Way::Once(source.clone()),
        };
        Ok(Self {
            way,
            ticket: None,
            fetch: None,
            // Events may be on their way to a client whose place we take.
            number: u32::try_from(now.as_micros() & 0xffff_ffff).unwrap_or_default(),
            renew_at: None,
            failures: 0,
            retry_at: None,
            result: None,
        })
    }

    /// Whether sessions can start. While they cannot, [`Credential::tend`] sees to it.
    pub(super) fn prepared(&self) -> bool {
        match &self.way {
            Way::Known | Way::Each(_) => true,
            Way::Once(_) => false,
            Way::Issuer(issuer) => issuer.prepared(),
        }
    }

    /// Whether tickets take the place of computed proofs.
    pub(super) fn by_ticket(&self) -> bool {
        matches!(self.way, Way::Each(_) | Way::Issuer(_))
    }

    /// How frpc calls the fetching of a ticket.
    pub(super) fn verb(&self) -> &'static str {
        if matches!(self.way, Way::Each(_)) { "acquire" } else { "generate" }
    }

    /// Whether a proof is there, or none is needed.
    pub(super) fn has(&self, now: Instant) -> bool {
        !self.by_ticket() || self.ticket.as_ref().is_some_and(|ticket| ticket.is_good(now))
    }

    /// A ticket for one use; `None`: it has to be fetched first.
    pub(super) fn take(&mut self, now: Instant) -> Option<String> {
        let ticket = self.ticket.as_ref().filter(|ticket| ticket.is_good(now))?;
        if ticket.until.is_some() {
            return Some(ticket.text.clone());
        }
        self.ticket.take().map(|ticket| ticket.text)
    }

    /// The server did not want it: the next one is fetched afresh.
    pub(super) fn forget(&mut self) {
        self.ticket = None;
        self.renew_at = None;
    }

    /// Somebody needs a ticket. False if a fetch has just failed and it is too soon for another; a login is never too soon.
    pub(super) fn want(&mut self, for_login: bool, net: &mut dyn Net) -> bool {
        let now = net.now();
        if self.has(now) {
            return true;
        }
        if self.fetch.is_none() {
            if !for_login && self.retry_at.is_some_and(|at| at > now) {
                return false;
            }
            self.start(net);
        }
        if let Some(fetch) = &mut self.fetch {
            fetch.until.get_or_insert(now + LIMIT);
        }
        true
    }

    fn start(&mut self, net: &mut dyn Net) {
        let now = net.now();
        self.number = self.number.wrapping_add(1);
        self.renew_at = None;
        let token = self.token();
        let started = match &self.way {
            Way::Known => return,
            Way::Once(source) | Way::Each(source) => source::start(source, token, net).map_err(Why::new),
            Way::Issuer(issuer) if !issuer.prepared() => {
                net.files(issuer.files(), token);
                Ok(Kind::Files)
            }
            Way::Issuer(issuer) => issuer.ask(token, net).map(|exchange| Kind::Exchange(Box::new(exchange))),
        };
        match started {
            Ok(kind) => self.fetch = Some(Fetch { kind, since: now, say_at: now + SAY_AFTER, until: None }),
            Err(why) => self.result = Some(Err(why)),
        }
    }

    fn token(&self) -> Token {
        Token { task: self.number, port: CREDENTIAL }
    }

    fn ours(&self, token: Token) -> bool {
        token == self.token() && self.fetch.is_some()
    }

    fn ended(&mut self, result: Result<Gained, Why>) {
        self.fetch = None;
        self.result = Some(result);
    }

    /// Takes what was asked for here; other events are given back.
    pub(super) fn handle(&mut self, event: Event, net: &mut dyn Net) -> Option<Event> {
        match event {
            Event::JobDone { token, result } if token.port == CREDENTIAL => self.on_job(token, result),
            Event::FilesDone { token, result } if token.port == CREDENTIAL => self.on_files(token, result),
            Event::Resolved { token, result } if token.port == CREDENTIAL => self.on_resolved(token, result, net),
            Event::Dialed { token, sock, result } if token.port == CREDENTIAL => {
                self.on_dialed(token, sock, result, net);
            }
            Event::Ready { token, sock } if token.port == CREDENTIAL => self.on_ready(token, sock),
            other => return Some(other),
        }
        None
    }

    /// A command ended.
    fn on_job(&mut self, token: Token, result: Result<Output, JobError>) {
        if self.ours(token)
            && let Way::Once(source) | Way::Each(source) = &self.way
        {
            let value = source::printed(source, result).map(|value| Gained::Value(value, None));
            self.ended(value.map_err(Why::new));
        }
    }

    /// Files were read.
    fn on_files(&mut self, token: Token, result: Result<FileDone, String>) {
        if !self.ours(token) {
            return;
        }
        let gained = match &mut self.way {
            Way::Known => return,
            Way::Once(source) | Way::Each(source) => {
                source::read(source, result).map(|value| Gained::Value(value, None))
            }
            Way::Issuer(issuer) => issuer.prepare(result).map(|()| Gained::Prepared),
        };
        self.ended(gained.map_err(Why::new));
    }

    /// The issuer's name was looked up.
    fn on_resolved(&mut self, token: Token, result: Result<Answer, ResolveError>, net: &mut dyn Net) {
        if let Some(exchange) = self.exchange(token) {
            exchange.on_resolved(result, net);
        }
    }

    /// A connection to the issuer was made, or not.
    fn on_dialed(&mut self, token: Token, sock: Sock, result: std::io::Result<()>, net: &mut dyn Net) {
        match self.exchange(token) {
            Some(exchange) => exchange.on_dialed(sock, result, net),
            // Of a fetch that was given up in this turn.
            None if result.is_ok() => net.close(sock),
            None => {}
        }
    }

    /// The connection to the issuer can be used.
    fn on_ready(&mut self, token: Token, sock: Sock) {
        if let Some(exchange) = self.exchange(token) {
            exchange.on_ready(sock);
        }
    }

    fn exchange(&mut self, token: Token) -> Option<&mut Exchange> {
        let ours = self.ours(token);
        match &mut self.fetch {
            Some(Fetch { kind: Kind::Exchange(exchange), .. }) if ours => Some(exchange),
            _ => None,
        }
    }

    /// The machine slept: what lasts has become that much older.
    pub(super) fn on_stall(&mut self, stood: Duration) {
        let until = self.ticket.as_mut().and_then(|ticket| ticket.until.as_mut());
        for at in until.into_iter().chain(&mut self.renew_at) {
            *at = *at - stood;
        }
    }

    /// When [`Credential::tend`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.result.is_some() || (!self.prepared() && self.fetch.is_none()) {
            return Some(Instant::ZERO);
        }
        let Some(fetch) = &self.fetch else { return self.renew_at };
        let exchange = match &fetch.kind {
            Kind::Exchange(exchange) => Some(exchange.deadline()),
            Kind::Job | Kind::Files => None,
        };
        [exchange, fetch.until, (!self.prepared()).then_some(fetch.say_at)].into_iter().fold(None, sooner)
    }

    /// Does what is due, and says what has become of a fetch.
    pub(super) fn tend(&mut self, net: &mut dyn Net, shared: &mut Shared) -> Option<News> {
        let now = shared.now;
        if self.fetch.is_none()
            && self.result.is_none()
            && (!self.prepared() || self.renew_at.is_some_and(|at| at <= now))
        {
            self.start(net);
        }
        if let Some(fetch) = &mut self.fetch {
            if !matches!(self.way, Way::Known | Way::Each(_))
                && fetch.say_at <= now
                && !matches!(fetch.kind, Kind::Exchange(_))
            {
                let waited = now.since(fetch.since);
                log::info!("waiting for {} since {} s", self.way.name(), waited.as_secs());
                fetch.say_at = now + waited.saturating_mul(2);
            }
            let overdue = fetch.until.is_some_and(|at| at <= now);
            let progress = match &mut fetch.kind {
                Kind::Exchange(exchange) => exchange.go(net, shared),
                Kind::Job | Kind::Files => Progress::Pending,
            };
            match progress {
                Progress::Done(result) => self.settle(result, net),
                Progress::Pending if overdue => {
                    let what = self.way.name();
                    self.give_up(net);
                    self.ended(Err(Why::new(format!("{what}: no answer within {} s", LIMIT.as_secs()))));
                }
                Progress::Pending => {}
            }
        }
        self.result.take().map(|result| self.told(result, now))
    }

    /// The issuer answered.
    fn settle(&mut self, result: Result<issuer::Grant, Why>, net: &mut dyn Net) {
        let until = self.fetch.take().and_then(|fetch| fetch.until);
        let Way::Issuer(issuer) = &mut self.way else { return };
        match result {
            Ok(grant) if grant.token.len() > MAX_TICKET => {
                let (size, most) = (grant.token.len(), frame::MAX_BODY);
                let text = format!("the token takes {size} bytes, the frp protocol allows {most} for the whole login");
                self.ended(Err(Why { refused: true, ..Why::new(text) }));
            }
            Ok(grant) => {
                issuer.granted();
                // One that ends at once is for one use.
                let lasts = grant.lasts.filter(|lasts| *lasts > EARLY);
                self.ended(Ok(Gained::Value(grant.token, lasts)));
            }
            // It may want the secret in another place.
            Err(why) if issuer.try_another_style(&why) => {
                self.start(net);
                if let Some(fetch) = &mut self.fetch {
                    fetch.until = until;
                }
            }
            Err(mut why) => {
                issuer.hide(&mut why);
                self.ended(Err(why));
            }
        }
    }

    fn told(&mut self, result: Result<Gained, Why>, now: Instant) -> News {
        match result {
            Ok(gained) => {
                (self.failures, self.retry_at) = (0, None);
                match gained {
                    Gained::Value(token, _) if matches!(self.way, Way::Once(_)) => {
                        self.way = Way::Known;
                        News::Token(token)
                    }
                    Gained::Value(text, lasts) => {
                        self.ticket = Some(Ticket { text, until: lasts.map(|lasts| now + lasts) });
                        let renew = lasts.filter(|lasts| *lasts >= WORTH_RENEWING);
                        // With a tenth of its time left.
                        self.renew_at = renew.map(|lasts| now + lasts / 10 * 9);
                        News::Ticket
                    }
                    Gained::Prepared => News::Ticket,
                }
            }
            Err(why) if !self.prepared() => News::Hopeless(format!("{}{}", self.way.start_words(), why.text)),
            Err(why) => {
                let (least, most) = PAUSES;
                let pause = least.saturating_mul(1 << self.failures.min(6)).min(most);
                self.failures += 1;
                self.retry_at = Some(now + pause);
                // What is there is good for a while: try again before it ends.
                let lasts = self.ticket.as_ref().and_then(|ticket| ticket.until).filter(|until| *until > now);
                self.renew_at = lasts.map(|_| now + most);
                News::Failed(why)
            }
        }
    }

    /// Ends what is under way.
    pub(super) fn give_up(&mut self, net: &mut dyn Net) {
        let token = self.token();
        match self.fetch.take().map(|fetch| fetch.kind) {
            Some(Kind::Job) => net.kill_job(token),
            Some(Kind::Files) => net.cancel_files(token),
            Some(Kind::Exchange(mut exchange)) => exchange.abandon(net),
            None => {}
        }
    }
}

impl Ticket {
    fn is_good(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now + EARLY < until)
    }
}

impl Way {
    /// For a line about something that takes long.
    fn name(&self) -> String {
        match self {
            Self::Known => "auth.token".to_owned(),
            Self::Once(source) => format!("auth.tokenSource ({})", source::name(source)),
            Self::Each(source) => format!("auth.oidc.tokenSource ({})", source::name(source)),
            Self::Issuer(issuer) => issuer.name(),
        }
    }

    /// frpc's words before the reason why it cannot start.
    fn start_words(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "failed to create OIDC HTTP client: ",
            _ => "failed to resolve auth.tokenSource: ",
        }
    }
}
