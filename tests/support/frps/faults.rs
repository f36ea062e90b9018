//! What the server can be told to do wrong, and bytes to do it with.
//!
//! Owns the list of faults and how often each still strikes. Does not carry them out: that is [`super::Frps`]. Always
//! true: a fault strikes at its stage, in the order in which the faults were added, as often as it says. Worst case: the
//! bytes the test hands in.

use redial::wire::frame::{self, HEADER};
use redial::wire::msg::{LoginResp, Message, StartWorkConn};

/// Where in a session a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A connection was accepted; nothing has been read.
    Accept,
    /// A mux stream was opened (with mux only), before it is acknowledged. Each stream counts.
    Stream,
    /// Login was received, before it is looked at.
    Login,
    /// NewProxy was received.
    NewProxy,
    /// A heartbeat (Ping on the control connection) was received.
    Ping,
    /// A mux ping was received (with mux only).
    MuxPing,
    /// NewWorkConn was received.
    WorkConn,
    /// A user was given a work connection, before StartWorkConn is sent.
    Start,
    /// The first payload of a user came, after StartWorkConn was sent.
    Payload,
}

/// What is done instead of the usual answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing is answered. A connection or stream that is not in use yet is never answered again; a control
    /// connection goes on with the next message.
    Silence,
    /// The whole connection is closed.
    Close,
    /// The whole connection is reset.
    Reset,
    /// The logical connection is closed: FIN of its stream, or as [`Act::Close`] without mux.
    CloseStream,
    /// The logical connection is reset: RST of its stream, or as [`Act::Reset`] without mux.
    ResetStream,
    /// These bytes are sent on the logical connection, encrypted where it is encrypted; then as [`Act::Silence`].
    Send(Vec<u8>),
    /// As [`Act::Send`]; then the whole connection is closed.
    SendThenClose(Vec<u8>),
    /// These bytes are sent below the mux, as they are; then as [`Act::Silence`].
    Raw(Vec<u8>),
    /// The rules of the mux are broken on this stream; then the usual answer follows. Does nothing without mux.
    Mux(MuxFault),
    /// So many more work connections are asked for; then the usual answer follows. Does nothing before the login.
    Demand(u64),
}

/// Ways to break the rules of the mux (protocol §1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MuxFault {
    /// The server opens a stream.
    OpenStream,
    /// The header of a data frame that is larger than the window by one byte, and its first KiB.
    TooMuchData,
    /// FIN, then data.
    DataAfterFin,
    /// FIN, then FIN.
    FinTwice,
    /// Data, window and FIN for a stream that never was. Not an error: it has to be ignored.
    UnknownStream,
    /// Go away, with this code.
    GoAway(u32),
    /// A header of version 1.
    WrongVersion,
    /// A header of kind 9.
    WrongKind,
    /// A window update that lifts the window beyond 32 bits.
    WindowOverflow,
    /// The reply to a ping that was never sent. Not an error: it has to be ignored.
    StrayPong,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where it strikes.
    pub(crate) stage: Stage,
    /// What is done.
    pub(crate) act: Act,
    /// How often.
    pub(crate) times: u32,
}

impl Fault {
    /// A fault that strikes once.
    pub(crate) fn once(stage: Stage, act: Act) -> Self {
        Self { stage, act, times: 1 }
    }

    /// A fault that strikes every time.
    pub(crate) fn always(stage: Stage, act: Act) -> Self {
        Self { stage, act, times: u32::MAX }
    }
}

/// The faults that are still to strike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Forgets all faults.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What strikes at this stage now.
    pub(crate) fn next(&mut self, stage: Stage) -> Option<Act> {
        let fault = self.0.iter_mut().find(|f| f.stage == stage && f.times > 0)?;
        fault.times -= 1;
        Some(fault.act.clone())
    }
}

/// The bytes of a message.
pub(crate) fn message(message: impl Into<Message>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(&message.into(), &mut bytes).expect("the messages of tests are short");
    bytes
}

/// StartWorkConn for this proxy, or with this error.
pub(crate) fn start(proxy: &str, error: &str) -> Vec<u8> {
    message(StartWorkConn { proxy_name: proxy.to_owned(), error: error.to_owned(), ..StartWorkConn::default() })
}

/// A login that is refused in these words.
pub(crate) fn refusal(error: &str) -> Vec<u8> {
    message(LoginResp { error: error.to_owned(), ..LoginResp::default() })
}

/// The header of a frame of this type and length, and 16 bytes of body.
pub(crate) fn frame_of(kind: u8, length: i64) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    debug_assert_eq!(bytes.len(), HEADER);
    bytes.extend([b'{'; 16]);
    bytes
}

/// What a web server says to something it does not understand.
pub(crate) fn http_response() -> Vec<u8> {
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
}

/// What a TLS server says to something that is not TLS.
pub(crate) fn tls_alert() -> Vec<u8> {
    vec![0x15, 3, 1, 0, 2, 2, 10]
}
