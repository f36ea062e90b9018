use super::*;
use crate::proto::crypto::derive_key;
use crate::wire::msg::Message;
use crate::wire::msg::NewProxy;

const T: Instant = Instant::ZERO;
const IV: [u8; 16] = [9; 16];

fn settings() -> Settings {
    Settings {
        by_ticket: false,
        token: "tok".to_owned(),
        key: derive_key("tok"),
        sign_pings: false,
        sign_work_conns: false,
        heartbeat_interval: None,
        heartbeat_timeout: None,
    }
}

/// Our machine and the server's side of its stream.
struct Pair {
    control: Control,
    open: Decrypt,
    seal: Option<Encrypt>,
    rx: Vec<u8>,
}

impl Pair {
    fn new(settings: Settings, names: &[&str]) -> Self {
        let proxy = PackedProxy::new(NewProxy::default());
        let proxies = (0..).zip(names).map(|(id, name)| Announce::new(id, name, &proxy)).collect();
        let login = Login { version: "0.70.1".to_owned(), ..Login::default() };
        let control = Control::new(settings, login, proxies, IV, 1_700_000_000, T);
        Self { control, open: Decrypt::new(&derive_key("tok")), seal: None, rx: Vec::new() }
    }

    /// Logged in, with what followed the login taken.
    fn up(settings: Settings, names: &[&str]) -> Self {
        let mut pair = Self::new(settings, names);
        assert_eq!(pair.sends(), ["Login"]);
        pair.says(&LoginResp { run_id: "r".to_owned(), version: "0.70.1".to_owned(), error: String::new() }.into(), T)
            .unwrap();
        assert!(matches!(pair.control.poll(), Some(Out::LoggedIn { .. })));
        pair
    }

    /// The server sends a message.
    fn says(&mut self, message: &Message, now: Instant) -> Result<(), ControlError> {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).unwrap();
        if self.control.logged_in() {
            let fresh = self.seal.is_none();
            let seal = self.seal.get_or_insert_with(|| Encrypt::new(&derive_key("tok"), [3; 16]));
            seal.apply(&mut bytes);
            if fresh {
                bytes.splice(..0, [3; 16]);
            }
        }
        self.control.feed(&mut bytes, now)
    }

    /// Names of the messages that went out.
    fn sends(&mut self) -> Vec<&'static str> {
        self.messages().iter().map(Message::name).collect()
    }

    fn messages(&mut self) -> Vec<Message> {
        let mut bytes = core::mem::take(self.control.output());
        let plain = if self.control.logged_in() { self.open.feed(&mut bytes) } else { bytes.as_mut_slice() };
        self.rx.extend_from_slice(plain);
        let mut all = Vec::new();
        while let Some((message, used)) = frame::decode(&self.rx).unwrap() {
            self.rx.drain(..used);
            all.push(message);
        }
        all
    }

    fn expire(&mut self, now: Instant) -> Result<(), ControlError> {
        let result = self.control.expire(now, 1_700_000_000);
        if result.is_ok() {
            assert!(self.control.deadline().is_none_or(|(at, _)| at > now), "a deadline is left behind");
        }
        result
    }
}

fn accepted(name: &str) -> Message {
    NewProxyResp { proxy_name: name.to_owned(), remote_addr: ":6000".to_owned(), error: String::new() }.into()
}

fn refused(name: &str) -> Message {
    NewProxyResp { proxy_name: name.to_owned(), error: "port already used".to_owned(), ..NewProxyResp::default() }
        .into()
}

#[test]
fn the_login_carries_the_proof() {
    let mut pair = Pair::new(settings(), &[]);
    let Some(Message::Login(login)) = pair.messages().pop() else { panic!("no login") };
    assert_eq!(login.timestamp, 1_700_000_000);
    assert_eq!(login.privilege_key, auth_key("tok", 1_700_000_000));
    assert_eq!(pair.control.deadline(), Some((T + secs(10), Timer::LoginResp)));
    assert_eq!(pair.expire(T + secs(10) - millis(1)), Ok(()));
    assert_eq!(pair.expire(T + secs(10)), Err(ControlError::TimedOut(Timer::LoginResp)));
}

