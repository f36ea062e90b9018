//! The vocabulary of the scripts: a timeline, clients without mux, clients with mux, users.

use crate::frps::faults::message;
use crate::frps::settings::Settings;
use crate::frps::{Conn, Frps, Out, User, Why};
use redial::proto::crypto::{Decrypt, Encrypt, auth_key, derive_key};
use redial::proto::time::{Duration, Instant};
use redial::wire::frame;
use redial::wire::msg::{Login, LoginResp, Message, NewProxy, NewProxyResp, NewWorkConn};
use redial::wire::yamux::{Flags, Header, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

/// The token of the scripts.
pub(crate) const TOKEN: &str = "t";

/// A machine, the time, and everything it has done.
pub(crate) struct Script {
    pub(crate) frps: Frps,
    pub(crate) now: Instant,
    /// Bytes for clients that nobody has looked at.
    pub(crate) sent: BTreeMap<Conn, Vec<u8>>,
    /// Bytes for users, likewise.
    pub(crate) given: BTreeMap<User, Vec<u8>>,
    /// Connections that were closed, and those that were reset.
    pub(crate) closed: BTreeSet<Conn>,
    pub(crate) aborted: BTreeSet<Conn>,
    pub(crate) left: BTreeMap<User, Why>,
    pub(crate) ports: BTreeSet<u16>,
    /// Whether what is sent to clients, and given to users, leaves at once; what has not left yet.
    pub(crate) clients_read: bool,
    pub(crate) users_read: bool,
    unsent: BTreeMap<Conn, usize>,
    ungiven: BTreeMap<User, usize>,
    next: u32,
}

impl Script {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            frps: Frps::new(Settings { token: TOKEN.to_owned(), ..settings }, 1),
            now: Instant::ZERO,
            sent: BTreeMap::new(),
            given: BTreeMap::new(),
            closed: BTreeSet::new(),
            aborted: BTreeSet::new(),
            left: BTreeMap::new(),
            ports: BTreeSet::new(),
            clients_read: true,
            users_read: true,
            unsent: BTreeMap::new(),
            ungiven: BTreeMap::new(),
            next: 0,
        }
    }

    /// Does what the machine wants, and lets leave what may.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(out) = self.frps.poll() {
                self.obey(out);
            }
            let sent = self.unsent.first_key_value().map(|(conn, n)| (*conn, *n)).filter(|_| self.clients_read);
            let given = self.ungiven.first_key_value().map(|(user, n)| (*user, *n)).filter(|_| self.users_read);
            match (sent, given) {
                (Some((conn, n)), _) => self.leave(conn, n),
                (_, Some((user, n))) => self.reach(user, n),
                _ => break,
            }
        }
        assert!(self.frps.consistent());
        assert!(self.unsent.values().all(|n| *n < 1 << 20), "too much waits for clients: {:?}", self.unsent);
        assert!(self.ungiven.values().all(|n| *n < 160 << 10), "too much waits for users: {:?}", self.ungiven);
    }

    /// So many bytes have left for a client.
    pub(crate) fn leave(&mut self, conn: Conn, n: usize) {
        self.unsent.entry(conn).and_modify(|left| *left -= n);
        self.unsent.retain(|_, left| *left > 0);
        self.frps.sent(conn, n, self.now);
    }

    /// So many bytes have left for a user.
    pub(crate) fn reach(&mut self, user: User, n: usize) {
        self.ungiven.entry(user).and_modify(|left| *left -= n);
        self.ungiven.retain(|_, left| *left > 0);
        self.frps.user_sent(user, n, self.now);
    }

    fn obey(&mut self, out: Out) {
        match out {
            Out::Send { conn, bytes } => {
                assert!(!self.closed.contains(&conn) && !self.aborted.contains(&conn), "sent to a closed connection");
                self.sent.entry(conn).or_default().extend(&bytes);
                *self.unsent.entry(conn).or_default() += bytes.len();
            }
            Out::Close { conn } => {
                assert!(self.closed.insert(conn), "closed twice");
                self.unsent.remove(&conn);
            }
            Out::Abort { conn } => {
                assert!(self.aborted.insert(conn), "reset twice");
                self.unsent.remove(&conn);
            }
            Out::Listen { port, proxy } => {
                let port = if port == 0 { 40_000 } else { port };
                let result = if port == 1 { Err("port unavailable".to_owned()) } else { Ok(port) };
                self.ports.extend(result.iter());
                self.frps.listening(&proxy, result, self.now);
            }
            Out::Unlisten { port } => assert!(self.ports.remove(&port), "it did not listen there"),
            Out::UserSend { user, bytes } => {
                assert!(!self.left.contains_key(&user), "given to a user that has left");
                self.given.entry(user).or_default().extend(&bytes);
                *self.ungiven.entry(user).or_default() += bytes.len();
            }
            Out::UserClose { user, why } => {
                assert_eq!(self.left.insert(user, why), None, "closed twice");
                self.ungiven.remove(&user);
            }
        }
    }

    /// Moves the time on by so much, stopping at every deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.frps.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.frps.expire(at);
            self.settle();
        }
        self.now = end;
    }

    fn name(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// A connection of a client.
    pub(crate) fn connect(&mut self) -> Conn {
        let conn = Conn(self.name());
        self.frps.connected(conn, self.now);
        self.settle();
        conn
    }

    /// A client sends bytes.
    pub(crate) fn send(&mut self, conn: Conn, bytes: &[u8]) {
        for piece in bytes.chunks(16 * 1024) {
            assert!(self.frps.conn_room(conn) >= piece.len(), "no room");
            self.frps.received(conn, piece, self.now);
            self.settle();
        }
    }

    /// What a client has received since the last time.
    pub(crate) fn received(&mut self, conn: Conn) -> Vec<u8> {
        self.sent.remove(&conn).unwrap_or_default()
    }

    /// Forgets what clients and users have received.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.given.clear();
    }

    /// A connection broke, on the client's side.
    pub(crate) fn fail(&mut self, conn: Conn) {
        self.frps.failed(conn, self.now);
        self.unsent.remove(&conn);
        self.settle();
    }

    /// The one message in clear that a client has received, if any.
    pub(crate) fn message(&mut self, conn: Conn) -> Option<Message> {
        let bytes = self.received(conn);
        let (message, used) = frame::decode(&bytes).expect("frames")?;
        assert_eq!(used, bytes.len(), "more than one message");
        Some(message)
    }

    /// A user connects.
    pub(crate) fn visit(&mut self, port: u16) -> User {
        let user = User(self.name());
        let from = SocketAddr::from((Ipv4Addr::new(9, 9, 9, 9), 999));
        self.frps.user_connected(user, from, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), self.now);
        self.settle();
        user
    }

    /// A user sends bytes.
    pub(crate) fn say(&mut self, user: User, bytes: &[u8]) {
        for piece in bytes.chunks(16 * 1024) {
            assert!(self.frps.user_room(user) >= piece.len(), "no room");
            self.frps.user_received(user, piece, self.now);
            self.settle();
        }
    }

    /// What a user was given since the last time.
    pub(crate) fn heard(&mut self, user: User) -> Vec<u8> {
        self.given.remove(&user).unwrap_or_default()
    }

    /// A client without mux logs in; the answer must be a success.
    pub(crate) fn log_in(&mut self, run_id: &str, pool: i64) -> Control {
        let conn = self.connect();
        self.send(conn, &message(login(run_id, pool)));
        self.control(conn)
    }

    /// A client's end of a control connection whose login was answered.
    pub(crate) fn control(&mut self, conn: Conn) -> Control {
        let bytes = self.received(conn);
        let (resp, used) = frame::decode(&bytes).expect("frames").expect("an answer");
        let Message::LoginResp(LoginResp { run_id, error, .. }) = resp else { panic!("{resp:?}") };
        assert_eq!(error, "");
        let (key, iv) = (derive_key(TOKEN), [8; 16]);
        let (seal, open, partial) = (Encrypt::new(&key, iv), Decrypt::new(&key), Vec::new());
        self.sent.insert(conn, bytes[used..].to_vec());
        Control { conn, run_id, seal, iv: Some(iv), open, partial }
    }

    /// A work connection without mux.
    pub(crate) fn work(&mut self, run_id: &str) -> Conn {
        let conn = self.connect();
        self.send(conn, &message(work(run_id)));
        conn
    }
}

