//! What a TLS session needs from the configuration.
//!
//! Owns the parsed certificates and the choice of verifier, which follows frpc (protocol §1.3): with a CA file the
//! chain and the name are checked against that file alone, without one nothing is. Does not read files: it is given
//! their bytes. Always true: a value of [`Settings`] can start a session. Worst case: the certificates, and 4 sessions
//! kept for resumption.

use super::verify::{Trusted, Unverified};
use crate::proto::crypto::has_aes;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, RootCertStore};
#[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
use std::sync::Arc;

/// What is wrong with the files or names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// `transport.tls.trustedCaFile`.
    Authority(String),
    /// `transport.tls.certFile`.
    Certificate(String),
    /// `transport.tls.keyFile`.
    Key(String),
    /// `transport.tls.serverName`, or `serverAddr` in its place.
    Name(String),
}

/// Everything that is the same for all sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    #[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    verified: bool,
}

impl Settings {
    /// Checks the settings. `trusted`, `certificate` and `key` are PEM texts; the client certificate is used only when
    /// both its parts are there.
    ///
    /// # Errors
    /// Says which of them is of no use.
    #[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
    pub fn new(
        name: &str,
        trusted: Option<&[u8]>,
        certificate: Option<&[u8]>,
        key: Option<&[u8]>,
    ) -> Result<Self, SettingsError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| SettingsError::Name(format!("\"{name}\" is no host name or address")))?;
        let provider = Arc::new(provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|e| SettingsError::Authority(e.to_string()))?.dangerous();
        let builder = builder.with_custom_certificate_verifier(verifier(trusted, provider)?);
        let mut config = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let (chain, key) = (certificates(certificate).map_err(SettingsError::Certificate)?, private_key(key)?);
                builder.with_client_auth_cert(chain, key).map_err(|e| SettingsError::Key(e.to_string()))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(4);
        Ok(Self { config: Arc::new(config), name, verified: trusted.is_some() })
    }

    /// Whether the server has to prove who it is.
    pub fn verified(&self) -> bool {
        self.verified
    }

    pub(super) fn connect(&self) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(self.config.clone(), self.name.clone())
    }
}

/// ring's, with ChaCha20 first where the CPU has no instructions for AES: frps follows this order, and AES takes a MIPS
/// several times as long.
pub(super) fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    if !has_aes() {
        let chacha = [
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ];
        provider.cipher_suites.sort_by_key(|suite| !chacha.contains(&suite.suite()));
    }
    provider
}

#[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
fn verifier(
    trusted: Option<&[u8]>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, SettingsError> {
    let Some(pem) = trusted else {
        return Ok(Arc::new(Unverified(provider)));
    };
    let (mut roots, mut anchors, mut broken) = (RootCertStore::empty(), Vec::new(), None);
    // As in Go, a certificate that cannot be read does not take the others with it.
    for found in CertificateDer::pem_slice_iter(pem) {
        let added = found
            .map_err(|e| e.to_string())
            .and_then(|anchor| roots.add(anchor.clone()).map_err(|e| e.to_string()).map(|()| anchors.push(anchor)));
        broken = added.err().or(broken);
    }
    if anchors.is_empty() {
        let why = broken.map_or_else(String::new, |e| format!(": {e}"));
        return Err(SettingsError::Authority(format!("there is no usable PEM certificate in it{why}")));
    }
    if let Some(why) = broken {
        log::warn!("a certificate among the trusted ones is skipped: {why}");
    }
    Ok(Arc::new(Trusted { provider, roots, anchors }))
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(list) if list.is_empty() => Err("there is no PEM certificate in it".to_owned()),
        Ok(list) => Ok(list),
        Err(e) => Err(e.to_string()),
    }
}

pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, SettingsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|e| SettingsError::Key(e.to_string()))
}
