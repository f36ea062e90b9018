use super::*;

const T: Instant = Instant::ZERO;

/// Orders as text.
fn orders(health: &mut Health) -> String {
    let mut all = Vec::new();
    while let Some(order) = health.poll() {
        all.push(match order {
            Order::Ping => "ping",
            Order::Prepare(_) => "prepare",
            Order::StandDown => "stand down",
        });
    }
    all.join(" ")
}

/// Runs until `end`, doing what is due when it is due; what was ordered, with the milliseconds since `T`.
fn run(health: &mut Health, end: Instant) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut turns = 0;
    while let Some(at) = health.deadline().filter(|at| *at <= end) {
        health.expire(at);
        let said = orders(health);
        if !said.is_empty() {
            all.push((u64::try_from(at.since(T).as_millis()).unwrap(), said));
        }
        turns += 1;
        assert!(turns < 1000, "a busy loop");
    }
    all
}

/// A link that was asked once and answered after `rtt`.
fn known(rtt: Duration) -> Health {
    let mut health = Health::new(secs(5), Path::default(), T);
    health.expire(T + secs(5));
    assert_eq!(orders(&mut health), "ping");
    health.on_pong(None, T + secs(5) + rtt);
    health
}

/// Asks, and the ping leaves.
fn ask(health: &mut Health, at: Instant) {
    health.ask(at);
    assert_eq!(orders(health), "ping");
}

#[test]
fn an_idle_link_is_asked_every_five_seconds_and_no_more() {
    let mut health = Health::new(secs(5), Path::default(), T);
    let mut asked = Vec::new();
    for _ in 0..3 {
        let at = health.deadline().unwrap();
        health.expire(at);
        assert_eq!(orders(&mut health), "ping");
        asked.push(at.since(T).as_millis());
        health.on_pong(None, at + millis(30));
    }
    assert_eq!(asked, [5000, 10_030, 15_060]);
}

#[test]
fn bytes_that_come_spare_the_probe() {
    let mut health = Health::new(secs(5), Path::default(), T);
    for second in 1..60 {
        health.on_heard(T + secs(second));
        assert!(run(&mut health, T + secs(second) + millis(999)).is_empty());
    }
}

#[test]
fn the_wait_follows_the_round_trip_within_bounds() {
    assert_eq!(Health::new(secs(5), Path::default(), T).wait(), secs(1), "unknown");
    assert_eq!(known(millis(1)).wait(), millis(250));
    assert_eq!(known(millis(100)).wait(), millis(350), "100 + 4 * 50 + 50");
    assert_eq!(known(secs(3)).wait(), secs(2));
    let mut health = known(millis(100));
    for i in 1..40 {
        ask(&mut health, T + secs(i * 10));
        health.on_pong(None, T + secs(i * 10) + millis(100));
    }
    assert!((millis(250)..millis(260)).contains(&health.wait()), "{:?}: steady", health.wait());
}

#[test]
fn silence_leads_to_a_race_and_then_to_a_verdict() {
    let mut health = known(millis(10));
    // Answered at 5.010: asked at 10.010, waited 250 ms; then two more pings, and a verdict after 750 ms.
    assert_eq!(run(&mut health, T + millis(10_259)), [(10_010, "ping".to_owned())]);
    assert!(!health.racing());
    assert_eq!(
        run(&mut health, T + millis(11_000)),
        [(10_260, "prepare".to_owned()), (10_510, "ping".to_owned()), (10_760, "ping".to_owned())]
    );
    assert!(health.racing());
    assert_eq!(health.condemned(T + millis(11_009)), None);
    assert_eq!(health.deadline(), Some(T + millis(11_010)));
    assert_eq!(health.condemned(T + millis(11_010)), Some(Cause::Silence(millis(1000))));
    // Nothing else can be reached: it is given up in the end.
    assert!(run(&mut health, T + secs(25)).is_empty());
    assert_eq!(health.lost(T + millis(25_009)), None);
    assert_eq!(health.lost(T + millis(25_010)), Some(Cause::Silence(secs(15))));
}

#[test]
fn what_we_send_is_to_be_followed_by_something() {
    let mut health = known(millis(10));
    health.on_sent(T + secs(6));
    health.on_sent(T + millis(6300));
    assert_eq!(run(&mut health, T + millis(6999)), [(6750, "ping".to_owned())], "750 ms after the first byte");
    health.on_pong(None, T + millis(6999));
    assert!(run(&mut health, T + secs(11)).is_empty());
    health.on_sent(T + secs(11));
    health.on_heard(T + millis(11_010));
    assert!(run(&mut health, T + secs(16)).is_empty(), "answered");
}

