use super::*;
use crate::client::Machine;
use crate::config;
use crate::net::sim::{Far, Link, Sim, Welcome, World};
use std::collections::BTreeMap;

const AT: &str = "127.0.0.1:7400";
const FILE_NAME: &str = "/etc/frpc.toml";
const AUTH: &str = "Authorization: Basic dTpw\r\n";

/// What the far ends are to do next.
enum Act {
    Connect,
    Send(usize, Vec<u8>),
    Finish(usize),
    Pause(usize),
}

/// Browsers and worse.
#[derive(Default)]
struct Peers {
    todo: Vec<Act>,
    links: Vec<Link>,
    heard: BTreeMap<Link, Vec<u8>>,
    /// Whether they were told the end by FIN.
    ended: BTreeMap<Link, bool>,
}

impl World for Peers {
    fn connect(&mut self, _: Link, _: SocketAddr, _: &mut Far<'_>) -> Welcome {
        Welcome::Ignore
    }
    fn received(&mut self, link: Link, bytes: &[u8], _: &mut Far<'_>) {
        self.heard.entry(link).or_default().extend_from_slice(bytes);
    }
    fn ended(&mut self, link: Link, cleanly: bool, _: &mut Far<'_>) {
        self.ended.insert(link, cleanly);
    }
    fn drained(&mut self, _: Link, _: &mut Far<'_>) {}
    fn expire(&mut self, far: &mut Far<'_>) {
        for act in core::mem::take(&mut self.todo) {
            let link = |i: usize| self.links[i];
            match act {
                Act::Connect => self.links.push(far.connect(AT.parse().unwrap()).unwrap()),
                Act::Send(i, bytes) => far.send(link(i), &bytes),
                Act::Finish(i) => far.finish(link(i)),
                Act::Pause(i) => far.pause(link(i), true),
            }
        }
    }
    fn deadline(&self) -> Option<Instant> {
        (!self.todo.is_empty()).then_some(Instant::ZERO)
    }
}

struct Site {
    sim: Sim,
    peers: Peers,
    client: Client,
    admin: Admin,
    commands: Vec<Command>,
    turns: u32,
    most: (usize, usize),
}

impl Site {
    fn new(seed: u64) -> Self {
        let text = "serverAddr = \"10.0.0.9\"\nloginFailExit = false\nwebServer.port = 7400\nwebServer.user = \"u\"\nwebServer.password = \
                    \"p\"\n[[proxies]]\nname = \"a<b\"\ntype = \"tcp\"\nlocalPort = 22\nremotePort = 6000\n";
        let config = config::parse(FILE_NAME, text).unwrap().config;
        let mut sim = Sim::new(seed);
        sim.jobs.files.insert(FILE_NAME.into(), text.as_bytes().to_vec());
        let machine = Machine { hostname: "h".to_owned(), memory_available: None };
        let client = Client::new(&config, &machine, sim.now()).unwrap();
        let admin = Admin::open(config.web_server.as_ref().unwrap(), FILE_NAME, None, &mut sim).unwrap();
        Self { sim, peers: Peers::default(), client, admin, commands: Vec::new(), turns: 0, most: (0, 0) }
    }

    /// A connection, and what it says at once.
    fn peer(&mut self, says: impl AsRef<[u8]>) -> usize {
        self.peers.todo.push(Act::Connect);
        self.run(Duration::ZERO);
        let i = self.peers.links.len() - 1;
        self.say(i, says);
        i
    }

    fn say(&mut self, i: usize, what: impl AsRef<[u8]>) {
        self.peers.todo.push(Act::Send(i, what.as_ref().to_vec()));
    }

