//! The adapter to the operating system, over real sockets: what the simulator cannot find.

#![expect(clippy::disallowed_methods, reason = "the far ends are plain blocking sockets in threads")]

use redial::net::os::Os;
use redial::net::{Event, Net, Signal, Sock, SockOpts, Token};
use redial::proto::time::{Duration, Instant, millis, secs};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

const LIMIT: Duration = secs(20);

struct Loop {
    os: Os,
    events: Vec<Event>,
}

impl Loop {
    fn new() -> Self {
        Self { os: Os::new(None).expect("a poll"), events: Vec::new() }
    }

    /// Waits for events until `found` says something about one of them.
    fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Os, Event) -> Option<T>) -> T {
        let give_up = self.os.now() + LIMIT;
        loop {
            self.os.wait(Some(give_up), &mut self.events).expect("the poll works");
            let batch = core::mem::take(&mut self.events);
            for event in batch {
                if let Some(result) = found(&mut self.os, event) {
                    return result;
                }
            }
            assert!(self.os.now() < give_up, "waited in vain for {what}");
        }
    }

    fn connect(&mut self, to: SocketAddr, token: Token) -> Sock {
        let sock = self.os.dial(to, &SockOpts::default(), token).expect("a socket");
        self.until("a connection", |_, event| match event {
            Event::Dialed { token: t, sock: s, result } if s == sock => {
                assert_eq!(t, token);
                result.expect("it connects");
                Some(())
            }
            _ => None,
        });
        sock
    }
}

fn token(task: u32) -> Token {
    Token { task, port: 0 }
}

/// A far end that accepts one connection and does something with it.
fn peer<T: Send + 'static>(act: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("its address");
    (addr, thread::spawn(move || act(listener.accept().expect("a connection").0)))
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8) * 13) as u8).collect()
}

