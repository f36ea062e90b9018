//! The admin server (`webServer`): frpc's API, metrics, the status page.
//!
//! Owns the listener and its connections. Does not change the client: what it is asked to do comes out as a [`Command`].
//! Always true: it acts only when somebody asks, and never waits; who has not proven who he is learns nothing but that he
//! has not; the tunnel's memory is not touched. Worst case: [`MAX_CONNS`] connections of 12 KiB (48 KiB with TLS), and [`ROOM`] for bodies
//! and answers, which only those get who know the password.
//!
//! The journey of a request: [`Admin::handle`] notes that something came, [`Admin::turn`] reads it; a row of
//! [`routes`] says who may ask and what acts; the answer goes out in the same turn, or when the program
//! ([`Admin::answer`]) or a file is there.

mod access;
mod conn;
mod definition;
mod metrics;
mod overview;
mod pages;
mod reply;
mod routes;
#[cfg_attr(not(feature = "admin-tls"), path = "secure_off.rs")]
mod secure;
mod status;

use crate::client::Client;
use crate::config::WebServer;
use crate::config::store::{self, Change};
use crate::net::{Event, FileDone, FileJob, FileRead, Net, Sock, Token};
use crate::proto::http::{self, Request, Response};
use crate::proto::quiet::{Quiet, and_more};
use crate::proto::time::{Duration, Instant, millis, secs, sooner};
use access::Access;
use conn::{Conn, Step, Wait};
use reply::{Asked, Call, Question, Reply};
use routes::Found;
use secure::Secure;
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Ports of [`Token`]: the listener, a connection (task: its key), a file for it. Those of other layers are below.
const LISTENER: u8 = 96;
const CONN: u8 = 97;
const FILE: u8 = 98;

/// Connections at once. Others wait in the kernel's backlog until one ends, or rests for [`REST`].
pub const MAX_CONNS: usize = 16;
/// Bytes of bodies and answers, all connections together.
pub const ROOM: usize = 6 * 1024 * 1024;
/// A connection that asks nothing of weight for so long makes room for one that waits.
const REST: Duration = secs(1);
/// How long a refusal takes, as in frpc.
const DENIAL: Duration = millis(200);
/// The pause when the system has no descriptor left.
const NO_ACCEPT_PAUSE: Duration = secs(1);
/// Requests of one connection in one turn.
const SHARE: usize = 4;

/// Which request is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u32);

/// What the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// End. The answer is out already.
    Stop,
    /// Load the file again; then [`Admin::answer`].
    Reload {
        /// Who waits for it.
        ticket: Ticket,
        /// Unknown keys are errors.
        strict: bool,
        /// Go back unless all is well within so many seconds.
        confirm: Option<u32>,
    },
    /// Change the store; then [`Admin::answer`].
    Change {
        /// Who waits for it.
        ticket: Ticket,
        /// What is to be changed.
        change: Change,
    },
    /// See whether this would do as the file; then [`Admin::answer`], with the text if it is to be written.
    Check {
        /// Who waits for it.
        ticket: Ticket,
        /// The text.
        text: Vec<u8>,
    },
}

/// What the program did.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// What was asked.
    Yes,
    /// This is to be the file.
    Write(Vec<u8>),
}

/// Why the program did not: the status of the answer, and what it says.
pub type Refusal = (u16, String);

/// See the module.
pub struct Admin {
    listener: Sock,
    access: Access,
    secure: Secure,
    file: PathBuf,
    store: Option<PathBuf>,
    conns: Slab<Conn>,
    run: VecDeque<u32>,
    commands: VecDeque<Command>,
    serial: u32,
    /// Somebody may wait at the listener.
    crowded: bool,
    /// No descriptor was left: not before then.
    accept_at: Option<Instant>,
    /// The lines about that, and about wrong passwords.
    no_accept: Quiet,
    wrong: Quiet,
    now: Instant,
}

impl Admin {
    /// Starts to listen. `file`: the program's configuration; empty if it has none. `store`: its store's.
    ///
    /// # Errors
    /// The address is of no use, in frpc's words.
    pub fn open(web: &WebServer, file: &str, store: Option<&str>, net: &mut dyn Net) -> Result<Self, String> {
        let addr = SocketAddr::new(address(&web.addr)?, web.port);
        let secure = Secure::open(web.tls.as_ref())?;
        let fail = |e: io::Error| format!("listen tcp {addr}: bind: {}", reason(&e));
        let listener = net.listen(addr, Token { task: 0, port: LISTENER }).map_err(fail)?;
        log::info!("admin server listen on {addr}");
        if web.pprof {
            log::warn!("webServer.pprofEnable: there is no profile of Go's runtime here; /debug/pprof/ answers 404");
        }
        if !web.assets_dir.is_empty() {
            log::warn!("webServer.assetsDir is not used: the status page is redial's own");
        }
        let access = Access::new(&web.user, &web.password);
        if access.is_open() && !addr.ip().is_loopback() {
            log::warn!(
                "webServer: no user and no password, and {addr} can be reached by others: anybody may ask anything"
            );
        }
        Ok(Self {
            listener,
            access,
            secure,
            file: PathBuf::from(file),
            store: store.filter(|_| cfg!(feature = "store")).map(PathBuf::from),
            conns: Slab::new(),
            run: VecDeque::new(),
            commands: VecDeque::new(),
            serial: 0,
            crowded: false,
            accept_at: None,
            no_accept: Quiet::default(),
            wrong: Quiet::default(),
            now: net.now(),
        })
    }