#[test]
fn a_pong_behind_bulk_data_is_waited_for() {
    let mut health = known(millis(10));
    health.ask(T + secs(6));
    assert_eq!(orders(&mut health), "ping");
    for i in 0..50 {
        health.on_heard(T + secs(6) + millis(i * 100));
        assert!(run(&mut health, T + secs(6) + millis(i * 100 + 99)).is_empty());
    }
    // From the last byte on it is silence.
    assert_eq!(run(&mut health, T + millis(11_150)), [(11_150, "prepare".to_owned())]);
}

#[test]
fn life_ends_a_race_and_bytes_put_the_verdict_off() {
    let mut health = known(millis(10));
    run(&mut health, T + millis(10_900));
    health.on_heard(T + millis(10_900));
    assert!(health.racing());
    assert_eq!(health.condemned(T + millis(11_649)), None);
    assert!(health.condemned(T + millis(11_650)).is_some());
    health.on_pong(None, T + millis(11_640));
    assert_eq!(orders(&mut health), "stand down");
    assert!(!health.racing() && health.condemned(T + secs(60)).is_none());
}

#[test]
fn two_false_races_double_the_waits_for_ten_minutes() {
    let mut health = known(millis(10));
    for (race, wait) in [(1, 250), (2, 500)] {
        let start = T + secs(race * 20);
        health.on_heard(start);
        run(&mut health, start + millis(5600));
        assert!(health.racing());
        health.on_pong(None, start + millis(5600));
        assert_eq!(orders(&mut health), "stand down");
        assert_eq!(health.wait(), millis(wait), "after race {race}");
    }
    health.expire(T + secs(640));
    assert_eq!(health.wait(), millis(500));
    health.expire(T + secs(646));
    assert_eq!(health.wait(), millis(250));
}

#[test]
fn an_event_asks_at_once_and_any_life_answers() {
    for cause in [Cause::NetworkChanged, Cause::Poked, Cause::RouteChanged(IpAddr::from([192, 0, 2, 1]))] {
        let mut health = known(millis(10));
        health.suspect(cause, T + secs(7));
        health.suspect(cause, T + secs(7));
        assert_eq!(orders(&mut health), "ping", "once");
        health.on_heard(T + millis(7100));
        assert_eq!(run(&mut health, T + millis(7349)), []);
        // The ping itself is still to be answered.
        assert_eq!(run(&mut health, T + millis(7350)), [(7350, "prepare".to_owned())]);

        let mut health = known(millis(10));
        health.suspect(cause, T + secs(7));
        orders(&mut health);
        health.expire(T + millis(7250));
        assert_eq!(health.poll(), Some(Order::Prepare(cause)));
    }
}

#[test]
fn a_proof_needs_no_silence() {
    let mut health = known(millis(10));
    let gone = Cause::AddressGone(IpAddr::from([192, 0, 2, 1]));
    health.prove(gone);
    health.prove(Cause::Poked);
    assert_eq!(health.poll(), Some(Order::Prepare(gone)));
    assert_eq!((health.poll(), health.condemned(T + secs(5)), health.deadline()), (None, Some(gone), None));
    health.on_pong(None, T + secs(6));
    assert_eq!((health.poll(), health.condemned(T + secs(6))), (None, Some(gone)), "a proof stands");
}

#[test]
fn what_was_not_heard_while_we_stood_still_says_nothing() {
    let mut health = known(millis(10));
    health.ask(T + secs(9));
    orders(&mut health);
    health.on_stall(secs(60), T + secs(69));
    assert_eq!(orders(&mut health), "ping");
    assert!(!health.racing());
    assert_eq!(run(&mut health, T + millis(69_249)), []);
    assert_eq!(run(&mut health, T + millis(69_250)), [(69_250, "prepare".to_owned())]);
    assert_eq!(known(millis(10)).doubt.map(|d| d.cause), None);
}

#[test]
fn random_lives_never_condemn_a_link_that_answers() {
    let mut seed = 7_u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for _ in 0..200 {
        let (mut health, mut now) = (Health::new(secs(5), Path::default(), T), T);
        let mut pongs: VecDeque<Instant> = VecDeque::new();
        for _ in 0..300 {
            // Answers take up to 200 ms; now and then 2 s, which may start a race but not end it.
            now += millis(below(400));
            while pongs.front().is_some_and(|at| *at <= now) {
                let at = pongs.pop_front().unwrap();
                health.on_pong(None, at);
            }
            match below(6) {
                0 => health.on_sent(now),
                1 => health.on_heard(now),
                2 => health.suspect(Cause::NetworkChanged, now),
                _ => {}
            }
            if health.deadline().is_some_and(|at| at <= now) {
                health.expire(now);
            }
            while let Some(order) = health.poll() {
                if order == Order::Ping {
                    let answer = now + millis(if below(50) == 0 { 900 } else { below(200) });
                    pongs.push_back(pongs.back().copied().unwrap_or(answer).max(answer));
                }
            }
            assert_eq!(health.condemned(now), None);
        }
    }
}

