//! Sessions of clients: login, control connection, proxies, the pool of work connections (protocol §2 to §5, §8.6).
//!
//! Owns what [`super::Frps`] knows of a session, and the proxies. Does not carry payload. Always true: a session has one
//! control line; its proxies, its pool and its waiting users end with it. Worst case: [`UNSENT`] and 20 KiB a session,
//! and what its pooled lines hold.

use super::faults::Stage;
use super::settings::Takeover;
use super::{Frps, Line, Out, Role, User, Why};
use redial::proto::crypto::{Decrypt, Encrypt, auth_key};
use redial::proto::time::Instant;
use redial::wire::frame;
use redial::wire::msg::{
    Login, LoginResp, Message, NewProxy, NewProxyResp, NewWorkConn, Ping, Pong, ReqWorkConn, StartWorkConn,
};
use std::collections::VecDeque;

/// Bytes of messages that may wait for the client's window; then its messages are not read.
const UNSENT: usize = 64 * 1024;
/// The pool takes so many more than were asked for (frps: poolCount + 10).
const SPARE: usize = 10;

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Its session.
    pub(super) run_id: String,
    /// Where users connect to; `None` until the driver has said so.
    pub(super) port: Option<u16>,
    pub(super) encryption: bool,
    pub(super) compression: bool,
    wanted: u16,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    line: Line,
    seal: Encrypt,
    open: Decrypt,
    /// The beginning of a message, decrypted.
    partial: Vec<u8>,
    /// For the client, encrypted; waits for its window.
    tx: Vec<u8>,
    /// Work connections to be asked for.
    demand: u64,
    pool: VecDeque<Line>,
    pool_size: usize,
    waiting: VecDeque<User>,
    heard: Instant,
    /// It was replaced and its line closed, but its reader does not know ([`Takeover::WhenReaped`]).
    closing: bool,
    /// The login that waits for its end.
    successor: Option<(Line, Login)>,
}

impl Session {
    pub(super) fn line(&self) -> Line {
        self.line
    }

    /// All lines that are the session's.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let successor = self.successor.iter().map(|(line, _)| *line);
        self.pool.iter().copied().chain([self.line]).chain(successor)
    }

    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    pub(super) fn pooled(&self) -> usize {
        self.pool.len()
    }

    /// A pooled line is gone.
    pub(super) fn forget(&mut self, line: Line) {
        self.pool.retain(|pooled| *pooled != line);
    }

    /// A user waits no more.
    pub(super) fn forget_user(&mut self, user: User) {
        self.waiting.retain(|waiting| *waiting != user);
    }
}

impl Frps {
    /// The first message of a line, once it is complete.
    pub(super) fn first_message(&mut self, line: Line) {
        let Some(held) = self.lines.get_mut(&line) else { return };
        let (message, used) = match frame::decode(held.rx.all()) {
            Ok(None) => return,
            Ok(Some(found)) => found,
            Err(_) => {
                self.tally.garbage += 1;
                return self.close_line(line);
            }
        };
        held.rx.pop(used);
        self.wires.consumed(line, used);
        match message {
            Message::Login(login) => self.on_login(line, login),
            Message::NewWorkConn(work) => self.on_work(line, &work),
            _ => {
                self.tally.garbage += 1;
                self.close_line(line);
            }
        }
    }

    fn proven(&self, proof: &str, timestamp: i64) -> bool {
        match self.settings.tickets {
            Some(start) => proof.starts_with(start),
            None => auth_key(&self.settings.token, timestamp) == proof,
        }
    }

    fn on_login(&mut self, line: Line, mut login: Login) {
        if self.struck(Stage::Login, line) {
            return;
        }
        if !self.proven(&login.privilege_key, login.timestamp) {
            self.tally.refused += 1;
            let error = "token in login doesn't match token from configuration".to_owned();
            let resp = LoginResp { version: self.settings.version.clone(), run_id: String::new(), error };
            self.wires.send(line, &super::faults::message(resp));
            return self.close_line(line);
        }
        if login.run_id.is_empty() {
            login.run_id = self.random.run_id();
        }
        let run_id = login.run_id.clone();
        let at_once = self.settings.takeover == Takeover::AtOnce || self.settings.mux.is_none();
        if self.stuck.contains(&run_id) {
            self.set_role(line, Role::Login(run_id));
        } else if !self.sessions.contains_key(&run_id) {
            self.start_session(line, login);
        } else if at_once {
            self.tally.takeovers += 1;
            self.end_session(&run_id);
            self.start_session(line, login);
        } else {
            self.queue_login(line, login);
        }
    }