#[test]
fn proxies_come_and_go() {
    let announce = |id, name: &str| Announce::new(id, name, &PackedProxy::new(NewProxy::default()));
    let mut pair = Pair::up(settings(), &["a", "b", "c", "d"]);
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"; 4]);
    pair.says(&accepted("a"), T).unwrap();
    pair.says(&refused("c"), T).unwrap();
    while pair.control.poll().is_some() {}
    // a runs, b and d were asked for, c was refused: the server has nothing of it.
    pair.control.change(&[0, 1, 2], vec![announce(7, "b"), announce(8, "e")], T + secs(1));
    assert_eq!(pair.sends(), ["CloseProxy"; 2]);
    assert_eq!(pair.control.deadline(), Some((T + secs(1), Timer::Register)));
    pair.expire(T + secs(1)).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"; 2]);
    pair.says(&refused("b"), T + secs(1)).unwrap();
    assert_eq!(pair.control.poll(), None, "that was about the b before");
    pair.says(&accepted("b"), T + secs(1)).unwrap();
    assert!(matches!(pair.control.poll(), Some(Out::ProxyStarted { proxy: 7, .. })));
    assert_eq!(pair.control.not_running().collect::<Vec<_>>(), [3, 8]);
    pair.says(&accepted("d"), T + secs(1)).unwrap();
    pair.says(&accepted("e"), T + secs(1)).unwrap();
    assert_eq!(pair.control.not_running().next(), None);
    let ids: Vec<u32> = pair.control.into_proxies().into_iter().map(|p| p.id).collect();
    assert_eq!(ids, [3, 7, 8]);
}

#[test]
fn a_name_that_the_server_still_has_from_us_is_closed_before_it_is_asked_for_again() {
    let mut pair = Pair::up(settings(), &["a"]);
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"]);
    let error = "proxy [a] already exists".to_owned();
    let refused = NewProxyResp { proxy_name: "a".to_owned(), error, ..NewProxyResp::default() };
    pair.says(&refused.into(), T).unwrap();
    pair.expire(T + secs(30)).unwrap();
    assert_eq!(pair.sends(), ["CloseProxy", "NewProxy"]);
}

#[test]
fn proxies_that_change_before_the_login_are_told_once() {
    let mut pair = Pair::new(settings(), &["a", "b"]);
    assert_eq!(pair.sends(), ["Login"]);
    pair.control.change(&[0], vec![], T);
    assert!(pair.sends().is_empty());
    pair.says(&LoginResp { run_id: "r".to_owned(), ..LoginResp::default() }.into(), T).unwrap();
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"]);
}

#[test]
fn a_run_id_that_would_not_fit_our_messages_is_refused() {
    let answer = |len: usize| {
        let mut pair = Pair::new(settings(), &[]);
        pair.says(&LoginResp { run_id: "r".repeat(len), ..LoginResp::default() }.into(), T)
    };
    assert_eq!(answer(MAX_RUN_ID), Ok(()));
    assert_eq!(answer(MAX_RUN_ID + 1), Err(ControlError::Misbehaved("a run id of 257 bytes".to_owned())));
    assert!(matches!(answer(10_000), Err(ControlError::Misbehaved(_))));
}

#[test]
fn proxies_are_registered_and_asked_for_again() {
    let mut pair = Pair::up(settings(), &["a", "b", "c"]);
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"; 3]);
    pair.says(&accepted("a"), T + secs(1)).unwrap();
    pair.says(&refused("b"), T + secs(1)).unwrap();
    let started = Out::ProxyStarted { proxy: 0, remote_addr: ":6000".to_owned() };
    assert_eq!(pair.control.poll(), Some(started));
    let refusal = Out::ProxyRefused { proxy: 1, error: "port already used".to_owned() };
    assert_eq!(pair.control.poll(), Some(refusal));
    let running: Vec<bool> = pair.control.proxies.iter().map(|p| p.state == State::Running).collect();
    assert_eq!(running, [true, false, false]);
    pair.expire(T + secs(20)).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"], "c was not answered for 20 s");
    pair.expire(T + secs(31)).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"], "b was refused 30 s ago");
    pair.says(&accepted("b"), T + secs(32)).unwrap();
    pair.says(&accepted("a"), T + secs(32)).unwrap();
    assert!(matches!(pair.control.poll(), Some(Out::ProxyStarted { proxy: 1, .. })));
    assert_eq!(pair.control.poll(), None, "a was running already");
}

