//! What outlives the program: the name under which a server knows us.
//!
//! Owns [`Memory`] and the rules of its use. Does not read or write a file: that is the program's. Always true: what is
//! to be remembered is the last name that a server gave or took from us; a name that a server may hang on is not used
//! again. Worst case: two servers' names, run ids and versions.
//!
//! * *Why is a session of an earlier run taken for alive?* When a program is killed the kernel says goodbye, but the line
//!   may be dead, and a machine that lost its power says nothing. Only an end in the open is known.
//! * *Why is a remembered name given up after one login without an answer?* Some servers hang on a name. A restart has
//!   always cured that, and still does.

use super::{End, Phase, Session};
use crate::client::cx::Cx;
use crate::client::setup::Setup;

/// Under which name a server knows us. The name is as good as a password for work connections: it is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The server, `host:port` as in the configuration.
    pub server: String,
    /// The run id; empty: we have none there, but the server may hold something of ours.
    pub run_id: String,
    /// The server's version; empty if it did not say.
    pub version: String,
    /// The session was ended in the open: the server does not hold it.
    pub ended: bool,
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Memory {{ server: {:?}, version: {:?}, ended: {} }}", self.server, self.version, self.ended)
    }
}

/// The session's part of it.
#[derive(Default)]
pub(super) struct Notes {
    /// To be remembered.
    memory: Memory,
    changed: bool,
    /// From an earlier run of the program; not used yet.
    recalled: Option<Memory>,
    /// The name in use is a recalled one that the server has not answered to.
    pub(super) unproven: bool,
}

impl Session {
    /// What an earlier run of the program remembered.
    pub(in crate::client) fn recall(&mut self, memory: Memory) {
        self.notes.recalled = Some(memory.clone());
        self.notes.memory = memory;
    }

    /// What is to be remembered, if that has changed.
    pub(in crate::client) fn take_memory(&mut self) -> Option<&Memory> {
        core::mem::take(&mut self.notes.changed).then_some(&self.notes.memory)
    }

    /// Takes the name that this server gave to an earlier run of the program.
    pub(super) fn use_recalled(&mut self, cx: &Cx<'_>) {
        let here = cx.setup.server(self.server).target.to_string();
        let Some(memory) = self.notes.recalled.take_if(|memory| memory.server == here) else { return };
        log::debug!("{}the server may know us from before", self.prefix);
        self.end = if memory.ended { End::Known } else { End::Silent };
        (self.run_id, self.server_version) = (memory.run_id, memory.version);
        self.notes.unproven = true;
        self.remember(cx);
    }

    /// The server has given us a name, or taken the one we had.
    pub(super) fn named(&mut self, cx: &Cx<'_>) {
        (self.notes.recalled, self.notes.unproven) = (None, false);
        self.remember(cx);
    }

    /// From now on without a name. `end`: what the server may still hold under the old one.
    pub(super) fn drop_name(&mut self, end: End, cx: &Cx<'_>) {
        if !self.run_id.is_empty() {
            self.run_id.clear();
            self.end = end;
            self.remember(cx);
        }
    }

    fn remember(&mut self, cx: &Cx<'_>) {
        let server = cx.setup.server(self.server).target.to_string();
        let (run_id, version) = (self.run_id.clone(), self.server_version.clone());
        let memory = Memory { server, run_id, version, ended: false };
        self.notes.changed |= memory != self.notes.memory;
        self.notes.memory = memory;
    }

    /// What is remembered now.
    pub(in crate::client) fn memory(&self) -> &Memory {
        &self.notes.memory
    }

    /// The program ends, and with it the session: if its link works, the server learns of that.
    pub(in crate::client) fn close(&mut self, setup: &Setup) {
        let ended = match &self.phase {
            Phase::Up(up) if up.control.logged_in() => !up.health.racing(),
            // A login under this name is on its way.
            Phase::Up(_) => false,
            Phase::Waiting { .. } | Phase::Asking | Phase::Dialing(_) => self.end == End::Known,
        };
        let Notes { memory, changed, .. } = &mut self.notes;
        let ours = memory.run_id == self.run_id && memory.server == setup.server(self.server).target.to_string();
        if ours && !memory.run_id.is_empty() && memory.ended != ended {
            (memory.ended, *changed) = (ended, true);
        }
    }
}
