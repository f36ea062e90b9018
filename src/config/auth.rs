//! `auth`: how the client proves who it is.
//!
//! Owns the names and checks of these keys. Does not run a command or ask for a token. Always true: in a resolved
//! [`Auth`] a source has what its kind needs. Worst case: its own texts.

use super::scope::{Found, Scope};
use crate::wire::msg::Map;

/// `auth`.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// `token`; empty if it has a source, or is empty.
    pub token: String,
    /// Where the token comes from. What is not the configuration itself is read by the client, at its start.
    pub source: Secret,
    /// Scope `HeartBeats`: sign heartbeats.
    pub sign_pings: bool,
    /// Scope `NewWorkConns`: sign work connections.
    pub sign_work_conns: bool,
    /// `oidc`, if it is the method.
    pub oidc: Option<Box<Oidc>>,
}

impl core::fmt::Debug for Auth {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Auth { .. }")
    }
}

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// From the configuration itself.
    Fixed(String),
    /// `file.path`, relative to the working directory.
    File(String),
    /// `exec`: what a command prints.
    Exec(Command),
}

/// `exec` of a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// `command`; no shell reads it.
    pub command: String,
    /// `args`.
    pub args: Vec<String>,
    /// `env`: names and values added to the program's own.
    pub env: Vec<(String, String)>,
}

/// `auth.oidc`.
#[derive(Clone, PartialEq, Eq)]
pub struct Oidc {
    /// `clientID`.
    pub client_id: String,
    /// `clientSecret`.
    pub client_secret: String,
    /// `audience`.
    pub audience: String,
    /// `scope`.
    pub scope: String,
    /// `tokenEndpointURL`.
    pub token_endpoint_url: String,
    /// `additionalEndpointParams`.
    pub params: Map,
    /// `trustedCaFile`; empty if unset. It is not read here.
    pub trusted_ca_file: String,
    /// The variable `SSL_CERT_FILE`, by which Go finds the system's authorities; empty if unset.
    pub system_ca_file: String,
    /// `insecureSkipVerify`.
    pub insecure: bool,
    /// `proxyURL`; empty if unset.
    pub proxy_url: String,
    /// `tokenSource`: tokens come from here, all other keys are empty.
    pub source: Option<Secret>,
}

const NO_OIDC: &str = "this redial is built without \"oidc\": use auth.oidc.tokenSource, or method = \"token\"";
const NO_TLS: &str = "this redial is built without TLS: it cannot ask an issuer over https";
const NO_PROXY: &str = "a proxy over TLS is not in this build yet: use http or socks5";

/// Resolves the table.
pub(super) fn resolve(mut t: Scope<'_>) -> Auth {
    let method = t.text("method");
    let by_oidc = method.as_ref().is_some_and(|f| f.value == "oidc");
    if let Some(f) = method.as_ref().filter(|f| !by_oidc && f.value != "token") {
        t.report().error(f.line, &f.key, "invalid auth method, optional values are [token oidc]");
    }
    let (sign_pings, sign_work_conns) = scopes(&mut t);
    let token = t.text("token");
    let given = t.has_table("tokenSource");
    let source = source(t.table("tokenSource"), given, "auth.tokenSource");
    if let (Some(token), true) = (&token, given) {
        t.report().error(token.line, &token.key, "cannot specify both auth.token and auth.tokenSource");
    }
    let oidc = oidc(t.table("oidc"), by_oidc);
    if let (Some(f), Some(oidc)) = (method.filter(|_| by_oidc), oidc.as_ref().filter(|oidc| oidc.source.is_none())) {
        let secure = oidc.token_endpoint_url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
        if !cfg!(feature = "oidc") {
            t.report().lacks(f.line, &f.key, NO_OIDC);
        } else if secure && !cfg!(feature = "tls") {
            t.report().lacks(f.line, "auth.oidc.tokenEndpointURL", NO_TLS);
        } else if oidc.proxy_url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
            t.report().lacks(f.line, "auth.oidc.proxyURL", NO_PROXY);
        }
    }
    let source = source.unwrap_or_else(|| Secret::Fixed(token.map(|f| f.value).unwrap_or_default()));
    let token = fixed(&source);
    t.finish(&[]);
    Auth { token, source, sign_pings, sign_work_conns, oidc: oidc.filter(|_| by_oidc).map(Box::new) }
}

