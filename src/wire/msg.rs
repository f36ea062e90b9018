//! frp's messages (protocol §2.3, §2.4) as values; their bodies are JSON.
//!
//! Owns the fields of every message and the byte that names it in wire protocol v1. Does not frame them
//! ([`super::frame`]) or check what they mean. Always true: a field that is empty, zero or false is left out when
//! written, and may be missing or `null` when read; unknown fields are ignored. Worst case: a small multiple of the
//! body's size.

use serde::de::{Deserialize, Deserializer};
use serde::{Deserialize as De, Serialize as Ser};
use std::collections::BTreeMap;

/// `metas`, `annotations`: written in the order of their keys, as Go does.
pub type Map = BTreeMap<String, String>;

/// For `skip_serializing_if`.
fn unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Peers before 0.43 write `null` for an empty list or map.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// First message of a session, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct Login {
    /// A numeric triple; servers up to 0.51 refuse anything below 0.18.0.
    #[serde(skip_serializing_if = "unset")]
    pub version: String,
    /// Shown in dashboards.
    #[serde(skip_serializing_if = "unset")]
    pub hostname: String,
    /// Go's name of the system, as `linux`.
    #[serde(skip_serializing_if = "unset")]
    pub os: String,
    /// Go's name of the architecture, as `arm64`.
    #[serde(skip_serializing_if = "unset")]
    pub arch: String,
    /// `user` of the configuration.
    #[serde(skip_serializing_if = "unset")]
    pub user: String,
    /// Proof of the token (§3.2).
    #[serde(skip_serializing_if = "unset")]
    pub privilege_key: String,
    /// Unix seconds the proof was made with.
    #[serde(skip_serializing_if = "unset")]
    pub timestamp: i64,
    /// Empty at first, then what the server gave.
    #[serde(skip_serializing_if = "unset")]
    pub run_id: String,
    /// `clientID` of the configuration (≥ 0.67).
    #[serde(skip_serializing_if = "unset")]
    pub client_id: String,
    /// `metadatas` of the configuration.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub metas: Map,
    /// Always present.
    pub client_spec: ClientSpec,
    /// Work connections the server shall ask for in advance.
    #[serde(skip_serializing_if = "unset")]
    pub pool_count: i64,
}

/// Part of [`Login`]; only the server's own SSH gateway fills it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct ClientSpec {
    /// Kind of client.
    #[serde(rename = "type", skip_serializing_if = "unset")]
    pub kind: String,
    /// Skip authentication.
    #[serde(skip_serializing_if = "unset")]
    pub always_auth_pass: bool,
}

/// Answer to [`Login`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct LoginResp {
    /// The server's version.
    #[serde(skip_serializing_if = "unset")]
    pub version: String,
    /// Name of the session; empty on error.
    #[serde(skip_serializing_if = "unset")]
    pub run_id: String,
    /// Why the login was refused; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// Registers a proxy, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NewProxy {
    /// With the user's prefix (§6.1).
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// `tcp`, `udp`, …
    #[serde(skip_serializing_if = "unset")]
    pub proxy_type: String,
    /// AES-128-CFB on work connections.
    #[serde(skip_serializing_if = "unset")]
    pub use_encryption: bool,
    /// Snappy on work connections.
    #[serde(skip_serializing_if = "unset")]
    pub use_compression: bool,
    /// As written in the configuration.
    #[serde(skip_serializing_if = "unset")]
    pub bandwidth_limit: String,
    /// `server`, or empty when the client limits.
    #[serde(skip_serializing_if = "unset")]
    pub bandwidth_limit_mode: String,
    /// Load-balancing group.
    #[serde(skip_serializing_if = "unset")]
    pub group: String,
    /// Its key.
    #[serde(skip_serializing_if = "unset")]
    pub group_key: String,
    /// `metadatas` of the proxy.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub metas: Map,
    /// `annotations` of the proxy.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub annotations: Map,
    /// tcp, udp: 0 lets the server choose.
    #[serde(skip_serializing_if = "unset")]
    pub remote_port: i64,
    /// http, https, tcpmux.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub custom_domains: Vec<String>,
    /// http, https, tcpmux.
    #[serde(skip_serializing_if = "unset")]
    pub subdomain: String,
    /// http.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub locations: Vec<String>,
    /// http, tcpmux.
    #[serde(skip_serializing_if = "unset")]
    pub http_user: String,
    /// http, tcpmux.
    #[serde(skip_serializing_if = "unset")]
    pub http_pwd: String,
    /// http.
    #[serde(skip_serializing_if = "unset")]
    pub host_header_rewrite: String,
    /// http: request headers to set.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub headers: Map,
    /// http: response headers to set (≥ 0.58).
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub response_headers: Map,
    /// http, tcpmux (≥ 0.43).
    #[serde(skip_serializing_if = "unset")]
    pub route_by_http_user: String,
    /// stcp, sudp, xtcp: the secret.
    #[serde(skip_serializing_if = "unset")]
    pub sk: String,
    /// stcp, sudp, xtcp (≥ 0.50).
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub allow_users: Vec<String>,
    /// tcpmux.
    #[serde(skip_serializing_if = "unset")]
    pub multiplexer: String,
}

