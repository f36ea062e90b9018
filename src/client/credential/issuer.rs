//! An OIDC issuer: whom to ask for tickets, how, and whom to believe.
//!
//! Owns where the issuer is, the request, what its certificate is checked against, and where it wants the secret. Does not
//! talk to it: that is one [`Exchange`]. Always true: no text has the secret in it. Worst case: the authorities, 250 KiB
//! where they are the system's (an issuer with https and no `trustedCaFile`).
//!
//! Why is it so?
//! * *Why are files read one by one?* Of the places where systems keep their authorities, the first that is there is taken,
//!   as Go does; several are often one file under many names.
//! * *Why are the folders of single certificates not read?* Go does. Where there is one, there is a bundle as well, but for
//!   OpenWrt with `ca-certificates` in place of its usual `ca-bundle`; the error names both ways out.

mod exchange;
mod url;

pub(super) use crate::proto::oauth::Grant;
pub(super) use exchange::{Exchange, Progress};
use exchange::{Parts, Way};

use super::{LIMIT, Why};
use crate::config::Oidc;
use crate::net::{FileDone, FileJob, Net, Token};
use crate::proto::http::base64;
use crate::proto::oauth::{basic, form};
use crate::proto::socks::Socks;
use crate::proto::tls::{self, SettingsError};
use url::Url;

const AGENT: &str = concat!("redial/", env!("CARGO_PKG_VERSION"));

/// Where Go looks for authorities on Linux.
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the issuer wants the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// In the header if that is not known.
    Header { known: bool },
    /// In the body.
    Body { known: bool },
}

/// What the issuer's certificate is checked against.
enum Trust {
    /// There is no certificate.
    Clear,
    /// To be read from the file at this place: `trustedCaFile`, or those of the system from the first on.
    Unread(usize),
    /// Known; or why it is of no use.
    Known(Result<tls::Settings, String>),
}

/// See the module.
pub(super) struct Issuer {
    url: Url,
    /// `proxyURL`.
    proxy: Option<Url>,
    id: String,
    secret: String,
    /// All fields but the credentials, in order.
    fields: Vec<(String, String)>,
    /// Files with authorities, of which the first that is there is used.
    files: Vec<String>,
    /// There is one, and it has to be of use.
    chosen: bool,
    trust: Trust,
    style: Style,
}

impl Issuer {
    pub(super) fn new(oidc: &Oidc) -> Result<Self, String> {
        let url = Url::parse(&oidc.token_endpoint_url).map_err(|why| format!("tokenEndpointURL: {why}"))?;
        let proxy = match oidc.proxy_url.as_str() {
            "" => None,
            text => Some(proxy(text)?),
        };
        let own =
            [("audience", &oidc.audience), ("grant_type", &"client_credentials".to_owned()), ("scope", &oidc.scope)]
                .map(|(name, value)| (name.to_owned(), value.clone()));
        let given = |name: &str| oidc.params.contains_key(name);
        let mut fields: Vec<_> = own
            .into_iter()
            .filter(|(name, value)| !given(name) && (name != "audience" || !value.is_empty()))
            .chain(oidc.params.iter().map(|(name, value)| (name.clone(), value.clone())))
            .collect();
        fields.sort();
        let chosen = !oidc.trusted_ca_file.is_empty();
        let files = match [&oidc.trusted_ca_file, &oidc.system_ca_file].into_iter().find(|file| !file.is_empty()) {
            Some(file) => vec![file.clone()],
            None => SYSTEM.map(str::to_owned).to_vec(),
        };
        let trust = match (oidc.insecure, url.secure) {
            (true, true) => Trust::Known(Ok(settings(&url, None)?)),
            // A file that is named is read, as with frpc, whether it is needed or not.
            (false, secure) if secure || chosen => Trust::Unread(0),
            _ => Trust::Clear,
        };
        let (id, secret) = (oidc.client_id.clone(), oidc.client_secret.clone());
        let style = Style::Header { known: false };
        Ok(Self { url, proxy, id, secret, fields, files, chosen, trust, style })
    }

    pub(super) fn name(&self) -> String {
        format!("auth.oidc.tokenEndpointURL ({})", self.url.shown)
    }

    pub(super) fn prepared(&self) -> bool {
        !matches!(self.trust, Trust::Unread(_))
    }

    /// The next file to be read.
    pub(super) fn files(&self) -> FileJob {
        let path = match self.trust {
            Trust::Unread(at) => self.files.get(at),
            Trust::Clear | Trust::Known(_) => None,
        };
        FileJob::Read { paths: path.into_iter().map(Into::into).collect() }
    }

    /// What was read. An error ends the program.
    pub(super) fn prepare(&mut self, result: Result<FileDone, String>) -> Result<(), String> {
        let Trust::Unread(at) = self.trust else { return Ok(()) };
        let path = self.files.get(at).map_or("", String::as_str);
        let read = match result {
            Ok(FileDone::Read(files)) => files.into_iter().next().unwrap_or_else(|| Err("nothing was read".to_owned())),
            Ok(_) => Err("nothing was read".to_owned()),
            Err(why) => Err(why),
        };
        self.trust = match read {
            Ok(file) => match tls::Settings::new(&self.url.host, Some(&file.bytes), None, None) {
                Err(SettingsError::Authority(_)) if self.chosen => {
                    return Err(format!("failed to parse OIDC CA certificate from file {path:?}"));
                }
                Err(SettingsError::Authority(why)) => Trust::Known(Err(format!("{path}: {why}"))),
                Err(error) => Trust::Known(Err(said(error))),
                Ok(settings) => Trust::Known(Ok(settings)),
            },
            Err(why) if self.chosen => return Err(format!("failed to read OIDC CA certificate file {path:?}: {why}")),
            Err(_) if at + 1 < self.files.len() => Trust::Unread(at + 1),
            Err(_) => Trust::Known(Err(
                "there is no file of authorities on this machine: install ca-bundle (OpenWrt) or ca-certificates, or set \
                 auth.oidc.trustedCaFile"
                    .to_owned(),
            )),
        };
        if !self.url.secure {
            self.trust = Trust::Clear;
        }
        Ok(())
    }