    fn set_role(&mut self, line: Line, role: Role) {
        self.lines.entry(line).and_modify(|held| held.role = role);
    }

    /// The login has to wait until the old session's reader has seen its end.
    fn queue_login(&mut self, line: Line, login: Login) {
        let run_id = login.run_id.clone();
        self.set_role(line, Role::Login(run_id.clone()));
        let Some(old) = self.sessions.get_mut(&run_id) else { return };
        let previous = old.successor.replace((line, login));
        let (old_line, was_closing) = (old.line, core::mem::replace(&mut old.closing, true));
        if !was_closing {
            self.wires.finish(old_line);
        }
        if let Some((previous, _)) = previous {
            self.close_line(previous);
        }
    }

    /// A login that waited was given up.
    pub(super) fn login_gone(&mut self, run_id: &str, line: Line) {
        if self.settings.takeover == Takeover::Stuck {
            self.stuck.insert(run_id.to_owned());
        }
        if let Some(session) = self.sessions.get_mut(run_id) {
            session.successor.take_if(|(waiting, _)| *waiting == line);
        }
    }

    fn start_session(&mut self, line: Line, login: Login) {
        let run_id = login.run_id;
        let asked = usize::try_from(login.pool_count).unwrap_or(0).min(self.settings.max_pool);
        let iv = self.random.iv();
        let (version, error) = (self.settings.version.clone(), String::new());
        let mut tx = super::faults::message(LoginResp { version, run_id: run_id.clone(), error });
        tx.extend(iv);
        let session = Session {
            line,
            seal: Encrypt::new(&self.key, iv),
            open: Decrypt::new(&self.key),
            partial: Vec::new(),
            tx,
            demand: asked as u64,
            pool: VecDeque::new(),
            pool_size: asked + SPARE,
            waiting: VecDeque::new(),
            heard: self.wires.now,
            closing: false,
            successor: None,
        };
        self.tally.logins += 1;
        self.sessions.insert(run_id.clone(), session);
        self.set_role(line, Role::Control(run_id.clone()));
        self.write_control(&run_id);
        self.read_control(&run_id);
    }

    /// Ends a session, its proxies, its unused work connections and its waiting users.
    pub(super) fn end_session(&mut self, run_id: &str) {
        let Some(session) = self.sessions.remove(run_id) else { return };
        self.tally.ended += 1;
        self.lines.remove(&session.line);
        self.wires.finish(session.line);
        for line in session.pool {
            self.lines.remove(&line);
            self.wires.finish(line);
        }
        for user in session.waiting {
            self.close_user(user, Why::NoSession);
        }
        let (gone, rest) = core::mem::take(&mut self.proxies).into_iter().partition(|(_, p)| p.run_id == run_id);
        self.proxies = rest;
        gone.into_values().filter_map(|p: Proxy| p.port).for_each(|port| self.wires.tell(Out::Unlisten { port }));
        if let Some((line, login)) = session.successor
            && !self.stuck.contains(run_id)
        {
            self.tally.takeovers += 1;
            self.start_session(line, login);
        }
    }

    /// The session whose control connection this is.
    pub(super) fn session_of(&self, line: Line) -> Option<String> {
        match &self.lines.get(&line)?.role {
            Role::Control(run_id) => Some(run_id.clone()),
            _ => None,
        }
    }

    /// Messages of a client, as long as the answers find room.
    pub(super) fn read_control(&mut self, run_id: &str) {
        let Some(session) = self.sessions.get(run_id).filter(|s| !s.closing && s.tx.len() < UNSENT) else { return };
        let mut bytes = self.take(session.line);
        let Some(session) = self.sessions.get_mut(run_id) else { return };
        session.partial.extend_from_slice(session.open.feed(&mut bytes));
        let mut at = 0;
        while let Some(session) = self.sessions.get_mut(run_id).filter(|s| !s.closing) {
            match frame::decode(session.partial.get(at..).unwrap_or_default()) {
                Ok(Some((message, used))) => {
                    at += used;
                    self.on_message(run_id, message);
                }
                Ok(None) => {
                    session.partial.drain(..at);
                    return;
                }
                Err(_) => {
                    self.tally.garbage += 1;
                    return self.end_session(run_id);
                }
            }
        }
    }