pub(crate) fn login(run_id: &str, pool_count: i64) -> Login {
    let (privilege_key, run_id) = (auth_key(TOKEN, 77), run_id.to_owned());
    Login { privilege_key, timestamp: 77, run_id, pool_count, ..Login::default() }
}

pub(crate) fn work(run_id: &str) -> NewWorkConn {
    NewWorkConn { run_id: run_id.to_owned(), ..NewWorkConn::default() }
}

pub(crate) fn proxy(name: &str, port: i64) -> NewProxy {
    NewProxy { proxy_name: name.to_owned(), proxy_type: "tcp".to_owned(), remote_port: port, ..NewProxy::default() }
}

/// A client's end of a control connection without mux.
pub(crate) struct Control {
    pub(crate) conn: Conn,
    pub(crate) run_id: String,
    seal: Encrypt,
    iv: Option<[u8; 16]>,
    open: Decrypt,
    partial: Vec<u8>,
}

impl Control {
    /// The bytes of a message.
    pub(crate) fn sealed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out: Vec<u8> = self.iv.take().into_iter().flatten().collect();
        let from = out.len();
        out.extend(bytes);
        self.seal.apply(&mut out[from..]);
        out
    }

    pub(crate) fn tell(&mut self, script: &mut Script, message: impl Into<Message>) {
        let bytes = self.sealed(&crate::frps::faults::message(message));
        script.send(self.conn, &bytes);
    }

    /// The messages that came since the last time.
    pub(crate) fn hear(&mut self, script: &mut Script) -> Vec<Message> {
        let mut bytes = script.received(self.conn);
        self.read(&mut bytes)
    }

    /// The messages in these bytes.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Vec<Message> {
        self.partial.extend_from_slice(self.open.feed(bytes));
        let mut all = Vec::new();
        while let Some((message, used)) = frame::decode(&self.partial).expect("frames") {
            self.partial.drain(..used);
            all.push(message);
        }
        all
    }

    /// How many work connections were asked for; nothing else may have come.
    pub(crate) fn wanted(&mut self, script: &mut Script) -> usize {
        let all = self.hear(script);
        assert!(all.iter().all(|m| matches!(m, Message::ReqWorkConn(_))), "{all:?}");
        all.len()
    }

    /// Registers a proxy; says with what error.
    pub(crate) fn register(&mut self, script: &mut Script, proxy: NewProxy) -> String {
        self.tell(script, proxy);
        match self.hear(script).pop() {
            Some(Message::NewProxyResp(NewProxyResp { error, .. })) => error,
            other => panic!("{other:?}"),
        }
    }
}

