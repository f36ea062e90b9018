//! TLS to the server with certificates that are checked, by either end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::process::Mark;
use crate::site::Scratch;
use crate::stage::{Link, LinkTest, Plan, TLS_MODES};
use crate::user;
use crate::wait::{Context, Outcome, REFUSAL, ensure};

pub(crate) const TESTS: &[LinkTest] = &[
    ("trusted_name", TLS_MODES, |link| accepted(link, &[], &[TRUSTED, NAME])),
    ("trusted_address", TLS_MODES, |link| accepted(link, &[], &[TRUSTED])),
    ("wrong_authority", TLS_MODES, |link| refused(link, &[], &[("trustedCaFile", "other.pem"), NAME])),
    ("wrong_name", TLS_MODES, |link| refused(link, &[], &[TRUSTED, ("serverName", "elsewhere.test")])),
    ("client_certificate", TLS_MODES, |link| {
        accepted(link, &[TRUSTED], &[TRUSTED, ("certFile", "client.pem"), ("keyFile", "client.key")])
    }),
    ("no_client_certificate", TLS_MODES, |link| refused(link, &[TRUSTED], &[TRUSTED])),
    ("strange_client_certificate", TLS_MODES, |link| {
        refused(link, &[TRUSTED], &[TRUSTED, ("certFile", "stranger.pem"), ("keyFile", "stranger.key")])
    }),
    ("custom_first_byte", TLS_MODES, |link| accepted(link, &[], &[("disableCustomTLSFirstByte", "false")])),
    ("required_by_server", TLS_MODES, |link| refused(Link { tls: false, ..link }, &[("force", "true")], &[])),
];

/// A key below `transport.tls` and its value; a file's name is that of one in [`Certificates`].
type Setting = (&'static str, &'static str);
const TRUSTED: Setting = ("trustedCaFile", "ca.pem");
const NAME: Setting = ("serverName", "frps.test");

/// Made once a run, with the `openssl` command.
static CERTIFICATES: LazyLock<Outcome<Certificates>> = LazyLock::new(Certificates::make);

struct Certificates {
    scratch: Scratch,
}

impl Certificates {
    const CONFIG: &'static str = "
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:frps.test, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
";

    fn make() -> Outcome<Self> {
        let scratch = Scratch::new()?;
        scratch.write("openssl.cnf", Self::CONFIG)?;
        issue(scratch.path(), "ca", "ca", None)?;
        issue(scratch.path(), "other", "ca", None)?;
        issue(scratch.path(), "frps", "server", Some("ca"))?;
        issue(scratch.path(), "client", "client", Some("ca"))?;
        issue(scratch.path(), "stranger", "client", Some("other"))?;
        Ok(Self { scratch })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// One of the files by its name.
pub(crate) fn certificate(name: &str) -> Outcome<String> {
    let certificates = CERTIFICATES.as_ref().map_err(Clone::clone)?;
    Ok(certificates.path(name).display().to_string())
}

/// Writes `name.pem` and `name.key`, signed by `authority` or by itself.
fn issue(dir: &Path, name: &str, kind: &str, authority: Option<&str>) -> Outcome {
    let mut command = Command::new("openssl");
    command.current_dir(dir).args([
        "req",
        "-x509",
        "-config",
        "openssl.cnf",
        "-days",
        "30",
        "-nodes",
        "-extensions",
        kind,
    ]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    if let Some(authority) = authority {
        command.args(["-CA", &format!("{authority}.pem"), "-CAkey", &format!("{authority}.key")]);
    }
    let done = command.output().context("starting openssl")?;
    ensure!(done.status.success(), "openssl, for {name}.pem: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn lines(certificates: &Certificates, settings: &[Setting]) -> String {
    let line = |(key, value): &Setting| match *key {
        "force" | "disableCustomTLSFirstByte" => format!("transport.tls.{key} = {value}\n"),
        "serverName" => format!("transport.tls.{key} = \"{value}\"\n"),
        _ => format!("transport.tls.{key} = \"{}\"\n", certificates.path(value).display()),
    };
    settings.iter().map(line).collect()
}

/// A server with a certificate for [`NAME`] and 127.0.0.1, and a client, each with further settings.
fn plan(link: Link, server: &[Setting], client: &[Setting]) -> Outcome<Plan> {
    let certificates = CERTIFICATES.as_ref().map_err(Clone::clone)?;
    let own = [("certFile", "frps.pem"), ("keyFile", "frps.key")];
    let server_extra = lines(certificates, &own) + &lines(certificates, server);
    let client_extra = format!("loginFailExit = false\n{}", lines(certificates, client));
    Ok(Plan { server_extra, client_extra, ..Plan::unregistered(link) })
}

fn accepted(link: Link, server: &[Setting], client: &[Setting]) -> Outcome {
    let plan = Plan { registered: true, ..plan(link, server, client)? };
    plan.play(|stage| user::crowd(stage.port(), 10, 1000))
}

/// The client says that it could not log in, tries again, and nothing gets through.
fn refused(link: Link, server: &[Setting], client: &[Setting]) -> Outcome {
    plan(link, server, client)?.play(|stage| {
        stage.client.expect_times(2, Mark::START, "connect to server error: ", REFUSAL)?;
        ensure!(stage.client.count(Mark::START, "login to server success") == 0, "the client logged in all the same");
        stage.client.expect_alive()
    })
}