    /// Whether an event is for this layer, and not for the client.
    pub fn owns(event: &Event) -> bool {
        match event {
            Event::Ready { token, .. } | Event::FilesDone { token, .. } => (LISTENER..=FILE).contains(&token.port),
            _ => false,
        }
    }

    /// Connections, and bytes held: for tests and reports.
    pub fn load(&self) -> (usize, usize) {
        (self.conns.len(), self.holds())
    }

    fn holds(&self) -> usize {
        self.conns.iter().map(|(_, conn)| conn.holds()).sum()
    }

    /// Takes note of an event that is ours. Call [`Admin::turn`] after the last one of a turn.
    pub fn handle(&mut self, event: Event, net: &dyn Net) {
        self.now = net.now();
        match event {
            Event::Ready { token, .. } if token.port == LISTENER => self.crowded = true,
            Event::Ready { token, sock } if self.conns.get(token.task as usize).is_some_and(|c| c.sock == sock) => {
                self.queue(token.task);
            }
            Event::FilesDone { token, result } => self.on_file(token.task, result, net.unix_time()),
            _ => {}
        }
    }

    fn queue(&mut self, key: u32) {
        if let Some(conn) = self.conns.get_mut(key as usize)
            && !core::mem::replace(&mut conn.queued, true)
        {
            self.run.push_back(key);
        }
    }

