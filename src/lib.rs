//! redial: the frp client for routers, NAS boxes and other small machines.
//!
//! It speaks to an unmodified frps, takes the file of frpc, and notices when the line has died. One thread, one event
//! loop, memory within a budget. This text is the map of the sources; `README.md` is for users.
//!
//! # Layers
//!
//! Arrows point down; `tests/layering.rs` fails when one does not.
//!
//! ```text
//! cli     argv, log lines, the loop, the exit code
//!  └─ admin   answers who asks over HTTP; what is to be done comes out as commands
//!  └─ client   decides: dial, log in, route, retry, report
//!      ├─ config   the user's file → Config
//!      └─ net      sockets, readiness, names, time: behind the trait Net
//!          └─ proto    machines: bytes and time in, bytes and events out
//!              └─ wire     bytes ⇄ values
//! ```
//!
//! | layer | may | may not |
//! |---|---|---|
//! | [`wire`] | turn bytes into values and back | keep state, know time |
//! | [`proto`] | keep state; take bytes and `now`, give bytes, events, deadlines | call the system, read a clock, draw random numbers |
//! | [`net`] | make system calls, keep readiness, mint [`proto::time::Instant`] | know what a proxy, a message or a relay is |
//! | [`config`] | read files at start | act on what they say |
//! | [`client`] | decide | parse bytes, touch readiness, block |
//! | `admin` | answer, ask for commands | change the client, wait |
//! | [`cli`] | print, log, set up, keep the state file | decide anything else |
//!
//! The seam is [`net::Net`]: the same client runs over [`net::os::Os`] (mio) and over [`net::sim::Sim`] (virtual time).
//! Every machine has one grammar: `feed` and `on_…` bring the world in, verbs are the owner's commands, `poll` (or the
//! returned events) and `output` go out, `deadline` and `expire` are time.
//!
//! # Glossary
//!
//! frp's words, TCP's and yamux's; the same in code, logs and documents.
//!
//! | word | meaning |
//! |---|---|
//! | server | frps |
//! | session | from one login to its loss; the server names it by a run id |
//! | link | one connection to the server with its layers (TLS, mux) |
//! | stream | one of the connections that the mux carries over a link |
//! | second connection | a link prepared while the first is in doubt; it takes over or is called off |
//! | draining | said of a link that another has taken the place of, while users' bytes still move on it |
//! | memory | what outlives the program: under which run id the server knows us |
//! | outage | from the loss of a session to the next login |
//! | control | the connection (stream, or link without mux) that carries messages about the session |
//! | work connection | the connection (stream or link) that carries one user's bytes |
//! | pooled | said of a work connection that waits for use |
//! | tunnel | a work connection in use, with its connection to the local service |
//! | proxy | one service made public, as in the configuration |
//! | local service | what a proxy makes public |
//! | user | whoever connects to the server's public port |
//! | up, down | from the local service to the server, and back |
//! | task | a session's link or a work connection: what has a place in the run queue |
//! | turn | from one return of the poll to the next |
//! | issuer | the OIDC server that sells tickets; one request to it is an exchange |
//! | ticket | what proves who we are in place of the token: from an issuer, a file or a command |
//! | store | the file with entries that the admin API made, beside those of the configuration |
//! | announcement | what the server is told of a proxy |
//!
//! # The journey of a login
//!
//! [`client::Client::turn`] finds the session waiting and its time come: a dial starts. A name is looked up
//! ([`net::dns`]), its addresses race ([`proto::race`]), and the winner becomes a link: first byte, TLS
//! ([`proto::tls`]), mux ([`proto::mux`]). The control machine ([`proto::control`]) puts the login into its output, the
//! session hands it to the link, the link writes it at the end of the turn. The answer comes up the same way; from then
//! on the control stream is encrypted ([`proto::crypto`]), proxies are registered in bursts, heartbeats start. Whatever
//! fails ends in one place, where the session's pace ([`proto::backoff`]) sets the next try.
//!
//! # The journey of a doubt
//!
//! Bytes, pings, acknowledgements and changes of the network feed [`proto::health`]; how far silence is to be trusted on
//! this path, [`proto::path`] remembers. Health asks for a ping, then for a second connection; when the first link stays
//! silent, or is proven dead, the second one logs in ([`proto::takeover`] says under which name), and the first drains or
//! is dropped.
//!
//! # The journey of a byte
//!
//! Down, with mux: one large read of the link; TLS opens its records and puts the plain bytes at its front; the mux
//! lends out the pieces of each stream; all pieces of one tunnel are decrypted in place and leave in one vectored write
//! to the local socket. Only what does not fit there is copied, into a queue that is charged to the budget; the server
//! is credited when it has left. Up: a read of the local socket to behind a free headroom; encrypted in place; the mux header goes into the
//! headroom; one write. Small pieces wait for the end of the turn and leave together. Without mux and layers the kernel
//! moves the bytes ([`net::Net::splice_in`]) and they are never seen here.
//!
//! # The journey of a change
//!
//! SIGHUP, `reload`, `PUT /api/config` and the store's paths are orders for `cli::reload`. It has the files read beside the
//! loop, loads ([`config::Loader`]) until no file is wanted any more, and hands the proxies to [`client::Client::reload`],
//! which touches those that differ. With `--confirm` the way back is kept until all is up.
//!
//! # Rules of the house
//!
//! * Nothing blocks the loop: not names, not files (but for three small ones: the resolver's and the
//!   state), not log lines.
//! * A peer's bytes never panic and never cost more than the budget. A panic is a bug of ours.
//! * A wait has a deadline with a name. A module opens with what it owns, what it never does, what is always true and
//!   its worst case in bytes.
//! * An error says who is to blame; policy is decided in one `match`.

#[cfg(feature = "admin")]
pub mod admin;
pub mod cli;
pub mod client;
pub mod config;
pub mod net;
pub mod proto;
pub mod wire;