fn scopes(t: &mut Scope<'_>) -> (bool, bool) {
    let (mut pings, mut work_conns) = (false, false);
    for scope in t.texts("additionalScopes") {
        match scope.value.as_str() {
            "HeartBeats" => pings = true,
            "NewWorkConns" => work_conns = true,
            _ => {
                let text = "invalid auth additional scopes, optional values are [HeartBeats NewWorkConns]";
                t.report().error(scope.line, &scope.key, text);
            }
        }
    }
    (pings, work_conns)
}

fn fixed(source: &Secret) -> String {
    match source {
        Secret::Fixed(token) => token.clone(),
        Secret::File(_) | Secret::Exec(_) => String::new(),
    }
}

/// A source of values (`auth.tokenSource`, `auth.oidc.tokenSource`), if it is `given`; `name` is its name in frpc's words.
fn source(mut t: Scope<'_>, given: bool, name: &str) -> Option<Secret> {
    let missing = Found { value: String::new(), line: t.line(), key: t.path("type") };
    let kind = t.text("type").unwrap_or(missing);
    let has_file = t.has_table("file");
    let mut file = t.table("file");
    let path = file.text_or_empty("path");
    file.finish(&[]);
    let command = t.table_if("exec", command);
    let result = match (kind.value.as_str(), command) {
        ("file", _) if !has_file => Err("file configuration is required when type is 'file'".to_owned()),
        ("file", _) if path.is_empty() => Err("file path cannot be empty".to_owned()),
        ("file", _) => Ok(Secret::File(path)),
        ("exec", None) => Err("exec configuration is required when type is 'exec'".to_owned()),
        ("exec", Some(Ok(command))) => Ok(Secret::Exec(command)),
        ("exec", Some(Err(text))) => Err(text.to_owned()),
        (other, _) => Err(format!("unsupported value source type: {other} (only 'file' and 'exec' are supported)")),
    };
    if given {
        if kind.value == "exec" && !t.report().loader.allow_exec {
            let text = "unsafe feature \"TokenSourceExec\" is not enabled. To enable it, ensure it is allowed in the \
                        configuration or command line flags";
            t.report().error(kind.line, &kind.key, text);
        }
        if let Err(why) = &result {
            t.report().error(kind.line, &kind.key, format!("invalid {name}: {why}"));
        }
    }
    t.finish(&[]);
    result.ok().filter(|_| given)
}