    fn on_message(&mut self, run_id: &str, message: Message) {
        let Some(line) = self.sessions.get(run_id).map(|s| s.line) else { return };
        match message {
            Message::NewProxy(proxy) => self.on_proxy(run_id, line, proxy),
            Message::CloseProxy(close) => self.close_proxy(run_id, &close.proxy_name),
            Message::Ping(ping) => self.on_ping(run_id, line, &ping),
            // frps ignores what it has no handler for.
            _ => {}
        }
    }

    fn on_ping(&mut self, run_id: &str, line: Line, ping: &Ping) {
        self.tally.pings += 1;
        if self.struck(Stage::Ping, line) {
            return;
        }
        if self.settings.check_pings && !self.proven(&ping.privilege_key, ping.timestamp) {
            let error = "token in heartbeat doesn't match token from configuration".to_owned();
            return self.tell(run_id, Pong { error });
        }
        let now = self.wires.now;
        if let Some(session) = self.sessions.get_mut(run_id) {
            session.heard = now;
        }
        self.tell(run_id, Pong::default());
    }

    fn on_proxy(&mut self, run_id: &str, line: Line, new: NewProxy) {
        if self.struck(Stage::NewProxy, line) {
            return;
        }
        let wanted = u16::try_from(new.remote_port).ok();
        let taken = |port: u16| port != 0 && self.proxies.values().any(|p| p.port == Some(port) || p.wanted == port);
        let error = match wanted {
            _ if new.proxy_type != "tcp" => format!("unknown proxy type: {}", new.proxy_type),
            _ if self.proxies.contains_key(&new.proxy_name) => format!("proxy [{}] already exists", new.proxy_name),
            None => "port not allowed".to_owned(),
            Some(port) if taken(port) => "port already used".to_owned(),
            Some(wanted) => {
                let (encryption, compression) = (new.use_encryption, new.use_compression);
                let proxy = Proxy { run_id: run_id.to_owned(), port: None, encryption, compression, wanted };
                self.proxies.insert(new.proxy_name.clone(), proxy);
                self.wires.tell(Out::Listen { port: wanted, proxy: new.proxy_name });
                return;
            }
        };
        let resp = NewProxyResp { proxy_name: new.proxy_name, error, ..NewProxyResp::default() };
        if self.orphans.iter().any(|(_, name)| *name == resp.proxy_name) {
            return self.refusals.push((run_id.to_owned(), resp));
        }
        self.tell(run_id, resp);
    }

    /// The driver listens for a proxy now, or cannot.
    pub(crate) fn listening(&mut self, proxy: &str, result: Result<u16, String>, now: Instant) {
        self.wires.now = now;
        if let Some(at) = self.orphans.iter().position(|(_, name)| name == proxy) {
            // Closed before it was there; the answer is owed all the same.
            let (run_id, proxy_name) = self.orphans.remove(at);
            if let Ok(port) = result {
                self.wires.tell(Out::Unlisten { port });
            }
            self.tell(&run_id, NewProxyResp { proxy_name, ..NewProxyResp::default() });
            if !self.orphans.iter().any(|(_, name)| name == proxy) {
                let (ready, rest) = self.refusals.drain(..).partition(|(_, resp)| resp.proxy_name == proxy);
                self.refusals = rest;
                let ready: Vec<(String, NewProxyResp)> = ready;
                ready.into_iter().for_each(|(run_id, resp)| self.tell(&run_id, resp));
            }
            return;
        }
        let Some(entry) = self.proxies.get_mut(proxy).filter(|p| p.port.is_none()) else {
            if let Ok(port) = result {
                self.wires.tell(Out::Unlisten { port });
            }
            return;
        };
        let run_id = entry.run_id.clone();
        let mut resp = NewProxyResp { proxy_name: proxy.to_owned(), ..NewProxyResp::default() };
        match result {
            Ok(port) => {
                entry.port = Some(port);
                resp.remote_addr = format!(":{port}");
            }
            Err(error) => {
                self.proxies.remove(proxy);
                resp.error = error;
            }
        }
        self.tell(&run_id, resp);
    }

