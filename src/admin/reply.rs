//! What an action is given, and what it says.
//!
//! Owns the forms of both. Does not act. Always true: an error has frpc's form. Worst case: the answer.

use super::routes::Route;
use crate::client::Client;
use crate::config::store::{Change, List};
use crate::net::Net;
use crate::proto::http::{Request, Response};
use crate::wire::json::Json;

/// A request that may be acted on.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    /// What stands for `{name}`.
    pub(super) name: &'a str,
    /// Empty unless the row takes one.
    pub(super) body: Vec<u8>,
    pub(super) client: &'a Client,
    pub(super) net: &'a dyn Net,
}

/// A request that is not answered yet.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) route: &'static Route,
    pub(super) name: String,
    /// What is asked of a file that is read for it.
    pub(super) question: Option<Question>,
    /// What is said when the program has done it; nothing but 200 if empty.
    pub(super) said: Vec<u8>,
}

/// What is asked of the store.
pub(super) struct Question {
    pub(super) list: List,
    /// One entry; all of them without.
    pub(super) name: Option<String>,
    /// What is said if it is not there.
    pub(super) missing: String,
}

impl Asked {
    /// For a log line: nothing in it can start a line of its own.
    pub(super) fn path(&self) -> String {
        self.request.path.replace(|c: char| c.is_control(), "?")
    }

    /// Of the lines about it.
    pub(super) fn level(&self) -> log::Level {
        if self.route.quiet { log::Level::Debug } else { log::Level::Info }
    }
}

/// What is to be done about it.
pub(super) enum Reply {
    /// The answer.
    Now(Response),
    /// The answer is an error.
    Fail(u16, String),
    /// The answer, after which the program ends.
    Stop,
    /// The file is to be sent.
    ReadConfig,
    /// The file is to be replaced, if that is one that loads.
    WriteConfig(Vec<u8>),
    /// The store is asked.
    Stored(Question),
    /// The store is to be changed; what is said then.
    Change(Change, Vec<u8>),
    /// The program is to load its file again.
    Reload { strict: bool, confirm: Option<u32> },
}

/// A JSON answer.
pub(super) fn json(fill: impl FnOnce(&mut Json)) -> Response {
    let mut json = Json::default();
    json.object(fill);
    Response::new(200, "application/json", json.into_body())
}

/// An error, as frpc's API words it.
pub(super) fn error(status: u16, text: &str) -> Response {
    let response = json(|j| {
        j.key("Code").number(status.into());
        j.key("Msg").text(text);
    });
    Response { status, ..response }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_frpc_s() {
        let answer = error(404, "proxy \"a<b\" not found");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body, b"{\"Code\":404,\"Msg\":\"proxy \\\"a\\u003cb\\\" not found\"}\n".as_slice());
    }
}