    /// When [`Admin::turn`] is to be called though no event came.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.run.is_empty() {
            return Some(Instant::ZERO);
        }
        let accept = match self.accept_at {
            _ if !self.crowded => None,
            Some(at) => Some(at),
            None if self.conns.len() < MAX_CONNS => Some(Instant::ZERO),
            None => self.conns.iter().filter_map(|(_, conn)| conn.rests()).min().map(|at| at + REST),
        };
        sooner(accept, self.conns.iter().filter_map(|(_, conn)| conn.deadline()).min())
    }

    /// Lets in who waits, reads what came, answers what was asked.
    pub fn turn(&mut self, client: &Client, net: &mut dyn Net) {
        self.now = net.now();
        self.expire(net);
        self.accept(net);
        for _ in 0..self.run.len() {
            let Some(key) = self.run.pop_front() else { break };
            self.run_conn(key, client, net);
        }
    }

    /// What the program is to do next.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn accept(&mut self, net: &mut dyn Net) {
        self.accept_at = self.accept_at.filter(|at| *at > self.now);
        while self.crowded && self.accept_at.is_none() {
            if self.conns.len() >= MAX_CONNS && !self.make_room(net) {
                return;
            }
            let entry = self.conns.vacant_entry();
            let key = u32::try_from(entry.key()).unwrap_or(u32::MAX);
            match net.accept(self.listener, Token { task: key, port: CONN }) {
                Ok(sock) => {
                    self.serial = self.serial.wrapping_add(1);
                    entry.insert(Conn::new(sock, self.secure.layer(), self.serial, self.now));
                    self.queue(key);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.crowded = false,
                Err(e) => {
                    self.accept_at = Some(self.now + NO_ACCEPT_PAUSE);
                    if let Some(more) = self.no_accept.allow(self.now) {
                        log::warn!("admin server: a connection is not accepted: {e}{}", and_more(more));
                    }
                }
            }
        }
    }

    /// Closes the connection that has rested longest, if that is long enough.
    fn make_room(&mut self, net: &mut dyn Net) -> bool {
        let resting = self.conns.iter().filter_map(|(key, conn)| Some((conn.rests()?, key)));
        let Some((_, key)) = resting.min().filter(|(at, _)| *at + REST <= self.now) else { return false };
        self.drop_conn(key, net);
        true
    }

    fn drop_conn(&mut self, key: usize, net: &mut dyn Net) {
        let Some(conn) = self.conns.try_remove(key) else { return };
        if let (Wait::File(_), Ok(task)) = (&conn.wait, u32::try_from(key)) {
            net.cancel_files(Token { task, port: FILE });
        }
        net.close(conn.sock);
    }

    fn expire(&mut self, net: &mut dyn Net) {
        let due = self.conns.iter().filter(|(_, conn)| conn.deadline().is_some_and(|at| at <= self.now));
        let due: Vec<usize> = due.map(|(key, _)| key).collect();
        for key in due {
            match self.conns.get_mut(key) {
                Some(conn) if matches!(conn.wait, Wait::Denied(_)) => {
                    conn.respond(&denial(), net.unix_time(), self.now);
                    self.queue(u32::try_from(key).unwrap_or(u32::MAX));
                }
                _ => self.drop_conn(key, net),
            }
        }
    }

    fn run_conn(&mut self, key: u32, client: &Client, net: &mut dyn Net) {
        for _ in 0..SHARE {
            let Some(conn) = self.conns.get_mut(key as usize) else { return };
            conn.queued = false;
            match conn.step(net) {
                Step::Wait => return,
                Step::Gone => return self.drop_conn(key as usize, net),
                Step::Asks(http::Event::Request(request)) => self.on_request(key, request, client, net),
                Step::Asks(http::Event::Body(body)) => {
                    if let Wait::Body(asked) = core::mem::replace(&mut conn.wait, Wait::Nothing) {
                        self.act(key, asked, body, client, net);
                    }
                }
            }
        }
        // The share is used up: the rest is for the next turn, and the answers go out before the program acts on anything.
        if let Some(conn) = self.conns.get_mut(key as usize) {
            let _ = conn.flush(net);
        }
        self.queue(key);
    }

    fn on_request(&mut self, key: u32, request: Request, client: &Client, net: &mut dyn Net) {
        let (route, name) = match routes::find(request.method, &request.path, &request.query, self.store.is_some()) {
            Found::Answer(response) => return self.respond(key, &response, net.unix_time()),
            Found::Route(route, name) => (route, name.unwrap_or_default().to_owned()),
        };
        if !route.open && !self.access.allows(request.authorization.as_deref()) {
            return self.deny(key, &request, net);
        }
        if let Some(conn) = self.conns.get_mut(key as usize).filter(|_| !route.open) {
            conn.earn(self.now);
        }
        let asked = Asked { request, route, name, question: None, said: Vec::new() };
        if route.body == 0 {
            return self.act(key, asked, Vec::new(), client, net);
        }
        if self.holds() + route.body > ROOM {
            return self.respond(key, &busy(), net.unix_time());
        }
        if let Some(conn) = self.conns.get_mut(key as usize) {
            conn.wait = Wait::Body(asked);
            conn.take_body(route.body);
        }
    }

    fn deny(&mut self, key: u32, request: &Request, net: &dyn Net) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.wait = Wait::Denied(self.now + DENIAL);
        // Browsers ask without at first.
        if request.authorization.is_some()
            && let Some(more) = self.wrong.allow(self.now)
        {
            let from = net.peer_addr(conn.sock).map_or_else(String::new, |addr| format!(" from {}", addr.ip()));
            log::warn!("admin server: wrong user or password{from}{}", and_more(more));
        }
    }

    fn act(&mut self, key: u32, mut asked: Asked, body: Vec<u8>, client: &Client, net: &mut dyn Net) {
        let level = asked.level();
        log::log!(level, "http request: [{}]", asked.path());
        let Asked { request, name, .. } = &asked;
        let reply = (asked.route.act)(Call { request, name, body, client, net });
        let ticket = Ticket(self.conns.get(key as usize).map_or(0, |conn| conn.serial));
        let wait = match reply {
            Reply::Now(response) => return self.finish(key, &asked, Ok(response), net.unix_time()),
            Reply::Fail(status, text) => return self.finish(key, &asked, Err((status, text)), net.unix_time()),
            Reply::Stop => {
                self.commands.push_back(Command::Stop);
                return self.finish(key, &asked, Ok(Response::empty(200)), net.unix_time());
            }
            Reply::Reload { strict, confirm } => {
                self.commands.push_back(Command::Reload { ticket, strict, confirm });
                Wait::Program(asked)
            }
            Reply::Change(change, said) => {
                asked.said = said;
                self.commands.push_back(Command::Change { ticket, change });
                Wait::Program(asked)
            }
            Reply::Stored(question) => {
                let Some(path) = self.store.clone() else {
                    return self.finish(key, &asked, Err((404, question.missing)), net.unix_time());
                };
                asked.question = Some(question);
                net.files(FileJob::Read { paths: vec![path] }, Token { task: key, port: FILE });
                Wait::File(asked)
            }
            Reply::WriteConfig(_) | Reply::ReadConfig if self.file.as_os_str().is_empty() => {
                let none = (400, "frpc has no config file path".to_owned());
                return self.finish(key, &asked, Err(none), net.unix_time());
            }
            Reply::WriteConfig(text) => {
                self.commands.push_back(Command::Check { ticket, text });
                Wait::Program(asked)
            }
            Reply::ReadConfig => {
                net.files(FileJob::Read { paths: vec![self.file.clone()] }, Token { task: key, port: FILE });
                Wait::File(asked)
            }
        };
        if let Some(conn) = self.conns.get_mut(key as usize) {
            conn.wait = wait;
        }
    }

    /// The program has done what a [`Command`] asked for, or has not.
    pub fn answer(&mut self, ticket: Ticket, result: Result<Done, Refusal>, net: &mut dyn Net) {
        let Some((key, conn)) = self.conns.iter_mut().find(|(_, conn)| conn.serial == ticket.0) else { return };
        let key = u32::try_from(key).unwrap_or(u32::MAX);
        let Wait::Program(asked) = core::mem::replace(&mut conn.wait, Wait::Nothing) else { return };
        match result {
            Ok(Done::Yes) => {
                let response = if asked.said.is_empty() {
                    Response::empty(200)
                } else {
                    Response::new(200, "application/json", asked.said.clone())
                };
                // An frpc does not know the word, and would have reloaded for good.
                let response = match pages::confirmed(&asked.request) {
                    Some(seconds) => response.with("Redial-Confirm", seconds.to_string()),
                    None => response,
                };
                self.finish(key, &asked, Ok(response), net.unix_time());
            }
            Ok(Done::Write(bytes)) => {
                conn.wait = Wait::File(asked);
                let job = FileJob::Write { path: self.file.clone(), bytes, mode: None };
                return net.files(job, Token { task: key, port: FILE });
            }
            Err(refusal) => self.finish(key, &asked, Err(refusal), net.unix_time()),
        }
        self.queue(key);
    }

    fn on_file(&mut self, key: u32, result: Result<FileDone, String>, unix_time: u64) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Wait::File(asked) = core::mem::replace(&mut conn.wait, Wait::Nothing) else { return };
        if let Some(question) = &asked.question {
            let result = match result {
                Ok(FileDone::Read(files)) => answered(question, files.into_iter().next()),
                _ => Err((500, "the store is not read".to_owned())),
            };
            self.finish(key, &asked, result, unix_time);
            return self.queue(key);
        }
        let result = match result {
            Ok(FileDone::Written) => Ok(Response::empty(200)),
            Ok(FileDone::Read(files)) => match files.into_iter().next() {
                Some(Ok(file)) => Ok(Response::new(200, "text/plain; charset=utf-8", file.bytes)),
                Some(Err(text)) => Err((400, format!("invalid argument: {text}"))),
                None => Err((500, "there is no file".to_owned())),
            },
            Ok(FileDone::Listed(_)) => Err((500, "there is no file".to_owned())),
            Err(text) => Err((500, text)),
        };
        self.finish(key, &asked, result, unix_time);
        self.queue(key);
    }

    /// Answers, and says so.
    fn finish(&mut self, key: u32, asked: &Asked, result: Result<Response, Refusal>, unix_time: u64) {
        let path = asked.path();
        let response = match result {
            Ok(response) => response,
            Err((status, text)) => {
                log::warn!("http response [{path}]: error: {text}");
                reply::error(status, &text)
            }
        };
        log::log!(asked.level(), "http response [{path}]: code [{}]", response.status);
        let response = if self.holds() + response.size() > ROOM { busy() } else { response };
        self.respond(key, &response, unix_time);
    }

    fn respond(&mut self, key: u32, response: &Response, unix_time: u64) {
        let now = self.now;
        self.conns.get_mut(key as usize).into_iter().for_each(|conn| conn.respond(response, unix_time, now));
    }
}