/// A frame of a stream, as a client with mux sends it.
pub(crate) fn mux_frame(kind: Kind, flags: Flags, stream: u32, body: &[u8]) -> Vec<u8> {
    let header = Header { kind, flags, stream, length: u32::try_from(body.len()).expect("a short body") };
    [&header.encode(), body].concat()
}

/// Opens a stream and sends its first bytes.
pub(crate) fn mux_open(stream: u32, body: &[u8]) -> Vec<u8> {
    [mux_frame(Kind::Window, Flags::SYN, stream, &[]), mux_frame(Kind::Data, Flags::NONE, stream, body)].concat()
}

/// What a muxed connection carried for each stream, FINs as stream and nothing.
pub(crate) fn mux_read(mut bytes: &[u8]) -> Vec<(u32, Flags, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let header = Header::decode(head).expect("a frame of the mux");
        let len = if header.kind == Kind::Data { header.length as usize } else { 0 };
        all.push((header.stream, header.flags, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    all
}

/// What a muxed connection carried on one stream, up to the first thing that is no frame.
pub(crate) fn mux_body(mut bytes: &[u8], stream: u32) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk()
        && let Ok(header) = Header::decode(head)
    {
        let len = if header.kind == Kind::Data { header.length as usize } else { 0 };
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        if header.stream == stream {
            body.extend_from_slice(payload);
        }
        bytes = rest;
    }
    body
}