#[test]
fn many_proxies_are_registered_in_bursts() {
    let names: Vec<String> = (0..45).map(|i| format!("p{i}")).collect();
    let mut pair = Pair::up(settings(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (at, count) in [(0, 20), (50, 20), (100, 5)] {
        pair.expire(T + millis(at)).unwrap();
        assert_eq!(pair.sends().len(), count, "after {at} ms");
    }
}

#[test]
fn heartbeats_are_sent_and_awaited() {
    let on = Settings {
        heartbeat_interval: Some(secs(30)),
        heartbeat_timeout: Some(secs(90)),
        sign_pings: true,
        ..settings()
    };
    let mut pair = Pair::up(on, &[]);
    pair.expire(T).unwrap();
    let Some(Message::Ping(ping)) = pair.messages().pop() else { panic!("the first one goes out at once") };
    assert_eq!(ping.privilege_key, auth_key("tok", ping.timestamp));
    pair.says(&Pong::default().into(), T + secs(1)).unwrap();
    for at in [30, 60, 90] {
        pair.expire(T + secs(at)).unwrap();
        assert_eq!(pair.sends(), ["Ping"]);
    }
    assert_eq!(pair.expire(T + secs(91)), Err(ControlError::TimedOut(Timer::Pong)));
    let e = pair.says(&Pong { error: "no".to_owned() }.into(), T + secs(91));
    assert_eq!(e, Err(ControlError::PingRefused("no".to_owned())));
}

#[test]
fn without_heartbeats_there_is_silence_but_for_old_servers() {
    let mut pair = Pair::up(settings(), &[]);
    pair.expire(T).unwrap();
    assert_eq!((pair.sends().len(), pair.control.deadline()), (0, None));
    let mut pair = Pair::new(settings(), &[]);
    pair.sends();
    let old = LoginResp { run_id: "r".to_owned(), version: "0.33.0".to_owned(), error: String::new() };
    pair.says(&old.into(), T).unwrap();
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["Ping"]);
    assert_eq!(pair.control.deadline(), Some((T + secs(30), Timer::Ping)), "sent, but the answer is not awaited");
}

#[test]
fn work_connections_are_counted_and_signed() {
    let mut pair = Pair::up(Settings { sign_work_conns: true, ..settings() }, &[]);
    (0..3).for_each(|_| pair.says(&crate::wire::msg::ReqWorkConn {}.into(), T).unwrap());
    assert_eq!((pair.control.take_wanted(), pair.control.take_wanted()), (3, 0));
    let work = pair.control.new_work_conn("r");
    assert_eq!((work.run_id.as_str(), work.privilege_key), ("r", auth_key("tok", work.timestamp)));
    let mut pair = Pair::up(settings(), &[]);
    assert_eq!(pair.control.new_work_conn("r").timestamp, 0);
    assert!(pair.messages().is_empty());
}

#[test]
fn refusals_and_nonsense_before_the_login() {
    let refuse = LoginResp { error: "token in login doesn't match".to_owned(), ..LoginResp::default() };
    let e = Pair::new(settings(), &[]).says(&refuse.into(), T);
    assert_eq!(e, Err(ControlError::Refused("token in login doesn't match".to_owned())));
    let nameless = Pair::new(settings(), &[]).says(&LoginResp::default().into(), T);
    assert!(matches!(nameless, Err(ControlError::Misbehaved(_))));
    let early = Pair::new(settings(), &[]).says(&Pong::default().into(), T);
    assert!(matches!(early, Err(ControlError::Misbehaved(_))));
    for (bytes, hint) in [(b"HTTP/1.1 400 Bad".as_slice(), "web server"), (&[0x15, 3, 1, 0, 2], "TLS"), (b"zz", "0x7a")]
    {
        let e = Pair::new(settings(), &[]).control.feed(&mut bytes.to_vec(), T).unwrap_err();
        assert!(e.to_string().contains(hint), "{e}");
    }
}

#[test]
fn the_answer_and_what_follows_may_come_in_any_pieces() {
    let mut bytes = Vec::new();
    let answer = LoginResp { run_id: "r".to_owned(), ..LoginResp::default() };
    frame::encode(&answer.into(), &mut bytes).unwrap();
    let clear = bytes.len();
    for name in ["a", "b"] {
        frame::encode(&accepted(name), &mut bytes).unwrap();
    }
    Encrypt::new(&derive_key("tok"), IV).apply(&mut bytes[clear..]);
    bytes.splice(clear..clear, IV);
    for step in [1, 2, 5, 17, 1000] {
        let mut pair = Pair::new(settings(), &["a", "b"]);
        pair.control.proxies.iter_mut().for_each(|p| p.state = State::Asked(T));
        bytes.clone().chunks_mut(step).for_each(|part| pair.control.feed(part, T).unwrap());
        let outs: Vec<Out> = std::iter::from_fn(|| pair.control.poll()).collect();
        assert_eq!(outs.len(), 3, "in steps of {step}");
        assert_eq!(pair.control.rx.capacity(), 0, "nothing is held");
    }
}

#[test]
fn a_wrong_key_is_misbehaviour_after_the_login() {
    let mut pair = Pair::up(settings(), &["a"]);
    let mut noise = [0x5a; 64];
    assert!(matches!(pair.control.feed(&mut noise, T), Err(ControlError::Misbehaved(_))));
}

#[test]
fn a_proxy_too_long_to_announce_does_not_break_the_stream() {
    let long = "n".repeat(11_000);
    let mut pair = Pair::up(settings(), &[&long, "b"]);
    pair.expire(T).unwrap();
    assert_eq!(pair.sends(), ["NewProxy"], "only the short one");
}

#[test]
fn proxies_survive_the_session() {
    let pair = Pair::up(settings(), &["a", "b"]);
    let names: Vec<String> = pair.control.into_proxies().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["a", "b"]);
}
