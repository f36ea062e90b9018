use super::*;

/// Echoes; answers port 2 with RST, port 3 with nothing.
#[derive(Default)]
struct Echo {
    log: Vec<String>,
}

impl World for Echo {
    fn connect(&mut self, _link: Link, to: SocketAddr, _far: &mut Far<'_>) -> Welcome {
        match to.port() {
            2 => Welcome::Refuse,
            3 => Welcome::Ignore,
            _ => Welcome::Accept,
        }
    }
    fn received(&mut self, link: Link, bytes: &[u8], far: &mut Far<'_>) {
        if bytes == b"reset" {
            return far.reset(link);
        }
        far.send(link, bytes);
    }
    fn ended(&mut self, link: Link, cleanly: bool, far: &mut Far<'_>) {
        self.log.push(format!("{link} {cleanly}"));
        far.finish(link);
    }
    fn drained(&mut self, _link: Link, _far: &mut Far<'_>) {}
    fn expire(&mut self, _far: &mut Far<'_>) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

const TOKEN: Token = Token { task: 1, port: 0 };

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}

/// Runs until `done`, or nothing will happen any more.
fn run(sim: &mut Sim, world: &mut Echo, mut done: impl FnMut(&mut Sim, Event) -> bool) -> bool {
    let mut events = Vec::new();
    while sim.advance(None, world, &mut events) {
        for event in events.drain(..) {
            if done(sim, event) {
                return true;
            }
        }
    }
    false
}

fn connected(sim: &mut Sim, world: &mut Echo, port: u16) -> Sock {
    let sock = sim.dial(addr(port), &SockOpts::default(), TOKEN).unwrap();
    assert!(run(sim, world, |_, e| matches!(e, Event::Dialed { result: Ok(()), .. })));
    sock
}

#[test]
fn bytes_come_back_in_order_whatever_the_weather() {
    for seed in 0..50 {
        let (mut sim, mut world) = (Sim::new(seed), Echo::default());
        sim.weather = Weather {
            jitter: millis(30),
            piece: 200,
            up_piece: 150,
            buffer: 1000,
            short: 3,
            spurious: 4,
            ..Weather::default()
        };
        let sock = connected(&mut sim, &mut world, 1);
        let data: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let mut step = |sim: &mut Sim| {
            while sent < data.len() {
                match sim.write(sock, &data[sent..]) {
                    Ok(n) => sent += n,
                    Err(_) => break,
                }
            }
            if sent == data.len() {
                sim.shutdown(sock);
            }
            let mut buf = [0; 333];
            loop {
                match sim.read(sock, &mut buf) {
                    Ok(0) => return true,
                    Ok(n) => got.extend_from_slice(&buf[..n]),
                    Err(_) => return false,
                }
            }
        };
        assert!(step(&mut sim) || run(&mut sim, &mut world, |sim, _| step(sim)), "seed {seed}: an edge was lost");
        assert!(got == data, "seed {seed}");
        sim.close(sock);
        assert_eq!(sim.open_sockets(), 0);
    }
}

#[test]
fn dials_are_refused_or_never_answered() {
    let (mut sim, mut world) = (Sim::new(1), Echo::default());
    sim.dial(addr(2), &SockOpts::default(), TOKEN).unwrap();
    assert!(run(&mut sim, &mut world, |_, e| matches!(e, Event::Dialed { result: Err(_), .. })));
    let sock = sim.dial(addr(3), &SockOpts::default(), TOKEN).unwrap();
    assert!(!run(&mut sim, &mut world, |_, _| true), "nothing ever comes back");
    sim.abort(sock);
    assert_eq!(sim.open_sockets(), 0);
}

#[test]
fn resets_and_cuts() {
    let (mut sim, mut world) = (Sim::new(1), Echo::default());
    let sock = connected(&mut sim, &mut world, 1);
    sim.write(sock, b"reset").unwrap();
    assert!(run(&mut sim, &mut world, |_, e| matches!(e, Event::Ready { .. })));
    assert_eq!(sim.read(sock, &mut [0; 9]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    sim.close(sock);
    let sock = connected(&mut sim, &mut world, 1);
    sim.cut_all(addr(1));
    assert_eq!(sim.write(sock, b"hello").unwrap(), 5, "the kernel takes the bytes all the same");
    assert!(!run(&mut sim, &mut world, |_, _| true));
}

#[test]
fn closing_with_unread_bytes_is_a_reset() {
    let (mut sim, mut world) = (Sim::new(1), Echo::default());
    let sock = connected(&mut sim, &mut world, 1);
    sim.write(sock, b"hello").unwrap();
    assert!(run(&mut sim, &mut world, |_, e| matches!(e, Event::Ready { .. })));
    sim.close(sock);
    run(&mut sim, &mut world, |_, _| false);
    let sock = connected(&mut sim, &mut world, 1);
    sim.close(sock);
    run(&mut sim, &mut world, |_, _| false);
    assert_eq!(world.log, ["0 false", "1 true"]);
}

#[test]
fn names_are_answered_in_steps() {
    let (mut sim, mut world) = (Sim::new(1), Echo::default());
    let answer = |ip: [u8; 4], done| Ok(Answer { addrs: vec![ip.into()], done });
    sim.name("a.test", vec![(millis(5), answer([1, 1, 1, 1], false)), (secs(1), answer([2, 2, 2, 2], true))]);
    sim.resolve("a.test", TOKEN);
    sim.resolve("unknown", Token { task: 2, port: 0 });
    let mut seen = Vec::new();
    run(&mut sim, &mut world, |sim, e| {
        if let Event::Resolved { token, result } = e {
            seen.push((sim.now().since(Instant::ZERO + secs(86_400)).as_millis(), token.task, result.is_ok()));
        }
        false
    });
    assert_eq!(seen, [(1, 2, false), (5, 1, true), (1000, 1, true)]);
    sim.resolve("a.test", TOKEN);
    sim.cancel_resolve(TOKEN);
    assert!(!run(&mut sim, &mut world, |_, e| matches!(e, Event::Resolved { .. })));
}

#[test]
#[should_panic(expected = "runs in circles")]
fn a_busy_loop_is_found() {
    let (mut sim, mut world) = (Sim::new(1), Echo::default());
    let mut events = Vec::new();
    while sim.advance(Some(Instant::ZERO), &mut world, &mut events) {}
}

#[test]
fn jobs_follow_their_plays() {
    let mut sim = Sim::new(1);
    let plays = [Play::says(secs(5), "first"), Play::Hangs, Play::exits(millis(1), 3)];
    sim.jobs.program("token", plays);
    sim.jobs.files.insert("/a".into(), b"text".to_vec());
    let job = Job { program: "token".into(), max_output: 100, ..Job::default() };
    let other = Token { task: 2, port: 0 };
    let (start, mut events) = (sim.now(), Vec::new());
    sim.spawn(job.clone(), TOKEN).unwrap();
    sim.spawn(job.clone(), other).unwrap();
    assert_eq!(
        sim.spawn(Job { program: "none".into(), ..job.clone() }, TOKEN).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    sim.files(FileJob::Read { paths: vec!["/a".into(), "/b".into()] }, TOKEN);
    while events.len() < 2 && sim.advance(None, &mut Echo::default(), &mut events) {}
    assert!(matches!(&events[0], Event::FilesDone { token: TOKEN, result: Ok(super::super::FileDone::Read(files)) }
        if files[0].as_ref().is_ok_and(|file| file.bytes == b"text") && files[1].is_err()));
    assert!(matches!(&events[1], Event::JobDone { token: TOKEN, result: Ok(output) } if output.stdout == b"first"));
    assert_eq!((sim.now().since(start), sim.jobs.running()), (secs(5), 1));
    sim.kill_job(other);
    sim.spawn(job, TOKEN).unwrap();
    sim.kill_job(TOKEN);
    events.clear();
    while sim.advance(None, &mut Echo::default(), &mut events) {}
    assert!(events.is_empty() && sim.jobs.running() == 0 && sim.jobs.started.len() == 3);
}

#[test]
fn the_world_connects_to_a_listener() {
    let (mut sim, mut world) = (Sim::new(3), Echo::default());
    let at = addr(7400);
    assert!(Far { sim: &mut sim }.connect(at).is_none(), "nobody listens");
    let listener = sim.listen(at, Token { task: 9, port: 7 }).unwrap();
    assert_eq!(sim.listen(at, TOKEN).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert_eq!(sim.local_addr(listener), Some(at));
    assert_eq!(sim.accept(listener, TOKEN).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let link = Far { sim: &mut sim }.connect(at).unwrap();
    Far { sim: &mut sim }.send(link, b"hello");
    assert!(run(&mut sim, &mut world, |_, e| matches!(e, Event::Ready { token, sock }
        if token.task == 9 && sock == listener)));
    sim.no_accept = Some(io::ErrorKind::OutOfMemory);
    assert_eq!(sim.accept(listener, TOKEN).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    sim.no_accept = None;
    let sock = sim.accept(listener, TOKEN).unwrap();
    let mut got = [0; 8];
    assert!(run(&mut sim, &mut world, |sim, _| sim.read(sock, &mut got).is_ok_and(|n| n > 0)));
    sim.close(listener);
    sim.close(sock);
    assert_eq!(sim.open_sockets(), 0);
    assert_eq!(sim.accept(listener, TOKEN).unwrap_err().kind(), io::ErrorKind::NotConnected);
}
