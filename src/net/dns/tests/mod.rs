//! Scripts for the resolver: a world with a clock and named servers, and one file a subject.

mod limits;
mod names;
mod servers;
mod tcp;
mod timing;

use super::testing::{Asked, answer};
use super::*;
use crate::proto::time::millis;

/// A question on its way.
struct Sent {
    link: Link,
    server: u8,
    via: Via,
    asked: Asked,
    query: Vec<u8>,
}

/// The resolver, a clock, and servers that are known by the last byte of their address.
struct World {
    resolver: Resolver,
    now: Instant,
    sockets: Vec<(Link, u8, Via)>,
    sent: Vec<Sent>,
    /// How much of `sent` was shown by [`World::asked`].
    shown: usize,
    /// To whom, what, and whether it was the last word.
    told: Vec<(u32, String, bool)>,
}

fn token(task: u32) -> Token {
    Token { task, port: 0 }
}

impl World {
    fn new(conf: &str) -> Self {
        let mut next = 0u16;
        let random = move || {
            next += 1;
            next
        };
        let mut resolver = Resolver::new(None, Box::new(random));
        resolver.set_conf(Conf::parse(conf.as_bytes(), &|_| None));
        let (sockets, sent, told) = (Vec::new(), Vec::new(), Vec::new());
        Self { resolver, now: Instant::ZERO, sockets, sent, shown: 0, told }
    }

    /// With the first `n` of the servers 1, 2 and 3.
    fn with_servers(n: u8) -> Self {
        Self::new(&(1..=n).map(|i| format!("nameserver 10.0.0.{i}\n")).collect::<String>())
    }

    /// Lets the time come, with every deadline on the way.
    fn at(&mut self, ms: u64) -> &mut Self {
        let to = Instant::ZERO + millis(ms);
        assert!(to >= self.now);
        while let Some(due) = self.resolver.deadline().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            self.resolver.expire(self.now);
            self.drain();
        }
        self.now = to;
        self
    }

    fn resolve(&mut self, task: u32, name: &str) -> &mut Self {
        self.resolver.resolve(token(task), name, self.now);
        self.drain()
    }

    /// `n0.example` and so on, for task 0 and so on.
    fn resolve_names(&mut self, n: u32) {
        for task in 0..n {
            self.resolve(task, &format!("n{task}.example"));
        }
    }

    fn cancel(&mut self, task: u32) -> &mut Self {
        self.resolver.cancel(token(task), self.now);
        self.drain()
    }

    fn feed(&mut self, link: Link, bytes: &[u8]) -> &mut Self {
        self.resolver.feed(link, bytes, self.now);
        self.drain()
    }

    fn broken(&mut self, link: Link) -> &mut Self {
        self.sockets.retain(|(l, ..)| *l != link);
        self.resolver.broken(link, self.now);
        self.drain()
    }

    /// The server answers the last question of this kind (see [`answer`]), over whatever it came.
    fn reply(&mut self, server: u8, kind: &str, spec: &str) -> &mut Self {
        let sent = self.last(server, kind);
        let (link, bytes) = (sent.link, answer(&sent.query, spec));
        let bytes = if sent.via == Via::Tcp { [&(bytes.len() as u16).to_be_bytes(), &*bytes].concat() } else { bytes };
        self.feed(link, &bytes)
    }

    /// The server answers both families alike.
    fn reply_both(&mut self, server: u8, spec: &str) -> &mut Self {
        self.reply(server, "AAAA", spec).reply(server, "A", spec)
    }

    fn last(&self, server: u8, kind: &str) -> &Sent {
        self.sent.iter().rfind(|s| s.server == server && s.asked.kind == kind).expect("it was never asked")
    }

    fn drain(&mut self) -> &mut Self {
        while let Some(out) = self.resolver.poll() {
            match out {
                Out::Open { link, to, via } => {
                    let IpAddr::V4(ip) = to.ip() else { panic!("{to}") };
                    assert_eq!(to.port(), 53);
                    assert!(self.sockets.iter().all(|(l, ..)| *l != link), "a socket's name came twice");
                    self.sockets.push((link, ip.octets()[3], via));
                }
                Out::Send { link, bytes } => self.send(link, bytes),
                Out::Close(link) => {
                    let open = self.sockets.len();
                    self.sockets.retain(|(l, ..)| *l != link);
                    assert_eq!(self.sockets.len(), open - 1, "closed what was not open");
                }
                Out::Resolved { token, result } => self.told.push(match result {
                    Ok(Answer { addrs, done }) => {
                        assert!(done || !addrs.is_empty(), "nothing new");
                        let addrs: String = addrs.iter().map(|a| format!(" {a}")).collect();
                        (token.task, format!("{addrs}{}", if done { " done" } else { "" }), done)
                    }
                    Err(why) => (token.task, format!(" {why:?}"), true),
                }),
            }
        }
        self
    }

    fn send(&mut self, link: Link, bytes: Vec<u8>) {
        let Some(&(_, server, via)) = self.sockets.iter().find(|(l, ..)| *l == link) else { return };
        let query = match via {
            Via::Udp => bytes,
            Via::Tcp => {
                assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2);
                bytes[2..].to_vec()
            }
        };
        self.sent.push(Sent { link, server, via, asked: Asked::parse(&query), query });
    }

    /// Questions since the last call: `AAAA@1`, without EDNS `AAAA-@1`, over TCP `AAAA@1/tcp`.
    fn asked(&mut self) -> String {
        self.show(|_| String::new())
    }

    /// As [`World::asked`], with the name in front.
    fn asked_names(&mut self) -> String {
        self.show(|sent| format!("{} ", sent.asked.name))
    }

    fn show(&mut self, prefix: impl Fn(&Sent) -> String) -> String {
        let new = self.sent[self.shown..].iter().map(|s| {
            let edns = if s.asked.edns { "" } else { "-" };
            let tcp = if s.via == Via::Tcp { "/tcp" } else { "" };
            format!("{}{}{edns}@{}{tcp}", prefix(s), s.asked.kind, s.server)
        });
        let text = new.collect::<Vec<_>>().join(" ");
        self.shown = self.sent.len();
        text
    }

    /// What was told since the last call.
    fn told(&mut self) -> String {
        self.told.drain(..).map(|(task, what, _)| format!("{task}:{what}")).collect::<Vec<_>>().join("; ")
    }

    /// Nothing is asked or told before `ms` has come.
    fn quiet_until(&mut self, ms: u64) -> &mut Self {
        self.asked();
        self.told();
        self.at(ms - 1);
        assert_eq!((self.asked(), self.told()), (String::new(), String::new()), "before {ms}");
        self
    }

    /// No look-up, no socket, no deadline.
    fn idle(&self) {
        assert_eq!((self.resolver.entries.len(), self.resolver.deadline()), (0, None));
        assert!(self.sockets.is_empty(), "{:?}", self.sockets);
    }
}

/// One AAAA and one A record.
const SIX: &str = "@ AAAA 2001:db8::1 60";
const FOUR: &str = "@ A 192.0.2.1 60";