/// What the store says. One that is not there yet is empty.
fn answered(question: &Question, file: Option<Result<FileRead, String>>) -> Result<Response, Refusal> {
    let bytes = match file {
        Some(Ok(file)) => file.bytes,
        Some(Err(text)) if !text.ends_with(": no such file or directory") => return Err((500, text)),
        _ => Vec::new(),
    };
    let found = store::show(question.list, question.name.as_deref(), &bytes)?;
    found.map(|body| Response::new(200, "application/json", body)).ok_or_else(|| (404, question.missing.clone()))
}

/// As Go's `http.Error` words it.
fn denial() -> Response {
    let denial = Response::text(401, "Unauthorized\n").with("Www-Authenticate", "Basic realm=\"Restricted\"");
    denial.with("X-Content-Type-Options", "nosniff")
}

fn busy() -> Response {
    reply::error(503, "too much is asked at once: try again").with("Retry-After", "1")
}

/// The address to listen at. Names would have to be looked up before there is a loop.
fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    bare.parse().map_err(|_| format!("webServer.addr: \"{text}\" is no address: give one in numbers, like 127.0.0.1"))
}

/// In Go's words.
fn reason(e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::AddrInUse => "address already in use".to_owned(),
        ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => e.to_string(),
    }
}

#[cfg(test)]
mod tests;