    /// Lets so much time pass.
    fn run(&mut self, time: Duration) {
        let until = self.sim.now() + time;
        let mut events = Vec::new();
        loop {
            self.admin.turn(&self.client, &mut self.sim);
            self.turns += 1;
            self.commands.extend(core::iter::from_fn(|| self.admin.poll()));
            let load = self.admin.load();
            self.most = (self.most.0.max(load.0), self.most.1.max(load.1));
            if self.sim.now() >= until && self.peers.todo.is_empty() && self.admin.run.is_empty() {
                return;
            }
            let at = self.admin.deadline().map_or(until, |at| at.min(until));
            self.sim.advance(Some(at.max(self.sim.now())), &mut self.peers, &mut events);
            for event in events.drain(..) {
                assert!(Admin::owns(&event), "{event:?}");
                self.admin.handle(event, &self.sim);
            }
        }
    }

    fn heard(&self, i: usize) -> String {
        let heard = self.peers.heard.get(&self.peers.links[i]);
        heard.map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn statuses(&self, i: usize) -> Vec<String> {
        self.heard(i).split("HTTP/1.1 ").skip(1).map(|part| part[..3].to_owned()).collect()
    }

    fn ended(&self, i: usize) -> Option<bool> {
        self.peers.ended.get(&self.peers.links[i]).copied()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n")
}

fn put(body: &str) -> String {
    format!("PUT /api/config HTTP/1.1\r\nHost: x\r\n{AUTH}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn questions_are_answered() {
    let mut site = Site::new(1);
    let i = site.peer("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    site.run(secs(1));
    for path in
        ["/api/status", "/api/redial", "/metrics", "/", "/static/", "/api/config", "/nope", "/api/proxy/x/config"]
    {
        site.say(i, get(path));
        site.run(secs(1));
    }
    assert_eq!(site.statuses(i), ["200", "200", "200", "200", "200", "200", "200", "404", "404"]);
    let said = site.heard(i);
    for part in [
        "\r\n\r\n{}\n",
        "\"phase\":\"waiting\"",
        "redial_proxy_bytes_total{proxy=\"a<b\",type=\"tcp\",direction=\"up\"} 0\n",
        "<!doctype html>",
        "serverAddr = \"10.0.0.9\"",
        "{\"Code\":404,\"Msg\":\"proxy \\\"x\\\" not found\"}\n",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(site.admin.load(), (1, 0));
}

#[test]
fn a_refusal_takes_a_while_and_holds_up_nobody() {
    let mut site = Site::new(2);
    let wrong = site.peer("GET /api/status HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpx\r\n\r\n");
    let none = site.peer("PUT /api/config HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n");
    let right = site.peer(get("/api/status"));
    site.run(millis(100));
    assert_eq!((site.statuses(right).len(), site.heard(wrong).len(), site.heard(none).len()), (1, 0, 0));
    site.run(millis(150));
    let said = site.heard(wrong);
    assert!(said.starts_with("HTTP/1.1 401 Unauthorized\r\n") && said.ends_with("\r\n\r\nUnauthorized\n"), "{said}");
    assert!(said.contains("Www-Authenticate: Basic realm=\"Restricted\"\r\n"));
    assert!(site.heard(none).contains("401") && site.heard(none).contains("Connection: close"));
    assert!(site.most.1 < 1000, "nothing of the body was kept");
    // The router answers without asking who it is.
    let i = site.peer("GET /nope HTTP/1.1\r\nHost: x\r\n\r\nPOST /api/status HTTP/1.1\r\nHost: x\r\n\r\n");
    site.run(millis(100));
    assert_eq!(site.statuses(i), ["404", "405"]);
}

#[test]
fn the_program_acts_and_answers() {
    let mut site = Site::new(3);
    let i = site.peer(get("/api/reload?strictConfig=true&confirm=60"));
    let gone = site.peer(get("/api/reload?strictConfig=x"));
    site.run(secs(1));
    let Command::Reload { ticket, strict: true, confirm: Some(60) } = site.commands[0] else {
        panic!("{:?}", site.commands)
    };
    let Command::Reload { ticket: other, strict: false, confirm: None } = site.commands[1] else {
        panic!("{:?}", site.commands)
    };
    assert_eq!(site.heard(i), "");
    site.peers.todo.push(Act::Finish(gone));
    site.admin.answer(ticket, Err((400, "invalid argument: no".to_owned())), &mut site.sim);
    site.admin.answer(ticket, Ok(Done::Yes), &mut site.sim);
    site.run(secs(61));
    site.admin.answer(other, Ok(Done::Yes), &mut site.sim);
    site.run(secs(1));
    assert_eq!(site.statuses(i), ["400"], "once");
    assert!(site.heard(i).ends_with("{\"Code\":400,\"Msg\":\"invalid argument: no\"}\n"));
    assert_eq!((site.statuses(gone), site.admin.load().0), (vec!["200".to_owned()], 0), "a trial may take longer");
    let i = site.peer(format!("POST /api/stop HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n"));
    site.run(secs(1));
    assert_eq!((site.statuses(i), site.commands.last()), (vec!["200".to_owned()], Some(&Command::Stop)));
}

#[test]
fn the_file_is_replaced_when_the_program_says_so() {
    let mut site = Site::new(4);
    let i = site.peer(put("serverAddr = \"y\"\n"));
    site.run(secs(1));
    let Command::Check { ticket, text } = site.commands.remove(0) else { panic!("{:?}", site.commands) };
    assert_eq!(text, b"serverAddr = \"y\"\n");
    site.admin.answer(ticket, Err((400, "frpc.toml:1: no".to_owned())), &mut site.sim);
    site.run(secs(1));
    assert!(site.sim.jobs.files[&PathBuf::from(FILE_NAME)].starts_with(b"serverAddr = \"10"));
    site.say(i, put("serverAddr = \"z\"\n"));
    site.run(secs(1));
    let Command::Check { ticket, text } = site.commands.remove(0) else { panic!("{:?}", site.commands) };
    site.admin.answer(ticket, Ok(Done::Write(text)), &mut site.sim);
    site.run(secs(1));
    assert_eq!(site.sim.jobs.files[&PathBuf::from(FILE_NAME)], b"serverAddr = \"z\"\n");
    site.say(i, put(""));
    site.run(secs(1));
    assert_eq!(site.statuses(i), ["400", "200", "400"]);
    assert!(site.heard(i).ends_with("{\"Code\":400,\"Msg\":\"body can't be empty\"}\n"));
}

#[test]
fn who_is_slow_is_dropped_and_wakes_nobody() {
    let mut site = Site::new(5);
    let idle = site.peer("");
    let slow = site.peer("GET / HTTP/1.1\r\nHost: x\r\nX: ");
    site.run(secs(1));
    let before = site.turns;
    site.run(secs(58));
    assert!(site.turns - before < 4, "{} turns", site.turns - before);
    for _ in 0..5 {
        site.say(slow, "y");
        site.run(millis(300));
    }
    assert_eq!((site.ended(idle), site.ended(slow), site.admin.load().0), (Some(true), Some(true), 0));
    assert_eq!(site.sim.open_sockets(), 1, "the listener");
}

#[test]
fn two_hundred_connections_do_not_keep_the_owner_out() {
    let mut site = Site::new(6);
    for i in 0..200 {
        let says = ["GET / HTTP/1.1\r\n".to_owned(), "GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50)];
        site.peer(&says[i % 2]);
    }
    site.run(secs(1));
    assert_eq!(site.admin.load().0, MAX_CONNS);
    let owner = site.peer(get("/api/status"));
    site.run(secs(2) * (200 / 16 + 2));
    assert_eq!(site.statuses(owner), ["200"]);
    assert!(site.most.0 == MAX_CONNS && site.most.1 < 64 * 1024, "{:?}", site.most);
    site.run(secs(120));
    assert_eq!((site.admin.load(), site.sim.open_sockets()), ((0, 0), 1));
}

#[test]
fn a_pipeline_is_answered_in_order_and_in_little_memory() {
    let mut site = Site::new(7);
    let whole: String = (0..400).map(|i| get(["/healthz", "/nope", "/api/status", "/"][i % 4])).collect();
    let i = site.peer(whole);
    site.run(secs(20));
    let statuses = site.statuses(i);
    assert_eq!(statuses.len(), 400);
    assert!(statuses.chunks(4).all(|four| four == ["200", "404", "200", "200"]));
    assert!(site.most.1 < 64 * 1024, "{:?}", site.most);
}

#[test]
fn who_does_not_read_is_dropped_and_cannot_have_more_than_the_room() {
    let mut site = Site::new(8);
    site.sim.jobs.files.insert(FILE_NAME.into(), vec![b'#'; 4_000_000]);
    for _ in 0..10 {
        let i = site.peer(get("/api/config"));
        site.peers.todo.push(Act::Pause(i));
    }
    site.run(secs(5));
    assert!(site.most.1 <= ROOM, "{:?}", site.most);
    let other = site.peer(get("/api/status"));
    site.run(secs(1));
    assert_eq!(site.statuses(other), ["200"]);
    let large = site.peer(put("x"));
    site.run(secs(1));
    assert_eq!(site.statuses(large), ["503"]);
    site.run(secs(90));
    assert_eq!(site.admin.load(), (0, 0));
}

#[test]
fn half_closed_is_not_gone_and_too_much_is_too_much() {
    let mut site = Site::new(9);
    let half = site.peer(get("/api/config"));
    site.peers.todo.push(Act::Finish(half));
    let huge = site.peer(put("").replace("Content-Length: 0", "Content-Length: 4194305"));
    let cut = site.peer("PUT /api/config HTTP/1.1\r\nHost: x\r\nContent-Le");
    site.peers.todo.push(Act::Finish(cut));
    site.run(secs(4));
    assert_eq!((site.statuses(half), site.ended(half)), (vec!["200".to_owned()], Some(true)));
    assert_eq!((site.statuses(huge), site.ended(huge)), (vec!["413".to_owned()], Some(true)));
    assert_eq!((site.heard(cut).as_str(), site.ended(cut)), ("", Some(true)));
    assert_eq!(site.admin.load(), (0, 0));
}

#[test]
fn without_descriptors_it_waits() {
    let mut site = Site::new(10);
    site.sim.no_accept = Some(ErrorKind::OutOfMemory);
    let i = site.peer(get("/healthz"));
    let before = site.turns;
    site.run(secs(10));
    assert!(site.turns - before < 30, "{} turns", site.turns - before);
    site.sim.no_accept = None;
    site.run(secs(2));
    assert_eq!(site.statuses(i), ["200"]);
}

#[test]
fn it_is_the_same_in_any_weather() {
    for seed in 0..40 {
        let mut site = Site::new(seed);
        site.sim.weather.short = 3;
        site.sim.weather.spurious = 5;
        site.sim.weather.piece = 7;
        site.sim.weather.buffer = 300;
        let i = site.peer(get("/api/redial") + &get("/metrics") + &get("/api/config"));
        site.run(secs(300));
        assert_eq!(site.statuses(i), ["200", "200", "200"], "seed {seed}: {:?}", site.heard(i).len());
    }
}

#[test]
fn addresses_are_those_of_this_machine() {
    for (text, addr) in [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::", "::"), ("[::1]", "::1")] {
        assert_eq!(address(text), Ok(addr.parse().unwrap()));
    }
    assert!(address("router.lan").unwrap_err().contains("router.lan"));
    let mut site = Site::new(11);
    let web = config::parse("f", "serverAddr = \"s\"\nwebServer.port = 7400\n").unwrap().config.web_server.unwrap();
    let clash = Admin::open(&web, "", None, &mut site.sim).err();
    assert_eq!(clash.as_deref(), Some("listen tcp 127.0.0.1:7400: bind: address already in use"));
}