    /// Asks for a ticket.
    pub(super) fn ask(&self, token: Token, net: &mut dyn Net) -> Result<Exchange, Why> {
        let tls = match &self.trust {
            Trust::Clear | Trust::Unread(_) => None,
            Trust::Known(known) => Some(known.clone().map_err(|why| {
                let text = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
                Why::new(format!("Post {:?}: {text} ({why})", self.url.shown))
            })?),
        };
        let way =
            way(&self.url, self.proxy.as_ref()).map_err(|why| Why::new(format!("Post {:?}: {why}", self.url.shown)))?;
        let place = self.proxy.as_ref().unwrap_or(&self.url);
        let parts = Parts { shown: self.url.shown.clone(), way, request: self.request(), tls };
        Ok(Exchange::start(place, parts, LIMIT, token, net))
    }

    fn request(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let header = matches!(self.style, Style::Header { .. });
        if !header {
            let own = [("client_id", &self.id), ("client_secret", &self.secret)];
            for (name, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
                fields.retain(|(other, _)| other != name);
                fields.push((name.to_owned(), value.clone()));
            }
            fields.sort();
        }
        let body = form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let authorization =
            if header { format!("Authorization: {}\r\n", basic(&self.id, &self.secret)) } else { String::new() };
        // A proxy that speaks HTTP is told all of the address, unless it is asked for a way through.
        let (whole, login) = match self.proxy.as_ref().filter(|proxy| !is_socks(proxy) && !self.url.secure) {
            Some(proxy) => (format!("http://{}", self.url.authority), login_line(proxy)),
            None => (String::new(), String::new()),
        };
        let (path, host, length) = (&self.url.path, &self.url.authority, body.len());
        let head = format!(
            "POST {whole}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\n{login}{authorization}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        (head + &body).into_bytes()
    }

    /// Whether a refusal may be one of the place where the secret was. The next request has it in the other.
    pub(super) fn try_another_style(&mut self, why: &Why) -> bool {
        let again = why.answered && self.style == Style::Header { known: false };
        if !matches!(self.style, Style::Header { known: true } | Style::Body { known: true }) {
            self.style = if again { Style::Body { known: false } } else { Style::Header { known: false } };
        }
        again
    }

    /// A ticket came: this is the way.
    pub(super) fn granted(&mut self) {
        let (Style::Header { known } | Style::Body { known }) = &mut self.style;
        *known = true;
    }

    /// Takes the secret out of what the issuer said, if that is repeated in it.
    pub(super) fn hide(&self, why: &mut Why) {
        if why.answered && self.secret.len() >= 8 && why.text.contains(&self.secret) {
            why.text = why.text.replace(&self.secret, "***");
        }
    }
}

/// A proxy's address, in frpc's words if it is none.
fn proxy(text: &str) -> Result<Url, String> {
    let failed = |why: String| format!("failed to parse OIDC proxy URL {text:?}: parse {text:?}: {why}");
    let url = Url::parse(text).map_err(failed)?;
    if url.secure {
        return Err(format!("proxyURL: {:?}: a proxy over TLS is not in this build: use http or socks5", url.shown));
    }
    Ok(url)
}

fn is_socks(proxy: &Url) -> bool {
    ["socks5", "socks5h"].contains(&proxy.scheme.as_str())
}

fn login_line(proxy: &Url) -> String {
    let basic = |(name, password)| base64(format!("{name}:{password}").as_bytes());
    proxy.login().map(basic).map_or_else(String::new, |text| format!("Proxy-Authorization: Basic {text}\r\n"))
}

/// How a connection to the proxy becomes one to the issuer.
fn way(url: &Url, proxy: Option<&Url>) -> Result<Way, String> {
    match proxy {
        None => Ok(Way::Straight),
        Some(proxy) if is_socks(proxy) => {
            let login = proxy.login();
            let user = login.as_ref().map(|(name, password)| (name.as_str(), password.as_str()));
            Socks::new(&url.host, url.port, user).map(Way::Socks).map_err(|why| format!("socks connect: {why}"))
        }
        Some(proxy) if url.secure => {
            let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
            let (to, login) = (format!("{host}:{}", url.port), login_line(proxy));
            let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {AGENT}\r\n{login}\r\n");
            Ok(Way::Connect(head.into_bytes()))
        }
        Some(_) => Ok(Way::Straight),
    }
}

fn settings(url: &Url, trusted: Option<&[u8]>) -> Result<tls::Settings, String> {
    tls::Settings::new(&url.host, trusted, None, None).map_err(said)
}

fn said(error: SettingsError) -> String {
    match error {
        SettingsError::Authority(why)
        | SettingsError::Certificate(why)
        | SettingsError::Key(why)
        | SettingsError::Name(why) => why,
    }
}

#[cfg(test)]
mod tests;
