//! What this system offers of what redial uses, found by trying it, for `redial selftest`.
//!
//! Owns the list. Does not take part in the loop: it blocks, for the moment a connection over loopback takes. Always
//! true: each entry calls what the loop calls, so a "no" here is a "no" there. Worst case: three sockets, a pipe, and a
//! page of memory.

use super::changes::Changes;
use super::pipe::Pipes;
use super::tcp;
use crate::net::opts::{Keepalive, SockOpts};
use crate::proto::time::secs;
use rustix::net::sockopt;
use socket2::{Domain, Socket, Type};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

/// Something the system has or lacks.
#[derive(Debug)]
pub struct Capability {
    /// What it is called in tcp(7), socket(7), rtnetlink(7) and their like.
    pub name: &'static str,
    /// Details, often none; or why it is not there.
    pub found: io::Result<String>,
    /// What is not possible without it.
    pub without: &'static str,
}

/// Tries everything.
///
/// # Errors
/// There is no TCP over loopback at all, so nothing can be tried.
pub fn capabilities() -> io::Result<Vec<Capability>> {
    let (near, far) = pair()?;
    let capability = |name, without, found| Capability { name, found, without };
    Ok(vec![
        capability("keepalive", "an idle dead work connection is never noticed", keepalive(&near)),
        capability("TCP_USER_TIMEOUT", "the kernel takes minutes to give up a dead line", user_timeout(&near)),
        capability("TCP_NOTSENT_LOWAT", "a slow line delays what is urgent", notsent_lowat(&near)),
        capability("TCP_RTO_MAX_MS", "heavy loss is survived more slowly (Linux 6.15 or later)", rto_max(&near)),
        capability(
            "TCP_INFO",
            "nothing is lost, but the kernel is very old or no Linux",
            tcp::info_size(&near).map(|n| format!("{n} bytes")),
        ),
        capability("SIOCOUTQ", "acknowledgements do not count as signs of life", outq(&near)),
        capability("splice", "bytes without mux and TLS are copied", splices(&near, &far)),
        capability("rtnetlink", "a change of address is noticed by silence only", netlink()),
        capability("IPv6", "servers and services with IPv4 addresses only", opens(Domain::IPV6)),
        capability("SO_BINDTODEVICE", "`interface` in the table [redial] cannot be used", device()),
        capability("SO_MARK", "`mark` in the table [redial] cannot be used", mark()),
    ])
}

/// Both ends of a connection over loopback.
fn pair() -> io::Result<(Socket, Socket)> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(1)?;
    let near = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    near.connect(&listener.local_addr()?)?;
    Ok((near, listener.accept()?.0))
}

/// An option that was set and reads back as something else is not there.
fn took(took: bool) -> io::Result<String> {
    if took { Ok(String::new()) } else { Err(io::Error::other("set, but without effect")) }
}

fn keepalive(socket: &Socket) -> io::Result<String> {
    let probes = Keepalive { idle: secs(17), interval: secs(7), count: 5 };
    SockOpts { keepalive: Some(probes), ..SockOpts::default() }.apply(socket)?;
    let times = (sockopt::tcp_keepidle(socket)?, sockopt::tcp_keepintvl(socket)?);
    took(times == (probes.idle, probes.interval) && sockopt::tcp_keepcnt(socket)? == probes.count)
}

fn user_timeout(socket: &Socket) -> io::Result<String> {
    SockOpts { user_timeout: Some(secs(15)), ..SockOpts::default() }.apply(socket)?;
    took(sockopt::tcp_user_timeout(socket)? == 15_000)
}

fn notsent_lowat(socket: &Socket) -> io::Result<String> {
    SockOpts { notsent_lowat: Some(4097), ..SockOpts::default() }.apply(socket)?;
    took(socket.tcp_notsent_lowat()? == 4097)
}

fn rto_max(socket: &Socket) -> io::Result<String> {
    tcp::limit_rto(socket, secs(1)).map(|()| String::new())
}

fn outq(socket: &Socket) -> io::Result<String> {
    tcp::unacknowledged(socket).map(|_| String::new()).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Moves a few bytes through a pipe, as the relay does.
fn splices(near: &Socket, mut far: &Socket) -> io::Result<String> {
    let sent = far.write(b"splice")?;
    let mut pipes = Pipes::default();
    let pipe = pipes.open().ok_or(io::ErrorKind::OutOfMemory)?;
    let moved = pipes.fill(pipe, near, sent)?;
    took(pipes.drain(pipe, near, moved)? == sent)
}

fn netlink() -> io::Result<String> {
    let poll = mio::Poll::new()?;
    Changes::open(poll.registry(), 0).map(|_| String::new()).ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}

fn opens(domain: Domain) -> io::Result<String> {
    Socket::new(domain, Type::STREAM, None).map(|_| String::new())
}

fn device() -> io::Result<String> {
    let opts = SockOpts { device: Some("lo".to_owned()), ..SockOpts::default() };
    opts.apply(&Socket::new(Domain::IPV4, Type::STREAM, None)?).map(|()| String::new())
}

fn mark() -> io::Result<String> {
    let opts = SockOpts { mark: Some(1), ..SockOpts::default() };
    opts.apply(&Socket::new(Domain::IPV4, Type::STREAM, None)?).map(|()| String::new())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_every_linux_has_is_found() {
        let list = capabilities().unwrap();
        for name in ["keepalive", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "TCP_INFO", "SIOCOUTQ", "splice"] {
            let found = list.iter().find(|c| c.name == name).unwrap();
            assert!(found.found.is_ok(), "{found:?}");
        }
    }

    #[test]
    fn an_option_that_reads_back_otherwise_is_not_there() {
        assert!(took(true).is_ok() && took(false).is_err());
        // No TCP socket: the kernel refuses every one of its options.
        let datagrams = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        assert!(keepalive(&datagrams).is_err() && user_timeout(&datagrams).is_err());
        assert!(notsent_lowat(&datagrams).is_err() && rto_max(&datagrams).is_err());
        assert!(tcp::info_size(&datagrams).is_err());
        assert!(splices(&datagrams, &datagrams).is_err());
    }
}