    fn close_proxy(&mut self, run_id: &str, name: &str) {
        if self.proxies.get(name).is_none_or(|p| p.run_id != run_id) {
            return;
        }
        match self.proxies.remove(name).and_then(|p| p.port) {
            Some(port) => self.wires.tell(Out::Unlisten { port }),
            None => self.orphans.push((run_id.to_owned(), name.to_owned())),
        }
    }

    fn on_work(&mut self, line: Line, work: &NewWorkConn) {
        self.tally.works += 1;
        if self.struck(Stage::WorkConn, line) {
            return;
        }
        let run_id = &work.run_id;
        let unproven = self.settings.check_work_conns && !self.proven(&work.privilege_key, work.timestamp);
        let error = match self.sessions.get_mut(run_id).filter(|s| !s.closing) {
            None => format!("no client control found for run id [{run_id}]"),
            Some(_) if unproven => "token in NewWorkConn doesn't match token from configuration".to_owned(),
            Some(session) if session.waiting.is_empty() && session.pool.len() >= session.pool_size => {
                "work connection pool is full, discarding".to_owned()
            }
            Some(session) => {
                session.pool.push_back(line);
                self.set_role(line, Role::Pooled(run_id.clone()));
                return self.dispatch(run_id);
            }
        };
        self.tally.works_refused += 1;
        if self.settings.explain_refusals {
            let refusal = StartWorkConn { error, ..StartWorkConn::default() };
            self.wires.send(line, &super::faults::message(refusal));
        }
        self.close_line(line);
    }

    /// A user wants a work connection of this session.
    pub(super) fn enqueue(&mut self, run_id: &str, user: User) {
        let Some(session) = self.sessions.get_mut(run_id) else { return };
        session.waiting.push_back(user);
        if session.pool.is_empty() {
            self.ask(run_id, 1);
        }
        self.dispatch(run_id);
    }

    /// Brings users and work connections together; each one that is taken is asked for again.
    fn dispatch(&mut self, run_id: &str) {
        while let Some(session) = self.sessions.get_mut(run_id)
            && let (Some(user), Some(line)) = (session.waiting.front().copied(), session.pool.front().copied())
        {
            session.waiting.pop_front();
            session.pool.pop_front();
            self.ask(run_id, 1);
            self.begin(user, line);
        }
    }

    /// Asks the client for more work connections.
    pub(super) fn ask(&mut self, run_id: &str, more: u64) {
        if let Some(session) = self.sessions.get_mut(run_id) {
            session.demand += more;
        }
        self.write_control(run_id);
    }

    /// Sends a message on the control connection.
    fn tell(&mut self, run_id: &str, message: impl Into<Message>) {
        self.write_sealed(run_id, &super::faults::message(message));
    }

    /// Sends bytes on the control connection, encrypted.
    pub(super) fn write_sealed(&mut self, run_id: &str, bytes: &[u8]) {
        if let Some(session) = self.sessions.get_mut(run_id) {
            session.push(bytes);
        }
        self.write_control(run_id);
    }

    /// Hands what waits to the line, as far as its window takes it.
    pub(super) fn write_control(&mut self, run_id: &str) {
        while let Some(session) = self.sessions.get_mut(run_id).filter(|s| !s.closing) {
            let fits = self.wires.room(session.line).min(session.tx.len());
            let part: Vec<u8> = session.tx.drain(..fits).collect();
            let was_full = part.len() + session.tx.len() >= UNSENT;
            self.wires.send(session.line, &part);
            if was_full && session.tx.len() < UNSENT {
                return self.read_control(run_id);
            }
            if session.demand == 0 || !session.tx.is_empty() {
                return;
            }
            let request = super::faults::message(ReqWorkConn {});
            for _ in 0..session.demand.min(64) {
                session.demand -= 1;
                session.push(&request);
            }
        }
    }
}

impl Session {
    /// Adds bytes to what waits, encrypted.
    fn push(&mut self, bytes: &[u8]) {
        let from = self.tx.len();
        self.tx.extend_from_slice(bytes);
        self.seal.apply(&mut self.tx[from..]);
    }
}