/// Answer to [`NewProxy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NewProxyResp {
    /// As in the request.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// Where users reach it, as `:6000`.
    #[serde(skip_serializing_if = "unset")]
    pub remote_addr: String,
    /// Why it was refused; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// Withdraws a proxy, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct CloseProxy {
    /// As in [`NewProxy`].
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
}

/// First message of a work connection, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NewWorkConn {
    /// The session's.
    #[serde(skip_serializing_if = "unset")]
    pub run_id: String,
    /// Proof of the token, with the scope `NewWorkConns`.
    #[serde(skip_serializing_if = "unset")]
    pub privilege_key: String,
    /// Unix seconds the proof was made with.
    #[serde(skip_serializing_if = "unset")]
    pub timestamp: i64,
}

/// The server wants one more work connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct ReqWorkConn {}

/// The server starts to use a work connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct StartWorkConn {
    /// For which proxy.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// The user's address (§5.8).
    #[serde(skip_serializing_if = "unset")]
    pub src_addr: String,
    /// The address the user connected to.
    #[serde(skip_serializing_if = "unset")]
    pub dst_addr: String,
    /// The user's port.
    #[serde(skip_serializing_if = "unset")]
    pub src_port: u16,
    /// The port the user connected to.
    #[serde(skip_serializing_if = "unset")]
    pub dst_port: u16,
    /// Why the connection was refused; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// First message of a visitor connection, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NewVisitorConn {
    /// The session's (≥ 0.50).
    #[serde(skip_serializing_if = "unset")]
    pub run_id: String,
    /// The target, with its user's prefix.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// Proof of the proxy's secret (§6.6).
    #[serde(skip_serializing_if = "unset")]
    pub sign_key: String,
    /// Unix seconds the proof was made with.
    #[serde(skip_serializing_if = "unset")]
    pub timestamp: i64,
    /// AES-128-CFB on this connection.
    #[serde(skip_serializing_if = "unset")]
    pub use_encryption: bool,
    /// Snappy on this connection.
    #[serde(skip_serializing_if = "unset")]
    pub use_compression: bool,
}

/// Answer to [`NewVisitorConn`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NewVisitorConnResp {
    /// As in the request.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// Why it was refused; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// Heartbeat, client to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct Ping {
    /// Proof of the token, with the scope `HeartBeats`.
    #[serde(skip_serializing_if = "unset")]
    pub privilege_key: String,
    /// Unix seconds the proof was made with.
    #[serde(skip_serializing_if = "unset")]
    pub timestamp: i64,
}

/// Answer to [`Ping`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct Pong {
    /// Why the heartbeat was refused; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// One datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct UdpPacket {
    /// Payload in padded base64.
    #[serde(rename = "c", skip_serializing_if = "unset")]
    pub content: String,
    /// Not used by the proxies of frp.
    #[serde(rename = "l", skip_serializing_if = "unset")]
    pub local_addr: Option<UdpAddr>,
    /// The user.
    #[serde(rename = "r", skip_serializing_if = "unset")]
    pub remote_addr: Option<UdpAddr>,
}

/// An address in [`UdpPacket`]; all fields are always written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct UdpAddr {
    /// Textual; empty if unset.
    #[serde(rename = "IP")]
    pub ip: String,
    /// The port.
    #[serde(rename = "Port")]
    pub port: u16,
    /// IPv6 zone.
    #[serde(rename = "Zone")]
    pub zone: String,
}