#[test]
fn late_answers_buy_time_and_punctual_ones_give_it_back() {
    let answered = |delays: &[u64]| {
        let (mut health, mut at) = (known(millis(10)), T + secs(10));
        for delay in delays {
            ask(&mut health, at);
            health.on_pong(None, at + millis(*delay));
            at += secs(5);
        }
        health.path().patience()
    };
    assert_eq!(answered(&[10, 160]), Duration::ZERO, "no retransmission is as quick as that");
    assert_eq!(answered(&[10, 400]), secs(2));
    assert_eq!(answered(&[400, 400]), secs(3));
    assert!(answered(&[400; 20]) <= secs(4));
    assert!((secs(1)..millis(1100)).contains(&answered(&[400, 10, 10, 10, 10, 10])), "half of it after five");
    let mut calm = [10; 90];
    calm[0] = 400;
    assert_eq!(answered(&calm), Duration::ZERO);
    // Of several pings the first is what the time is counted from.
    let mut health = known(millis(10));
    run(&mut health, T + millis(10_600));
    health.on_pong(None, T + millis(10_600));
    assert_eq!(health.path().patience(), secs(2));
    // That is how much later the verdict comes; 750 ms after the race began it would be else.
    orders(&mut health);
    run(&mut health, T + millis(15_850));
    assert!(health.racing());
    assert_eq!(health.condemned(T + millis(15_850) + millis(2749)), None);
    assert!(health.condemned(T + millis(15_850) + millis(2750)).is_some());
}

#[test]
fn after_five_seconds_of_silence_nothing_speaks_for_a_link() {
    let mut health = known(secs(2));
    for i in 1..6 {
        ask(&mut health, T + secs(i * 10));
        health.on_pong(None, T + secs(i * 10) + if i % 2 == 0 { secs(9) } else { secs(2) });
    }
    assert!(health.wait() * 3 + health.path().patience() > secs(7));
    orders(&mut health);
    health.suspect(Cause::Poked, T + secs(60));
    run(&mut health, T + secs(66));
    assert_eq!(health.condemned(T + millis(66_999)), None, "2 s of waiting, then 5 s");
    assert!(health.condemned(T + secs(67)).is_some());
}

#[test]
fn an_acknowledged_ping_puts_the_verdict_off_once() {
    let mut health = known(millis(10));
    run(&mut health, T + millis(10_900));
    health.on_acknowledged(true, T + millis(10_900));
    assert_eq!(health.condemned(T + millis(15_259)), None, "the answer may be lost and on its way again");
    health.on_acknowledged(true, T + secs(15));
    assert!(health.condemned(T + millis(15_260)).is_some(), "but it does not come");
    // As long as there is more to be acknowledged, each step counts.
    let mut health = known(millis(10));
    run(&mut health, T + millis(10_900));
    health.on_acknowledged(false, T + millis(10_900));
    assert_eq!(health.condemned(T + millis(11_649)), None);
    assert!(health.condemned(T + millis(11_650)).is_some());
}

#[test]
fn a_ping_that_arrived_at_once_has_no_excuse() {
    // A proxy or a relay takes everything at once, and behind it nobody answers.
    let mut health = known(millis(10));
    run(&mut health, T + millis(10_020));
    health.on_acknowledged(true, T + millis(10_260));
    run(&mut health, T + millis(10_600));
    assert!(health.racing());
    health.on_acknowledged(true, T + millis(10_600));
    assert_eq!(health.condemned(T + millis(11_009)), None);
    assert!(health.condemned(T + millis(11_010)).is_some());
    // The next question is another one.
    health.on_pong(None, T + secs(12));
    orders(&mut health);
    run(&mut health, T + millis(17_600));
    health.on_acknowledged(true, T + millis(17_600));
    assert_eq!(health.condemned(T + secs(20)), None);
}

#[test]
fn the_size_is_as_stated() {
    assert!(size_of::<Health>() + 4 * size_of::<Order>() <= 400, "{}", size_of::<Health>());
    assert!(size_of::<Path>() <= 100, "{}", size_of::<Path>());
}