#[test]
fn a_connection_from_dial_to_eof() {
    let (addr, far) = peer(|mut s| {
        let mut buf = [0; 5];
        s.read_exact(&mut buf).expect("hello");
        s.write_all(b"and bye").expect("writes");
        buf
    });
    let mut l = Loop::new();
    let sock = l.connect(addr, token(3));
    assert_eq!(l.os.peer_addr(sock), Some(addr));
    assert!(l.os.local_addr(sock).is_some());
    assert_eq!(l.os.write_vectored(sock, &[IoSlice::new(b"he"), IoSlice::new(b"llo")]).expect("writes"), 5);
    l.os.assign(sock, token(4));
    let (mut got, mut buf) = (Vec::new(), [0; 3]);
    l.until("the end", |os, event| {
        let Event::Ready { token: t, sock: s } = event else { return None };
        assert_eq!((t, s), (token(4), sock));
        loop {
            match os.read(sock, &mut buf) {
                Ok(0) => return Some(()),
                Ok(n) => got.extend_from_slice(&buf[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Err(e) => panic!("{e}"),
            }
        }
    });
    assert_eq!(got, b"and bye", "FIN that comes with the last bytes is not missed");
    assert_eq!(&far.join().expect("no panic"), b"hello");
}

#[test]
fn a_refused_dial_closes_its_socket() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let mut l = Loop::new();
    let sock = l.os.dial(free, &SockOpts::default(), token(1)).expect("a socket");
    let kind = l.until("the refusal", |_, event| match event {
        Event::Dialed { result: Err(e), .. } => Some(e.kind()),
        _ => None,
    });
    assert_eq!(kind, ErrorKind::ConnectionRefused);
    let e = l.os.read(sock, &mut [0]).expect_err("the handle is stale");
    assert_eq!(e.kind(), ErrorKind::NotConnected);
}

#[test]
fn a_stale_handle_never_reaches_a_newcomer() {
    let (first, far) = peer(|mut s| s.read(&mut [0]).expect("an end"));
    let mut l = Loop::new();
    let old = l.connect(first, token(1));
    l.os.close(old);
    l.os.close(old);
    assert_eq!(far.join().expect("no panic"), 0);
    for round in 0..3 {
        let (next, far) = peer(|mut s| s.write(b"x").expect("writes"));
        let new = l.connect(next, token(2));
        assert_ne!(old, new, "round {round}");
        assert_eq!(l.os.write(old, b"oops").expect_err("stale").kind(), ErrorKind::NotConnected);
        l.os.abort(old);
        far.join().expect("no panic");
        l.os.close(new);
    }
}

#[test]
fn a_full_socket_tells_when_it_takes_bytes_again() {
    let data = pattern(8 << 20);
    let expected = data.clone();
    let (addr, far) = peer(move |mut s| {
        let mut got = Vec::new();
        s.read_to_end(&mut got).expect("reads");
        got == expected
    });
    let mut l = Loop::new();
    let sock = l.connect(addr, token(1));
    let mut at = 0;
    let mut push = |os: &mut Os| {
        while at < data.len() {
            match os.write(sock, &data[at..]) {
                Ok(n) => at += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Err(e) => panic!("{e}"),
            }
        }
        os.shutdown(sock);
        Some(())
    };
    if push(&mut l.os).is_none() {
        l.until("all written", |os, _| push(os));
    }
    assert!(far.join().expect("no panic"), "every byte arrived in order");
}

#[test]
fn bytes_move_through_a_kernel_pipe() {
    let data = pattern(8 << 20);
    let (sent, expected) = (data.clone(), data);
    let (from_addr, source) = peer(move |mut s| s.write_all(&sent).expect("writes"));
    let (to_addr, sink) = peer(move |mut s| {
        let mut got = Vec::new();
        s.read_to_end(&mut got).expect("reads");
        got == expected
    });
    let mut l = Loop::new();
    let (from, to) = (l.connect(from_addr, token(1)), l.connect(to_addr, token(2)));
    let pipe = l.os.open_pipe().expect("a pipe");
    let (mut held, mut ended) = (0, false);
    let mut step = move |os: &mut Os| loop {
        if held == 0 && !ended {
            match os.splice_in(from, pipe, 1 << 20) {
                Ok(0) => ended = true,
                Ok(n) => held = n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Err(e) => panic!("{e}"),
            }
        }
        if held == 0 && ended {
            os.shutdown(to);
            os.close_pipe(pipe);
            return Some(());
        }
        match os.splice_out(pipe, to, held) {
            Ok(n) => held -= n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
            Err(e) => panic!("{e}"),
        }
    };
    if step(&mut l.os).is_none() {
        l.until("all moved", |os, _| step(os));
    }
    source.join().expect("no panic");
    assert!(sink.join().expect("no panic"), "every byte arrived in order");
    assert!(l.os.splice_out(pipe, to, 1).is_err(), "the handle is stale");
}

#[test]
fn an_abort_is_a_reset() {
    let (addr, far) = peer(|mut s| s.read(&mut [0]).map_err(|e| e.kind()));
    let mut l = Loop::new();
    let sock = l.connect(addr, token(1));
    l.os.abort(sock);
    assert_eq!(far.join().expect("no panic"), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_reset_from_afar_is_an_event() {
    let (addr, far) = peer(|s| {
        let mut s = s;
        s.read_exact(&mut [0; 1]).expect("the sign to start");
        drop(s); // one byte is left unread: the kernel sends RST
    });
    let mut l = Loop::new();
    let sock = l.connect(addr, token(1));
    l.os.write(sock, b"12").expect("writes");
    let kind = l.until("the reset", |os, event| match event {
        Event::Ready { .. } => match os.read(sock, &mut [0; 8]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            other => Some(other.map_err(|e| e.kind())),
        },
        _ => None,
    });
    assert_eq!(kind, Err(ErrorKind::ConnectionReset));
    far.join().expect("no panic");
}

#[test]
fn reading_without_readiness_costs_no_system_call_and_loses_nothing() {
    let (addr, far) = peer(|mut s| {
        for i in 0..200u8 {
            s.write_all(&[i]).expect("writes");
            s.read_exact(&mut [0]).expect("the echo");
        }
    });
    let mut l = Loop::new();
    let sock = l.connect(addr, token(1));
    let mut seen = 0u8;
    while seen < 200 {
        let mut buf = [0; 64];
        match l.os.read(sock, &mut buf) {
            Ok(n) => {
                assert_eq!((n, buf[0]), (1, seen));
                seen += 1;
                l.os.write(sock, &buf[..1]).expect("writes");
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => l.until("an edge", |_, event| match event {
                Event::Ready { .. } => Some(()),
                _ => None,
            }),
            Err(e) => panic!("{e}"),
        }
    }
    far.join().expect("no panic");
}

#[test]
fn a_thousand_connections_at_once() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().expect("an address").into()).expect("a port");
    listener.listen(4096).expect("a queue for all of them");
    let listener = TcpListener::from(listener);
    let addr = listener.local_addr().expect("its address");
    redial::net::os::raise_descriptor_limit();
    let count = 1000usize;
    let far = thread::spawn(move || {
        let all: Vec<TcpStream> = listener.incoming().take(count).map(|s| s.expect("a connection")).collect();
        for (i, mut s) in all.iter().enumerate() {
            s.write_all(&u32::try_from(i).expect("small").to_be_bytes()).expect("writes");
        }
        all
    });
    let mut l = Loop::new();
    let dial = |task| l.os.dial(addr, &SockOpts::default(), token(task)).expect("a socket");
    let socks: Vec<Sock> = (0..u32::try_from(count).expect("small")).map(dial).collect();
    let (mut got, mut sum) = (0, 0u64);
    l.until("a word on each", |os, event| {
        if let Event::Ready { token, sock } | Event::Dialed { token, sock, result: Ok(()) } = event {
            assert_eq!(socks[token.task as usize], sock);
            let mut word = [0; 4];
            if let Ok(4) = os.read(sock, &mut word) {
                (got, sum) = (got + 1, sum + u64::from(u32::from_be_bytes(word)));
            }
        }
        (got == count).then_some(())
    });
    assert_eq!(sum, (0..count as u64).sum::<u64>());
    drop(far.join().expect("no panic"));
    socks.into_iter().for_each(|sock| l.os.close(sock));
}

#[test]
fn deadlines_are_kept() {
    let mut l = Loop::new();
    for pause in [millis(0), millis(1), millis(30)] {
        let (start, real) = (l.os.now(), std::time::Instant::now());
        while l.os.now() < start + pause {
            l.os.wait(Some(start + pause), &mut l.events).expect("the poll works");
        }
        assert!(real.elapsed() + millis(1) >= pause, "{pause:?} took {:?}", real.elapsed());
        assert!(real.elapsed() < secs(5));
    }
    let far_past = Instant::ZERO;
    l.os.wait(Some(far_past), &mut l.events).expect("a deadline in the past does not wait");
    assert!(l.events.is_empty());
}

#[test]
fn signals_are_events() {
    let mut l = Loop::new();
    l.os.watch_signals().expect("handlers");
    let own = rustix::process::getpid();
    let mut before = Vec::new();
    for (number, signal) in
        [(rustix::process::Signal::USR2, Signal::Report), (rustix::process::Signal::TERM, Signal::Terminate)]
    {
        for _ in 0..2 {
            rustix::process::kill_process(own, number).expect("sent");
        }
        // Two of a kind may come as one or as two.
        let came = l.until("the signal", |_, event| match event {
            Event::Signal(signal) if !before.contains(&signal) => Some(signal),
            _ => None,
        });
        assert_eq!(came, signal);
        before.push(signal);
    }
}

#[test]
fn the_source_address_is_ours_to_choose() {
    let (addr, far) = peer(|s| s.peer_addr().expect("an address").ip());
    let mut l = Loop::new();
    let opts = SockOpts { bind: Some("127.0.0.5".parse().expect("an address")), ..SockOpts::default() };
    let sock = l.os.dial(addr, &opts, token(1)).expect("a socket");
    l.until("a connection", |_, event| matches!(event, Event::Dialed { result: Ok(()), .. }).then_some(()));
    assert_eq!(far.join().expect("no panic"), l.os.local_addr(sock).expect("an address").ip());
    let foreign = SockOpts { bind: Some("192.0.2.1".parse().expect("an address")), ..SockOpts::default() };
    assert!(l.os.dial(addr, &foreign, token(1)).is_err());
}

/// Waits until somebody can be accepted.
fn accept(l: &mut Loop, listener: Sock, own: Token) -> Sock {
    if let Ok(sock) = l.os.accept(listener, own) {
        return sock;
    }
    l.until("somebody who connects", |os, event| match event {
        Event::Ready { token: t, sock } if sock == listener => {
            assert_eq!(t, token(9));
            os.accept(listener, own).ok()
        }
        _ => None,
    })
}

#[test]
fn a_listener_keeps_who_is_not_accepted_yet() {
    let mut l = Loop::new();
    let listener = l.os.listen(SocketAddr::from(([127, 0, 0, 1], 0)), token(9)).expect("a port");
    let addr = l.os.local_addr(listener).expect("its address");
    assert_ne!(addr.port(), 0);
    let clash = l.os.listen(addr, token(8)).expect_err("the port is taken");
    assert_eq!(clash.kind(), ErrorKind::AddrInUse);
    let mut peers: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(addr).expect("it connects")).collect();
    // One event for all three; the others are found without one.
    let first = accept(&mut l, listener, token(1));
    let rest = [l.os.accept(listener, token(2)), l.os.accept(listener, token(3))].map(|r| r.expect("they wait"));
    assert_eq!(l.os.accept(listener, token(4)).expect_err("nobody is left").kind(), ErrorKind::WouldBlock);
    for (peer, byte) in peers.iter_mut().zip(b"abc") {
        peer.write_all(&[*byte]).expect("writes");
    }
    let mut got = Vec::new();
    l.until("a byte from each", |os, event| {
        let Event::Ready { token: t, sock } = event else { return None };
        let mut buf = [0; 8];
        let n = os.read(sock, &mut buf).ok()?;
        got.push((t.task, buf[..n].to_vec()));
        (got.len() == 3).then_some(())
    });
    got.sort();
    assert_eq!(got, [(1, b"a".to_vec()), (2, b"b".to_vec()), (3, b"c".to_vec())]);
    assert_eq!(l.os.local_addr(first), Some(addr));
    rest.into_iter().chain([first, listener]).for_each(|sock| l.os.close(sock));
    assert_eq!(l.os.accept(listener, token(1)).expect_err("it is closed").kind(), ErrorKind::NotConnected);
    TcpStream::connect(addr).expect_err("nobody listens any more");
}