fn command(mut t: Scope<'_>) -> Result<Command, &'static str> {
    let command = t.text_or_empty("command");
    let args = t.texts("args").into_iter().map(|f| f.value).collect();
    let mut env = Vec::new();
    let path = t.path("env");
    for (index, (entries, line)) in t.tables("env").into_iter().enumerate() {
        let mut pair = Scope::new(entries, format!("{path}[{index}]"), line, t.report());
        env.push((pair.text_or_empty("name"), pair.text_or_empty("value")));
        pair.finish(&[]);
    }
    t.finish(&[]);
    if command.is_empty() {
        return Err("exec command cannot be empty");
    }
    for (name, _) in &env {
        if name.is_empty() {
            return Err("exec env name cannot be empty");
        }
        if name.contains('=') {
            return Err("exec env name cannot contain '='");
        }
    }
    Ok(Command { command, args, env })
}

/// `auth.oidc`; its credentials are checked if it is `used`, its source always.
fn oidc(mut t: Scope<'_>, used: bool) -> Option<Oidc> {
    let line = t.line();
    let (client_id, client_secret) = (t.text_or_empty("clientID"), t.text_or_empty("clientSecret"));
    let (audience, scope) = (t.text("audience"), t.text_or_empty("scope"));
    let url = t.text("tokenEndpointURL");
    let params_line = t.line_of("additionalEndpointParams").unwrap_or(line);
    let params = t.map("additionalEndpointParams");
    let trusted_ca_file = t.text_or_empty("trustedCaFile");
    let insecure = t.flag("insecureSkipVerify").unwrap_or(false);
    let proxy_url = t.text_or_empty("proxyURL");
    let given = t.has_table("tokenSource");
    let source_line = t.line_of("tokenSource").unwrap_or(line);
    let texts = [&client_id, &client_secret, &scope, &trusted_ca_file, &proxy_url];
    let others = texts.iter().any(|text| !text.is_empty());
    if given && (others || audience.is_some() || url.is_some() || !params.is_empty() || insecure) {
        let key = t.path("tokenSource");
        let text = "cannot specify both auth.oidc.tokenSource and any other field of auth.oidc";
        t.report().error(source_line, &key, text);
    }
    let source = source(t.table("tokenSource"), given, "auth.oidc.tokenSource");
    if used && !given {
        let mut wrong = |line, key: &str, text: &str| {
            let key = t.path(key);
            t.report().error(line, &key, text);
        };
        if client_id.is_empty() {
            wrong(line, "clientID", "auth.oidc.clientID is required");
        }
        match url.as_ref().map(|f| (f.line, endpoint(&f.value))) {
            None => wrong(line, "tokenEndpointURL", "auth.oidc.tokenEndpointURL is required"),
            Some((line, Err(text))) => wrong(line, "tokenEndpointURL", text),
            Some((_, Ok(()))) => {}
        }
        if params.contains_key("scope") {
            let text = "auth.oidc.additionalEndpointParams.scope is not allowed; use auth.oidc.scope instead";
            wrong(params_line, "additionalEndpointParams.scope", text);
        }
        if let Some(f) = audience.as_ref().filter(|_| params.contains_key("audience")) {
            let text = "cannot specify both auth.oidc.audience and auth.oidc.additionalEndpointParams.audience";
            wrong(f.line, "audience", text);
        }
    }
    t.finish(&[]);
    Some(Oidc {
        client_id,
        client_secret,
        audience: audience.map(|f| f.value).unwrap_or_default(),
        scope,
        token_endpoint_url: url.map(|f| f.value).unwrap_or_default(),
        params,
        trusted_ca_file,
        system_ca_file: std::env::var("SSL_CERT_FILE").unwrap_or_default(),
        insecure,
        proxy_url,
        source,
    })
}

/// frpc's test of an address that tokens are fetched from: what Go's parser takes for an absolute URL with a host.
fn endpoint(url: &str) -> Result<(), &'static str> {
    const RELATIVE: &str = "auth.oidc.tokenEndpointURL must be an absolute http or https URL";
    let (scheme, rest) = url.split_once("://").ok_or(RELATIVE)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.rsplit_once(']').map_or(host, |(_, port)| port).rsplit_once(':').map_or("", |(_, port)| port);
    let mut letters = scheme.chars();
    let named = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c));
    let odd = |c: char| c.is_ascii_control() || [' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}'].contains(&c);
    let brackets = host.starts_with('[') != host.contains(']');
    if !named
        || host.is_empty()
        || host.contains(odd)
        || brackets
        || url.contains(|c: char| c.is_ascii_control())
        || !port.bytes().all(|b| b.is_ascii_digit())
        || !escapes_are_whole(rest)
    {
        return Err(RELATIVE);
    }
    let known = ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    known.then_some(()).ok_or("auth.oidc.tokenEndpointURL must use http or https")
}

/// Whether each `%` before the query is followed by two hexadecimal digits.
fn escapes_are_whole(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    path.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut hex = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        hex() && hex()
    })
}
