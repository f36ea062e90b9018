//! The actions behind the paths.
//!
//! Owns nothing. Does not wait: what takes longer is a [`Reply`] that says so. Always true: an answer shows one moment.
//! Worst case: 400 bytes a proxy.

use super::metrics as exposition;
use super::reply::{Call, Question, Reply, json};
use super::routes::not_found;
use super::{definition, overview, status as states};
use crate::config::store::{self, List, Op};
use crate::proto::http::{Request, Response};

/// The page: one file that asks for nothing but `/api/redial`.
const PAGE: &[u8] = include_bytes!("page.html");
/// What the page may do: its own styles and script, and questions to us.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn healthz(_: Call<'_>) -> Reply {
    Reply::Now(Response::empty(200))
}

pub(super) fn status(call: Call<'_>) -> Reply {
    let report = call.client.report(call.net);
    Reply::Now(json(|j| states::write(&report, j)))
}

pub(super) fn redial(call: Call<'_>) -> Reply {
    let report = call.client.report(call.net);
    Reply::Now(json(|j| overview::write(&report, j)).with("Cache-Control", "no-store"))
}

pub(super) fn metrics(call: Call<'_>) -> Reply {
    let text = exposition::write(&call.client.report(call.net));
    Reply::Now(Response::new(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}

pub(super) fn reload(call: Call<'_>) -> Reply {
    let strict = value(call.request, "strictConfig");
    let strict = strict.is_some_and(|v| ["1", "t", "T", "true", "TRUE", "True"].contains(&v));
    Reply::Reload { strict, confirm: confirmed(call.request) }
}

/// The value of a key in the query.
fn value<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    request.query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// How long a reload is on trial.
pub(super) fn confirmed(request: &Request) -> Option<u32> {
    value(request, "confirm").and_then(|seconds| seconds.parse().ok())
}

pub(super) fn stop(_: Call<'_>) -> Reply {
    Reply::Stop
}

pub(super) fn read_config(_: Call<'_>) -> Reply {
    Reply::ReadConfig
}

pub(super) fn write_config(call: Call<'_>) -> Reply {
    match call.body {
        body if body.is_empty() => Reply::Fail(400, "body can't be empty".to_owned()),
        body => Reply::WriteConfig(body),
    }
}

pub(super) fn proxy_config(call: Call<'_>) -> Reply {
    match call.client.proxy(call.name) {
        Some(proxy) => Reply::Now(json(|j| definition::write(proxy, j))),
        None => elsewhere(List::Proxies, call.name),
    }
}

pub(super) fn visitor_config(call: Call<'_>) -> Reply {
    elsewhere(List::Visitors, call.name)
}

/// What does not run may be in the store.
fn elsewhere(list: List, name: &str) -> Reply {
    let missing = format!("{} {name:?} not found", list.word());
    Reply::Stored(Question { list, name: Some(name.to_owned()), missing })
}

pub(super) fn stored(list: List, name: Option<&str>) -> Reply {
    let missing = format!("not found: {} {:?}", list.word(), name.unwrap_or_default());
    Reply::Stored(Question { list, name: name.map(str::to_owned), missing })
}

pub(super) fn create(list: List, call: Call<'_>) -> Reply {
    change(list, Op::Create, call)
}

pub(super) fn update(list: List, call: Call<'_>) -> Reply {
    change(list, Op::Update, call)
}

pub(super) fn delete(list: List, call: Call<'_>) -> Reply {
    change(list, Op::Delete, call)
}

fn change(list: List, op: Op, call: Call<'_>) -> Reply {
    match store::change(list, op, call.name, &call.body) {
        Ok((change, said)) => Reply::Change(change, said),
        Err((status, text)) => Reply::Fail(status, text),
    }
}

pub(super) fn page(_: Call<'_>) -> Reply {
    let page = Response::new(200, "text/html; charset=utf-8", PAGE);
    let page = page.with("Content-Security-Policy", POLICY).with("X-Content-Type-Options", "nosniff");
    Reply::Now(page.with("Referrer-Policy", "no-referrer").with("Cache-Control", "no-cache"))
}

pub(super) fn nothing(_: Call<'_>) -> Reply {
    Reply::Now(not_found())
}
