//! `status`, `reload` and `stop`: the running client is asked through its admin server.
//!
//! Owns what is asked and what is printed of the answer, in frpc's layout. Does not serve: that is the admin server's. Always
//! true: it works against frpc's admin server, too, and frpc's commands against ours; what frpc prints is printed, and what
//! is said beyond it comes on lines of its own. Worst case: one answer.

mod http;
mod table;

use super::command::{Ask, Invocation};
use super::{lines, print, write_out};
use crate::config::{Loader, WebServer};
use http::{Answer, Server};
use std::process::ExitCode;
use std::time::Duration;

/// Seconds that `--confirm` may say.
const CONFIRM: std::ops::RangeInclusive<i64> = 1..=3600;

/// Asks, and prints what came of it.
pub(super) fn run(ask: Ask, file: &str, loader: &Loader, said: &Invocation) -> ExitCode {
    match asked(ask, file, loader, said) {
        Ok(text) => write_out(&text),
        Err(text) => {
            print(&text);
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with the flags beyond their form.
pub(super) fn usage_error(said: &Invocation) -> Option<String> {
    let confirm = said.said().any(|(flag, _)| flag.name == "confirm").then(|| said.int("confirm"))?;
    let wrong = |n| format!("invalid argument \"{n}\" for \"--confirm\" flag: seconds, from 1 to {}", CONFIRM.end());
    Some(confirm).filter(|n| !CONFIRM.contains(n)).map(wrong)
}

fn asked(ask: Ask, file: &str, loader: &Loader, said: &Invocation) -> Result<String, String> {
    let web = loader.web_server(file).map_err(|findings| lines(&findings))?;
    let web = web.ok_or("web server port should be set if you want to use this feature")?;
    let limit = Duration::from_millis(said.millis("api-timeout"));
    match ask {
        Ask::Status => {
            let answer = call(&web, "GET", "/api/status", limit)?;
            table::render(&answer.body).ok_or_else(|| {
                format!("unmarshal http response error: {}", String::from_utf8_lossy(&answer.body).trim())
            })
        }
        Ask::Reload => {
            let strict = loader.strictness == crate::config::Strictness::Strict;
            let confirm = said.int("confirm");
            let mut query = Vec::new();
            query.extend(strict.then(|| "strictConfig=true".to_owned()));
            query.extend((confirm > 0).then(|| format!("confirm={confirm}")));
            let mark = if query.is_empty() { "" } else { "?" };
            let answer = call(&web, "GET", &format!("/api/reload{mark}{}", query.join("&")), limit)?;
            if confirm > 0 && answer.confirm != confirm.to_string() {
                return Err("reload success\n\
                    but the running client does not know --confirm: the new configuration stays, whatever becomes of it"
                    .to_owned());
            }
            Ok("reload success\n".to_owned())
        }
        Ask::Stop => call(&web, "POST", "/api/stop", limit).map(|_| "stop success\n".to_owned()),
    }
}

/// Asks one thing; an answer that is no success is an error.
fn call(web: &WebServer, method: &str, path: &str, limit: Duration) -> Result<Answer, String> {
    if web.tls.is_some() {
        return Err(format!(
            "webServer.tls is set, and this command speaks plain HTTP only (as frpc's, which fails with \"api status code \
             [400]\"): ask https://{}:{}{path} with another program",
            web.addr, web.port
        ));
    }
    let login = (!web.user.is_empty() || !web.password.is_empty()).then_some((&*web.user, &*web.password));
    let server = Server { host: web.addr.trim_start_matches('[').trim_end_matches(']'), port: web.port, login };
    let answer = server.ask(method, path, limit)?;
    if answer.status == 200 {
        return Ok(answer);
    }
    let code = format!("api status code [{}]", answer.status);
    // Why, which frpc keeps to itself.
    match table::message(&answer.body) {
        Some(why) => Err(format!("{code}\n{why}")),
        None => Err(code),
    }
}

#[cfg(test)]
mod tests;
