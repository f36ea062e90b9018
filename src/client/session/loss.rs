//! The end of a try or of a session: who is to blame, what the server may still hold, and when to try again.
//!
//! Owns nothing beside [`Session`]. Does not dial or close links: it says what is to become of them. Always true: each end
//! leads to one next try, or to the end of the program. Worst case: the parent's.

use super::{End, Ended, Phase, Session};
use crate::client::cx::Cx;
use crate::client::failure::{Blame, Failure};
use crate::client::outage::seconds;
use crate::client::standby::Standby;
use crate::client::traffic::{self, Standing};
use crate::proto::backoff::Pace;
use crate::proto::takeover::Takeover;
use crate::proto::time::{Duration, Instant, secs};

/// How a connection that the server closed is told.
const EOF: &str = "EOF";
/// What usually makes a server close the connection without a word.
const EOF_HINT: &str = " (are transport.tcpMux and transport.tls the same on both ends?)";

/// A session that the server ends so soon after the login was not meant to be.
const TOO_SOON: Duration = secs(10);
/// So many of them in a row are somebody else with our run id, and not a server that restarts.
const REPLACED: u32 = 2;

/// Tries in a row that may come to nothing before the next server is tried.
const STRIKES: u32 = 2;

/// What a phase leaves behind.
#[derive(Default)]
struct Left {
    link: Option<u32>,
    /// When the session was last alive, if it had begun.
    heard: Option<Instant>,
    /// A login was on its way.
    asked: bool,
}

impl Session {
    /// The attempt or the session is over. Sets the pace for the next one.
    pub(in crate::client) fn fail(&mut self, failure: &Failure, cx: &mut Cx<'_>) -> Ended {
        let now = cx.shared.now;
        let mut random = [0; 4];
        cx.net.random(&mut random);
        let random = u32::from_ne_bytes(random);
        let Left { link, heard: lost, asked } = self.leave(cx);
        self.tally.failures += 1;
        let pace = match failure.blame {
            Blame::Network | Blame::Silence | Blame::Unanswered => Pace::Ours,
            Blame::Reset => Pace::Reset,
            Blame::Server | Blame::Misbehaved => Pace::Server,
            Blame::Refused => Pace::Refused,
            Blame::Issuer => Pace::Ours,
            Blame::IssuerRefused => Pace::Refused,
        };
        if failure.blame == Blame::Refused {
            // It may be the ticket that was not wanted.
            cx.credential.forget();
        }
        let pause = self.backoff.failed(pace, now, random);
        self.phase = Phase::Waiting { until: now + pause, no_route: false, pace };
        self.count_strikes(failure, lost.is_some(), now);
        if let Some(heard) = lost {
            // After a reset as well: it may have met our new address, and the session of the old one lives on.
            self.end = if failure.blame == Blame::Server { End::Known } else { End::Silent };
            self.outages.lost(failure.blame.into(), &failure.text, heard, now, 0);
            traffic::set_all(cx.proxies, Standing::New);
            let next = if pause.is_zero() { "at once".to_owned() } else { format!("in {}", seconds(pause)) };
            log::warn!("{}the connection to the server is lost: {failure}; next try {next}", self.prefix);
            log::debug!("{}control message dispatcher exited", self.prefix);
            self.count_replaced(failure, cx);
        } else {
            // The server may have got the login all the same. (Under no name it holds nothing yet.)
            if asked
                && !self.run_id.is_empty()
                && !matches!(failure.blame, Blame::Server | Blame::Refused | Blame::Misbehaved)
            {
                self.end = End::Silent;
                if self.takeover(cx) != Takeover::AtOnce || self.notes.unproven {
                    // On some servers a second login under this name would wait for ever.
                    self.drop_name(End::Silent, cx);
                }
            }
            let hint = if failure.text == EOF { EOF_HINT } else { "" };
            log::warn!("{}connect to server error: {failure}{hint}", self.prefix);
            if !self.ever_up && cx.setup.login_fail_exit {
                return Ended { link, give_up: Some(failure.text.clone()) };
            }
        }
        if let Standby::Linked { link: other, server, peer, answered: true, .. } = &self.standby
            && cx.credential.has(now)
        {
            // It is there already.
            let (other, server, peer) = (*other, *server, *peer);
            self.standby = Standby::Off;
            if server != self.server {
                self.use_server(server, cx);
            }
            self.log_in(other, peer, cx);
        } else {
            self.standby.call_off(cx);
            if self.strikes >= STRIKES {
                self.next_server(cx);
            }
        }
        Ended { link, give_up: None }
    }

    /// Two processes with one run id end each other's sessions for ever, unless one of them takes another.
    fn count_replaced(&mut self, failure: &Failure, cx: &Cx<'_>) {
        let ended = failure.blame == Blame::Server && failure.text == EOF;
        let soon = cx.shared.now.since(self.logged_in_at) < TOO_SOON;
        self.replaced = if ended && soon { self.replaced + 1 } else { 0 };
        if self.replaced == REPLACED {
            self.replaced = 0;
            log::warn!(
                "{}the server ended {REPLACED} sessions in a row within {} s of the login: another process may be using \
                 our run id; taking a new one",
                self.prefix,
                TOO_SOON.as_secs()
            );
            self.drop_name(End::Known, cx);
        }
    }

    /// A server that is of no use is one that cannot be logged in to, or that ends its sessions at once.
    fn count_strikes(&mut self, failure: &Failure, was_up: bool, now: Instant) {
        if matches!(failure.blame, Blame::Issuer | Blame::IssuerRefused) {
            // No server has a part in it.
        } else if !was_up {
            self.strikes += 1;
        } else if now.since(self.logged_in_at) >= TOO_SOON {
            (self.strikes, self.went_round) = (0, false);
        } else if matches!(failure.blame, Blame::Server | Blame::Misbehaved) {
            self.strikes += 1;
        }
    }

    /// Ends the phase.
    fn leave(&mut self, cx: &mut Cx<'_>) -> Left {
        let until = cx.shared.now;
        match core::mem::replace(&mut self.phase, Phase::Waiting { until, no_route: false, pace: Pace::Ours }) {
            Phase::Up(up) => {
                let heard = up.control.logged_in().then_some(up.heard);
                let left = Left { link: Some(up.link), heard, asked: heard.is_none() };
                self.path = up.health.path();
                self.announces = up.control.into_proxies();
                left
            }
            Phase::Dialing(mut dial) => {
                dial.abandon(cx.net);
                Left::default()
            }
            Phase::Waiting { .. } | Phase::Asking => Left::default(),
        }
    }
}
