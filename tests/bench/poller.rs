//! Readiness of sockets for the small programs: epoll, by rustix.
//!
//! Owns the epoll descriptor. Does not own the sockets: a closed one leaves by itself. Always true: an event names the key
//! its socket was added with. Worst case: 256 events.
//!
//! * *Why not the crate `polling`?* Its `add` is unsafe, and the house has no unsafe code.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::wait::{Context, Outcome};

const EVENTS: usize = 256;

/// When a socket is reported.
#[derive(Clone, Copy)]
pub(crate) enum Interest {
    /// Whenever it can be read.
    Read,
    /// Whenever it can be written.
    Write,
    /// Whenever it can be read or written.
    Both,
    /// When anything has changed since the last report.
    Changes,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        use epoll::EventFlags as Flags;
        match self {
            Self::Read => Flags::IN,
            Self::Write => Flags::OUT,
            Self::Both => Flags::IN | Flags::OUT,
            Self::Changes => Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET,
        }
    }
}

/// A socket that is ready: to be read, which an error or the end counts as, or only to be written.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    pub(crate) readable: bool,
}

pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> Outcome<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    pub(crate) fn add(&self, socket: impl AsFd, key: usize, interest: Interest) -> Outcome {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key as u64), interest.flags()).context("epoll add")
    }

    pub(crate) fn change(&self, socket: impl AsFd, key: usize, interest: Interest) -> Outcome {
        let data = epoll::EventData::new_u64(key as u64);
        epoll::modify(&self.epoll, socket, data, interest.flags()).context("epoll modify")
    }

    /// Waits for events, without a limit if there is none, and puts them into `ready` in place of those there.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, ready: &mut Vec<Ready>) -> Outcome {
        let limit = limit.map(|limit| Timespec::try_from(limit).context("a time limit")).transpose()?;
        self.events.clear();
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("epoll wait: {error}")),
        }
        ready.extend(self.events.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            Ready {
                key: usize::try_from(data.u64()).unwrap_or(usize::MAX),
                readable: flags.intersects(!epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}
