//! The users: connections to a public port of frps, each asking the service behind the tunnel for something.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::pattern::{GIVE_UP, Pattern, read_all, told};
use crate::service::{Board, ECHO, Fact, Request, prepare};
use crate::wait::{Context, Outcome, ensure};

pub(crate) fn connect(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context(format_args!("connecting to public port {port}"))?;
    prepare(&stream)?;
    Ok(stream)
}

/// Connects and asks.
pub(crate) fn ask(port: u16, request: &Request) -> Outcome<TcpStream> {
    let mut stream = connect(port)?;
    stream.write_all(&request.encode()).context("sending the request")?;
    Ok(stream)
}

/// Both directions at once, every byte checked at both ends.
pub(crate) fn trade(port: u16, request: &Request, board: &Board) -> Outcome {
    let stream = ask(port, request)?;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| request.up_pattern().send(&stream, request.up));
        request.down_pattern().verify(&stream, request.down).context("service to user")?;
        sending.join().map_err(|_| "the user's sender panicked")?.context("user to service")
    })?;
    board.wait(request.seed, Fact::Done, GIVE_UP).map(drop)
}

/// Sends one byte and gets it back.
pub(crate) fn echo_byte(port: u16) -> Outcome {
    let mut stream = connect(port)?;
    stream.write_all(&[ECHO]).context("sending a byte")?;
    let mut back = [0];
    read_all(&stream, &mut back).context("waiting for a byte to come back")?;
    ensure!(back[0] == ECHO, "another byte came back: {:#04x}", back[0]);
    Ok(())
}

/// Sends one byte and gets it back, and keeps the connection: what is sent on it comes back.
pub(crate) fn echo(port: u16) -> Outcome<TcpStream> {
    let mut stream = connect(port)?;
    stream.write_all(&[ECHO]).context("sending a byte")?;
    read_all(&stream, &mut [0]).context("waiting for a byte to come back")?;
    Ok(stream)
}

/// `count` connections, all open before the first answer is read; each gets its own `len` bytes back.
pub(crate) fn crowd(port: u16, count: u64, len: usize) -> Outcome {
    let mut streams = Vec::new();
    for seed in 0..count {
        let mut stream = connect(port)?;
        stream.write_all(&[ECHO]).context("asking for an echo")?;
        stream.write_all(&Pattern::Random(seed).bytes(len)).context("sending what is to come back")?;
        streams.push(stream);
    }
    for (seed, stream) in (0..).zip(&streams) {
        let mut first = [0];
        read_all(stream, &mut first).context(format_args!("the first byte of connection {seed}"))?;
        Pattern::Random(seed).verify(stream, len as u64).context(format_args!("the echo of connection {seed}"))?;
    }
    Ok(())
}

/// Waits for the connection's end without a byte before it.
pub(crate) fn expect_end(mut stream: &TcpStream) -> Outcome {
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("a byte came where the end of the connection was expected".into()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(format!("waiting for the end of the connection: {}", told(&error))),
    }
}
