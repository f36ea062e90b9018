//! Two ways to look at the server's certificate, both frpc's.
//!
//! Owns [`Trusted`] and [`Unverified`]. Does not choose between them. Always true: [`Trusted`] accepts nothing that
//! neither chains to a given certificate nor is one. Worst case: the trusted certificates.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
#[expect(clippy::disallowed_types, reason = "rustls shares its provider this way")]
use std::sync::Arc;

/// `transport.tls.trustedCaFile` is set: chain, dates and name must fit.
///
/// It is what `rustls::client::WebPkiServerVerifier` does without revocation lists, which frpc's keys cannot name and
/// whose reading takes 18 KB of a small machine's program.
#[derive(Debug)]
pub(super) struct Trusted {
    #[expect(clippy::disallowed_types, reason = "rustls shares its provider this way")]
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) roots: RootCertStore,
    pub(super) anchors: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let cert = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&cert, &self.roots, chain, now, algorithms) {
            // A self-signed server certificate is its own CA (`openssl req -x509` makes such ones). The library checks
            // dates first and then refuses a CA as server; Go accepts one that is itself in the file, and so must we.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.anchors.iter().any(|a| a == leaf) => {}
            result => result?,
        }
        verify_server_name(&cert, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// No CA file: whoever answers is the server. Its certificate is not even parsed; frps makes one without names at every
/// start, and old versions put senseless dates into it.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "rustls shares its provider this way")]
pub(super) struct Unverified(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
