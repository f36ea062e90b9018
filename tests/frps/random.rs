//! Any sequence of inputs leaves the tables in order, the deadlines in the future and the queues bounded.

use crate::frps::faults::{Act, Fault, MuxFault, Stage, frame_of, message};
use crate::frps::settings::{Settings, Takeover};
use crate::frps::{Conn, User};
use crate::script::{Control, Script, login, mux_frame, mux_open, proxy, work};
use redial::proto::time::Duration;
use redial::wire::msg::Ping;
use redial::wire::yamux::{Flags, Kind};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.roll(all.len())]) }
    }

    fn fault(&mut self) -> Fault {
        use Stage::{Accept, Login, MuxPing, NewProxy, Payload, Ping, Start, Stream, WorkConn};
        let stage = self.pick(&[Accept, Stream, Login, NewProxy, Ping, MuxPing, WorkConn, Start, Payload]);
        let act = match self.roll(10) {
            0 => Act::Silence,
            1 => Act::Close,
            2 => Act::Reset,
            3 => Act::CloseStream,
            4 => Act::ResetStream,
            5 => Act::Send(frame_of(b's', 16)),
            6 => Act::SendThenClose(b"x".to_vec()),
            7 => Act::Raw(vec![1; 30]),
            8 => Act::Mux(MuxFault::FinTwice),
            _ => Act::Demand(1000),
        };
        Fault::once(stage.expect("there are stages"), act)
    }
}

/// A client that does anything.
struct Chaos {
    script: Script,
    dice: Dice,
    mux: bool,
    conns: Vec<Conn>,
    users: Vec<User>,
    controls: Vec<Control>,
    stream: u32,
}

impl Chaos {
    fn step(&mut self) {
        match self.dice.roll(16) {
            0 => self.conns.push(self.script.connect()),
            1 => self.log_in(),
            2 => self.bytes_on_a_line(message(login("b", 3))),
            3 | 4 => self.bytes_on_a_line(message(work("a"))),
            5 => self.control(),
            6 => self.raw(),
            7 => self.users.push(self.script.visit(6000)),
            8 | 9 => self.user(),
            10 => self.end_conn(),
            11 => self.script.users_read = self.dice.roll(2) == 0,
            12 => self.script.clients_read = self.dice.roll(4) > 0,
            13 => self.script.frps.stall_users(self.dice.roll(4) == 0),
            14 => {
                let fault = self.dice.fault();
                self.script.frps.add_fault(fault);
            }
            _ => {
                let time = Duration::from_millis(1 << self.dice.roll(14));
                self.script.pass(time);
            }
        }
        self.script.settle();
        let gone = |conn: &Conn| self.script.closed.contains(conn) || self.script.aborted.contains(conn);
        self.conns.retain(|conn| !gone(conn));
        self.controls.retain(|control| !gone(&control.conn));
        self.users.retain(|user| !self.script.left.contains_key(user));
        self.script.forget();
    }

    fn feed(&mut self, conn: Conn, bytes: &[u8]) {
        let room = self.script.frps.conn_room(conn);
        if !self.script.closed.contains(&conn) && room >= bytes.len() {
            self.script.frps.received(conn, bytes, self.script.now);
        }
    }

    fn log_in(&mut self) {
        let conn = self.script.connect();
        self.script.received(conn);
        self.conns.push(conn);
        let bytes = message(login("a", 2));
        let first = if self.mux { mux_open(1, &bytes) } else { bytes };
        self.feed(conn, &first);
        self.script.settle();
        let answer = self.script.received(conn);
        let answer = if self.mux { crate::script::mux_body(&answer, 1) } else { answer };
        if answer.first() == Some(&b'1') {
            self.script.sent.insert(conn, answer);
            self.controls.push(self.script.control(conn));
            self.script.received(conn);
        }
    }

    fn bytes_on_a_line(&mut self, bytes: Vec<u8>) {
        if self.mux {
            let Some(conn) = self.dice.pick(&self.conns) else { return };
            self.stream += 2;
            self.feed(conn, &mux_open(self.stream, &bytes));
        } else {
            let conn = self.script.connect();
            self.conns.push(conn);
            self.feed(conn, &bytes);
        }
    }

    fn control(&mut self) {
        let dice = &mut self.dice;
        let at = dice.roll(self.controls.len().max(1));
        let Some(control) = self.controls.get_mut(at) else { return };
        let bytes = match dice.roll(4) {
            0 => message(Ping::default()),
            1 => message(proxy("p", 6000)),
            2 => message(proxy("q", dice.roll(3) as i64)),
            _ => frame_of(b'h', 10_241),
        };
        let (conn, sealed) = (control.conn, control.sealed(&bytes));
        let bytes = if self.mux { mux_frame(Kind::Data, Flags::NONE, 1, &sealed) } else { sealed };
        self.feed(conn, &bytes);
    }

    fn raw(&mut self) {
        let Some(conn) = self.dice.pick(&self.conns) else { return };
        let len = self.dice.roll(3000);
        let stream = 1 + 2 * u32::try_from(self.dice.roll(20)).expect("a die");
        let flags = self.dice.pick(&[Flags::NONE, Flags::NONE, Flags::NONE, Flags::FIN, Flags::RST]);
        let body = vec![self.dice.roll(256) as u8; len];
        match self.mux {
            true => self.feed(conn, &mux_frame(Kind::Data, flags.expect("there are flags"), stream, &body)),
            false => self.feed(conn, &body),
        }
    }

    fn user(&mut self) {
        let Some(user) = self.dice.pick(&self.users) else { return };
        let room = self.script.frps.user_room(user);
        match self.dice.roll(8) {
            0 => self.script.frps.user_ended(user, self.script.now),
            1 => {
                self.script.frps.user_failed(user, self.script.now);
                self.users.retain(|other| *other != user);
            }
            _ if room > 0 => self.script.frps.user_received(user, &vec![1; 1 + self.dice.roll(room)], self.script.now),
            _ => {}
        }
    }

    fn end_conn(&mut self) {
        let Some(conn) = self.dice.pick(&self.conns) else { return };
        if self.dice.roll(2) == 0 {
            self.script.frps.ended(conn, self.script.now);
        } else {
            self.script.fail(conn);
            self.conns.retain(|other| *other != conn);
            self.controls.retain(|control| control.conn != conn);
        }
    }
}

#[test]
fn any_sequence_keeps_the_tables_in_order() {
    for seed in 0..300 {
        let mux = seed % 2 == 0;
        let takeover = [Takeover::AtOnce, Takeover::WhenReaped, Takeover::Stuck][seed as usize % 3];
        let base = if mux { Settings::default() } else { Settings::without_mux() };
        let (script, dice) = (Script::new(Settings { takeover, ..base }), Dice(seed));
        let (conns, users, controls) = (Vec::new(), Vec::new(), Vec::new());
        let mut chaos = Chaos { script, dice, mux, conns, users, controls, stream: 1 };
        (0..300).for_each(|_| chaos.step());
        let tally = chaos.script.frps.tally();
        assert!(tally.logins > 0, "seed {seed}: {tally:?}");
    }
}
