//! Payload through a tunnel, for every release, link and codec: much of it, many connections, ends and stalls.

use std::time::{Duration, Instant};

use crate::pattern::GIVE_UP;
use crate::service::{Fact, Kind, Request};
use crate::stage::{Codec, CodecTest, Link, Plan, Stage};
use crate::user;
use crate::wait::{Context, Outcome, at_once, ensure};

const MB: u64 = 1_000_000;
/// Through one connection, each way.
const BULK: u64 = 100 * MB;
/// Through each of the other connections meanwhile, each way.
const BESIDE: u64 = MB / 2 + 1;
const CROWD: u64 = 200;

pub(crate) const TESTS: &[CodecTest] = &[("bulk", bulk), ("crowd", crowd), ("closing", closing), ("stall", stall)];

fn plan(link: Link, codec: Codec) -> Plan {
    Plan { codec, ..Plan::new(link) }
}

/// 100 MB each way at the same time through one connection, with smaller ones beside it; every byte is checked.
fn bulk(link: Link, codec: Codec) -> Outcome {
    plan(link, codec).play(|stage| {
        let (port, board) = (stage.port(), &*stage.service.board);
        let trade = move |seed: u64, size: u64| -> Box<dyn FnOnce() -> Outcome + Send + '_> {
            let request = Request { kind: Kind::Trade, mixed: codec.compress, seed, up: size, down: size };
            Box::new(move || user::trade(port, &request, board).context(format_args!("{size} bytes each way")))
        };
        at_once(vec![trade(1, BULK), trade(2, BESIDE), trade(3, BESIDE), trade(4, BESIDE)]).map(drop)
    })
}

/// 200 connections open at the same time, each getting back its own bytes; twice.
fn crowd(link: Link, codec: Codec) -> Outcome {
    plan(link, codec).play(|stage| {
        user::crowd(stage.port(), CROWD, 10_000)?;
        user::crowd(stage.port(), CROWD, 100).context("second round")
    })
}

/// Who closes right after the last byte loses none of what it sent.
///
/// A half-closed connection does not pass through frp: when frps reads the end from a user or a work connection, it closes
/// both. So what the other side sends after that is nobody's to expect here.
fn closing(link: Link, codec: Codec) -> Outcome {
    plan(link, codec).play(|stage| {
        for (seed, len) in (1..).zip([1, 1000, 65_536, 300_000, 5 * MB + 1]) {
            spill(stage, seed, len).context(format_args!("service sends {len} bytes and closes"))?;
            collect(stage, !seed, len).context(format_args!("user sends {len} bytes and closes"))?;
        }
        late_user(stage).context("service sends and closes before the user reads")?;
        late_service(stage).context("user sends and closes before the service reads")
    })
}

fn spill(stage: &Stage, seed: u64, down: u64) -> Outcome {
    let request = Request { kind: Kind::Spill, mixed: true, seed, up: 0, down };
    let stream = user::ask(stage.port(), &request)?;
    request.down_pattern().verify(&stream, down)?;
    user::expect_end(&stream)
}

fn collect(stage: &Stage, seed: u64, up: u64) -> Outcome {
    let request = Request { kind: Kind::Collect, mixed: true, seed, up, down: 0 };
    let stream = user::ask(stage.port(), &request)?;
    request.up_pattern().send(&stream, up)?;
    drop(stream);
    let got = stage.service.board.wait(seed, Fact::Done, GIVE_UP)?;
    ensure!(got == up, "the service got {got} bytes");
    Ok(())
}

fn late_user(stage: &Stage) -> Outcome {
    let request = Request { kind: Kind::Spill, mixed: true, seed: 100, up: 0, down: MB };
    let stream = user::ask(stage.port(), &request)?;
    stage.service.board.wait(request.seed, Fact::Done, GIVE_UP)?;
    request.down_pattern().verify(&stream, MB)?;
    user::expect_end(&stream)
}

fn late_service(stage: &Stage) -> Outcome {
    let request = Request { kind: Kind::Hold, mixed: true, seed: 101, up: MB, down: 0 };
    let stream = user::ask(stage.port(), &request)?;
    request.up_pattern().send(&stream, MB)?;
    drop(stream);
    stage.service.board.put(request.seed, Fact::Go, Ok(0));
    let got = stage.service.board.wait(request.seed, Fact::Done, GIVE_UP)?;
    ensure!(got == MB, "the service got {got} bytes");
    Ok(())
}

/// While a user and a service each leave a connection unread until its sender is stuck, another connection moves data and
/// new ones open within a second; afterwards the stalled ones lose nothing.
fn stall(link: Link, codec: Codec) -> Outcome {
    plan(link, codec).play(|stage| {
        let (port, board) = (stage.port(), &*stage.service.board);
        let unread_user = Request { kind: Kind::Flood, mixed: false, seed: 1, up: 0, down: 0 };
        let unread_service = Request { kind: Kind::Hold, mixed: false, seed: 2, up: 0, down: 0 };
        let flowing = Request { kind: Kind::Trade, mixed: false, seed: 3, up: 3 * MB, down: 3 * MB };
        std::thread::scope(|scope| {
            let stalled_download = user::ask(port, &unread_user)?;
            let stalled_upload = user::ask(port, &unread_service)?;
            let upload = scope.spawn(move || {
                let stuck = || board.put(unread_service.seed, Fact::Stuck, Ok(0));
                unread_service.up_pattern().flood(&stalled_upload, stuck)
            });
            board.wait(unread_user.seed, Fact::Stuck, GIVE_UP)?;
            board.wait(unread_service.seed, Fact::Stuck, GIVE_UP)?;

            let trade = scope.spawn(move || user::trade(port, &flowing, board));
            let opened = (0..5).try_for_each(|_| echo_within_a_second(port));
            let traded = trade.join().map_err(|_| "the trading user panicked")?;

            board.put(unread_service.seed, Fact::Go, Ok(0));
            let downloaded = unread_user.down_pattern().verify_to_end(&stalled_download);
            let uploaded = upload.join().map_err(|_| "the uploading user panicked")?;
            opened.context("a new connection beside stalled ones")?;
            traded.context("a transfer beside stalled ones")?;
            let (got, sent) = (downloaded.context("download")?, board.wait(unread_user.seed, Fact::Done, GIVE_UP)?);
            ensure!(got == sent, "the stalled user got {got} of {sent} bytes");
            let (sent, got) = (uploaded.context("upload")?, board.wait(unread_service.seed, Fact::Done, GIVE_UP)?);
            ensure!(got == sent, "the stalled service got {got} of {sent} bytes");
            Ok(())
        })
    })
}

fn echo_within_a_second(port: u16) -> Outcome {
    let start = Instant::now();
    user::echo_byte(port)?;
    let took = start.elapsed();
    ensure!(took < Duration::from_secs(1), "it took {took:?} to open and to echo a byte");
    Ok(())
}