#[test]
fn a_path_that_opens_gives_the_old_link_a_second() {
    let dead = |opened: u64| {
        let mut health = known(millis(10));
        run(&mut health, T + millis(opened));
        health.on_opened(T + millis(opened));
        (0..9000).find(|ms| health.condemned(T + millis(opened + ms)).is_some()).unwrap()
    };
    // Asked at 10.010.
    assert_eq!(dead(10_600), 590 + 250, "the next retransmission is no farther away than the ping");
    assert_eq!(dead(11_600), 1250);
    assert_eq!(dead(15_000), 1250);
    assert_eq!(dead(15_011), 0, "after so long nothing is waited for");
    let mut health = known(millis(10));
    run(&mut health, T + millis(11_000));
    health.on_opened(T + millis(11_000));
    assert_eq!(health.path().patience(), secs(1), "the next link is to know");
    assert_eq!(known(millis(10)).path().patience(), Duration::ZERO);
}

/// A path that loses packets, as TCP sees it.
struct Lossy {
    seed: u64,
    percent: u64,
}

impl Lossy {
    fn below(&mut self, n: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % n
    }

    /// How long one packet takes one way: tail probe, then retransmissions. `first`: before the first of them; `most`:
    /// between two.
    fn one_way(&mut self, first: u64, most: u64) -> Duration {
        let (mut took, mut rto) = (0, first);
        while self.below(100) < self.percent {
            took += rto;
            rto = (rto * 2).min(most);
        }
        millis(took + 5)
    }

    /// We bound the time between retransmissions, the server does not.
    fn round_trip(&mut self, first: u64) -> Duration {
        self.one_way(first, 1000) + self.one_way(first, 120_000)
    }
}

/// An hour of pings on a path that loses so many percent from the start: races and switches.
fn hour(seed: u64, percent: u64) -> (u32, u32) {
    let mut path = Lossy { seed, percent };
    let (mut health, mut now) = (Health::new(secs(5), Path::default(), T), T);
    let (mut races, mut switches) = (0, 0);
    let (mut pong, mut second): (Option<Instant>, Option<(Instant, Instant)>) = (None, None);
    while now < T + secs(3600) {
        let opened = second.map(|(opened, _)| opened).filter(|at| *at > now);
        let ready = second.map(|(_, ready)| ready).filter(|at| *at > now);
        now = [health.deadline(), pong, opened, ready].into_iter().flatten().min().unwrap().max(now);
        if pong.is_some_and(|at| at <= now) {
            pong = None;
            health.on_pong(None, now);
        }
        if second.is_some_and(|(opened, _)| opened == now) {
            health.on_opened(now);
        }
        health.expire(now);
        while let Some(order) = health.poll() {
            match order {
                // A ping behind one that waits for its retransmission waits with it.
                Order::Ping => pong = pong.or_else(|| Some(now + path.round_trip(200))),
                Order::Prepare(_) => {
                    races += 1;
                    let connected = path.round_trip(250);
                    // TLS and the first ping.
                    let ready = now + connected + path.round_trip(200) + path.round_trip(200);
                    let late = connected > health.wait();
                    second = Some((if late { now + connected } else { T }, ready));
                }
                Order::StandDown => second = None,
            }
        }
        let ready = second.is_some_and(|(_, ready)| ready <= now);
        if ready && health.condemned(now).is_some() || health.lost(now).is_some() {
            switches += 1;
            (health, pong, second) = (Health::new(secs(5), health.path(), now), None, None);
        }
    }
    (races, switches)
}

#[test]
fn a_path_that_loses_a_third_is_hardly_ever_left() {
    let hours = |percent| (0..50).map(|seed| hour(seed, percent)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let (races, switches) = hours(2);
    assert!(races < 100 && switches == 0, "2 %: {races} races, {switches} switches in 50 hours");
    let (races, switches) = hours(30);
    assert!(races > 500 && switches < 75, "30 %: {races} races, {switches} switches in 50 hours");
}

#[test]
fn an_answer_to_an_older_question_leaves_the_new_one_open() {
    let mut health = known(millis(10));
    health.suspect(Cause::Poked, T + secs(7));
    health.on_pong(Some(millis(900)), T + millis(7001));
    assert_eq!(orders(&mut health), "ping");
    assert_eq!(health.path().patience(), secs(2), "it was late all the same");
    let due = health.deadline().unwrap();
    assert!(due > T + millis(7250));
    assert_eq!(run(&mut health, due).pop().map(|(_, said)| said).as_deref(), Some("prepare"));
}