/// xtcp, visitor's client to server (§7.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NatHoleVisitor {
    /// Matches question and answer.
    #[serde(skip_serializing_if = "unset")]
    pub transaction_id: String,
    /// The target.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// Only ask whether the target exists.
    #[serde(skip_serializing_if = "unset")]
    pub pre_check: bool,
    /// `quic` or `kcp`.
    #[serde(skip_serializing_if = "unset")]
    pub protocol: String,
    /// Proof of the secret.
    #[serde(skip_serializing_if = "unset")]
    pub sign_key: String,
    /// Unix seconds the proof was made with.
    #[serde(skip_serializing_if = "unset")]
    pub timestamp: i64,
    /// As seen by the STUN server.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub mapped_addrs: Vec<String>,
    /// Local addresses.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub assisted_addrs: Vec<String>,
}

/// xtcp, proxy's client to server (§7.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NatHoleClient {
    /// Matches question and answer.
    #[serde(skip_serializing_if = "unset")]
    pub transaction_id: String,
    /// The proxy.
    #[serde(skip_serializing_if = "unset")]
    pub proxy_name: String,
    /// Session of the rendezvous.
    #[serde(skip_serializing_if = "unset")]
    pub sid: String,
    /// As seen by the STUN server.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub mapped_addrs: Vec<String>,
    /// Local addresses.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub assisted_addrs: Vec<String>,
}

/// xtcp, server to both clients (§7.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NatHoleResp {
    /// Matches question and answer.
    #[serde(skip_serializing_if = "unset")]
    pub transaction_id: String,
    /// Session of the rendezvous.
    #[serde(skip_serializing_if = "unset")]
    pub sid: String,
    /// `quic` or `kcp`.
    #[serde(skip_serializing_if = "unset")]
    pub protocol: String,
    /// The peer's mapped addresses.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub candidate_addrs: Vec<String>,
    /// The peer's local addresses.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub assisted_addrs: Vec<String>,
    /// What to do; always present.
    pub detect_behavior: DetectBehavior,
    /// Why it failed; empty on success.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
}

/// Part of [`NatHoleResp`] (§7.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct DetectBehavior {
    /// `sender` or `receiver`.
    #[serde(skip_serializing_if = "unset")]
    pub role: String,
    /// For information.
    #[serde(skip_serializing_if = "unset")]
    pub mode: i64,
    /// IP TTL of the first packets; 0 leaves it.
    #[serde(skip_serializing_if = "unset")]
    pub ttl: i64,
    /// Wait this long first, milliseconds.
    #[serde(skip_serializing_if = "unset")]
    pub send_delay_ms: i64,
    /// Wait this long for an answer, milliseconds.
    #[serde(skip_serializing_if = "unset")]
    pub read_timeout: i64,
    /// Ports to try.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_empty")]
    pub candidate_ports: Vec<PortsRange>,
    /// Random ports to try.
    #[serde(skip_serializing_if = "unset")]
    pub send_random_ports: i64,
    /// Sockets to open.
    #[serde(skip_serializing_if = "unset")]
    pub listen_random_ports: i64,
}

/// Part of [`DetectBehavior`]; both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct PortsRange {
    /// First.
    #[serde(skip_serializing_if = "unset")]
    pub from: i64,
    /// Last.
    #[serde(skip_serializing_if = "unset")]
    pub to: i64,
}

/// xtcp, on the work connection and between the peers (§7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NatHoleSid {
    /// Matches question and answer.
    #[serde(skip_serializing_if = "unset")]
    pub transaction_id: String,
    /// Session of the rendezvous.
    #[serde(skip_serializing_if = "unset")]
    pub sid: String,
    /// Question or answer.
    #[serde(skip_serializing_if = "unset")]
    pub response: bool,
    /// Padding.
    #[serde(skip_serializing_if = "unset")]
    pub nonce: String,
}

/// xtcp, proxy's client to server (§7.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Ser, De)]
#[serde(default)]
pub struct NatHoleReport {
    /// Session of the rendezvous.
    #[serde(skip_serializing_if = "unset")]
    pub sid: String,
    /// Whether the hole is open.
    #[serde(skip_serializing_if = "unset")]
    pub success: bool,
}

