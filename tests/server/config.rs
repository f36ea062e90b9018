//! Settings that the tests share.

use crate::support::frps::settings::Settings;
use crate::support::server::Server;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The token of both ends.
pub(crate) const TOKEN: &str = "secret";

/// Finds a dead line soon, in both modes.
pub(crate) const QUICK: &str = "transport.tcpMuxKeepaliveInterval = 1
transport.heartbeatInterval = 1
transport.heartbeatTimeout = 3
";

/// How payload travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) mux: bool,
    pub(crate) encryption: bool,
    pub(crate) compression: bool,
}

impl Way {
    pub(crate) const MUX: Self = Self { mux: true, encryption: false, compression: false };
    pub(crate) const PLAIN: Self = Self { mux: false, encryption: false, compression: false };

    pub(crate) fn encrypted(self) -> Self {
        Self { encryption: true, ..self }
    }

    pub(crate) fn compressed(self) -> Self {
        Self { compression: true, ..self }
    }
}

/// A server's settings.
pub(crate) fn settings(mux: bool) -> Settings {
    let settings = if mux { Settings::default() } else { Settings::without_mux() };
    Settings { token: TOKEN.to_owned(), ..settings }
}

/// A frpc.toml for this server: proxies with name, local port and way. `extra` comes before them.
pub(crate) fn toml(server: &Server, proxies: &[(&str, u16, Way)], extra: &str) -> String {
    let (port, mux) = (server.addr().port(), proxies.iter().all(|(.., way)| way.mux));
    let mut text = format!(
        "serverAddr = \"127.0.0.1\"\nserverPort = {port}\nloginFailExit = false\nauth.token = \"{TOKEN}\"\n\
         transport.tls.enable = false\ntransport.tcpMux = {mux}\n{extra}\n"
    );
    for (name, local, way) in proxies {
        let _ = writeln!(
            text,
            "[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = {local}\nremotePort = 0\n\
             transport.useEncryption = {}\ntransport.useCompression = {}",
            way.encryption, way.compression
        );
    }
    text
}

/// Says something to an echo a few times, and hears it.
pub(crate) fn converse(mut user: &TcpStream, times: usize) {
    for n in 0..times {
        let said = format!("line {n} of a conversation");
        user.write_all(said.as_bytes()).expect("the tunnel takes it");
        let mut heard = vec![0; said.len()];
        user.read_exact(&mut heard).expect("the echo answers");
        assert_eq!(heard, said.as_bytes());
    }
}