/// What can be sent: each message by itself, so that a program holds the codings of those that it sends, and
/// [`Message`].
pub trait Say {
    /// frp's name of the message.
    fn name(&self) -> &'static str;
    /// The byte that names the message in wire protocol v1.
    fn type_byte(&self) -> u8;
    /// Adds the body.
    ///
    /// # Errors
    /// None: strings, numbers and maps of strings always have a JSON form.
    fn write_body(&self, out: &mut Vec<u8>) -> serde_json::Result<()>;
}

/// What can be read: [`Message`], or [`Answer`], so that a program holds the codings of those that it reads.
pub(super) trait Hear: Sized {
    /// Reads a body; `None` if the type byte names no message.
    fn read_body(byte: u8, body: &[u8]) -> Option<serde_json::Result<Self>>;
}

/// What a client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Login`].
    LoginResp(LoginResp),
    /// To [`NewProxy`].
    NewProxyResp(NewProxyResp),
    /// Another work connection is wanted.
    ReqWorkConn,
    /// A work connection is used.
    StartWorkConn(StartWorkConn),
    /// To [`Ping`].
    Pong(Pong),
    /// The name of a message that no client of ours reads; its body was not looked at.
    Other(&'static str),
}

impl Hear for Answer {
    fn read_body(byte: u8, body: &[u8]) -> Option<serde_json::Result<Self>> {
        let name = name_of(byte)?;
        Some(match name {
            "LoginResp" => serde_json::from_slice(body).map(Self::LoginResp),
            "NewProxyResp" => serde_json::from_slice(body).map(Self::NewProxyResp),
            "ReqWorkConn" => serde_json::from_slice::<ReqWorkConn>(body).map(|_| Self::ReqWorkConn),
            "StartWorkConn" => serde_json::from_slice(body).map(Self::StartWorkConn),
            "Pong" => serde_json::from_slice(body).map(Self::Pong),
            _ => Ok(Self::Other(name)),
        })
    }
}

impl Answer {
    /// frp's name of the message.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoginResp(_) => "LoginResp",
            Self::NewProxyResp(_) => "NewProxyResp",
            Self::ReqWorkConn => "ReqWorkConn",
            Self::StartWorkConn(_) => "StartWorkConn",
            Self::Pong(_) => "Pong",
            Self::Other(name) => name,
        }
    }
}

/// The one list of messages: enum, names, type bytes and both codings follow from it.
macro_rules! messages {
    ($($name:ident = $byte:literal,)*) => {
        /// Any message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(clippy::large_enum_variant, reason = "a message lives for one call")]
        pub enum Message {
            $(#[doc = concat!("Type byte `", stringify!($byte), "`.")] $name($name),)*
        }

        /// frp's name of the message with this type byte.
        pub(super) fn name_of(byte: u8) -> Option<&'static str> {
            match byte {
                $($byte => Some(stringify!($name)),)*
                _ => None,
            }
        }

        impl Message {
            /// frp's name of the message.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// The byte that names the message in wire protocol v1.
            pub fn type_byte(&self) -> u8 {
                match self { $(Self::$name(_) => $byte,)* }
            }
        }

        impl Say for Message {
            fn name(&self) -> &'static str {
                self.name()
            }

            fn type_byte(&self) -> u8 {
                self.type_byte()
            }

            fn write_body(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                match self { $(Self::$name(m) => m.write_body(out),)* }
            }
        }

        impl Hear for Message {
            fn read_body(byte: u8, body: &[u8]) -> Option<serde_json::Result<Self>> {
                $(if byte == $byte {
                    return Some(serde_json::from_slice(body).map(Self::$name));
                })*
                None
            }
        }

        $(impl Say for $name {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn type_byte(&self) -> u8 {
                $byte
            }

            fn write_body(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                serde_json::to_writer(out, self)
            }
        })*

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })*
    };
}

messages! {
    Login = b'o',
    LoginResp = b'1',
    NewProxy = b'p',
    NewProxyResp = b'2',
    CloseProxy = b'c',
    NewWorkConn = b'w',
    ReqWorkConn = b'r',
    StartWorkConn = b's',
    NewVisitorConn = b'v',
    NewVisitorConnResp = b'3',
    Ping = b'h',
    Pong = b'4',
    UdpPacket = b'u',
    NatHoleVisitor = b'i',
    NatHoleClient = b'n',
    NatHoleResp = b'm',
    NatHoleSid = b'5',
    NatHoleReport = b'6',
}
