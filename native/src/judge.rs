//! Certificates: Python judges them, rustls checks that the peer has their keys.

use std::fmt;
use std::sync::{Arc, Mutex};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::tokens::locked;

/// Asks the `judge` of the settings.
pub struct Judge {
    /// None after the garbage collector has broken a cycle of references.
    ask: Mutex<Option<Py<PyAny>>>,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Mutex<Option<String>>,
}

impl Judge {
    pub fn new(ask: Py<PyAny>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { ask: Mutex::new(Some(ask)), algorithms, refusal: Mutex::default() }
    }

    /// Take the text of the last refusal.
    pub fn take_refusal(&self) -> Option<String> {
        locked(&self.refusal).take()
    }

    /// Show the callable to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.ask.try_lock() {
            Ok(ask) => visit.call(&*ask),
            Err(_) => Ok(()),
        }
    }

    /// Drop the callable; everybody is refused from now on.
    pub fn clear(&self) {
        *locked(&self.ask) = None;
    }

    /// The public key of a certificate that the judge accepts.
    fn key(&self, certificate: &[u8], expected: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        Python::attach(|py| {
            let expected = expected.map(|expected| PyBytes::new(py, expected));
            let Some(ask) = locked(&self.ask).as_ref().map(|ask| ask.clone_ref(py)) else {
                return Err(self.refused("the endpoint is gone".to_owned()));
            };
            let answer = ask.call1(py, (PyBytes::new(py, certificate), expected));
            match answer.and_then(|key| Ok(key.bind(py).cast::<PyBytes>()?.as_bytes().to_vec())) {
                Ok(key) => Ok(key),
                Err(error) => Err(self.refused(error.value(py).to_string())),
            }
        })
    }

    fn refused(&self, text: String) -> Error {
        *locked(&self.refusal) = Some(text);
        // The alert is bad_certificate, as that of other implementations.
        Error::InvalidCertificate(CertificateError::BadEncoding)
    }
}

/// Judges the certificates of one dial, or those of all peers that dial us.
pub struct Verifier {
    judge: Arc<Judge>,
    expected: Option<Vec<u8>>,
    /// The key of the certificate that was accepted last: its proof is checked next.
    accepted: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
}

impl Verifier {
    pub fn new(judge: Arc<Judge>, expected: Option<Vec<u8>>) -> Self {
        Self { judge, expected, accepted: Mutex::default() }
    }

    fn accept(&self, leaf: &[u8], others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(self.judge.refused("there is more than one certificate".to_owned()));
        }
        let key = self.judge.key(leaf, self.expected.as_deref())?;
        *locked(&self.accepted) = Some((leaf.to_vec(), key));
        Ok(())
    }

    fn prove(
        &self,
        message: &[u8],
        leaf: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let accepted = locked(&self.accepted).take();
        let key = match accepted {
            Some((certificate, key)) if certificate == leaf => key,
            // Another handshake has come between.
            _ => self.judge.key(leaf, self.expected.as_deref())?,
        };
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.judge.algorithms)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Verifier")
    }
}

/// TLS 1.2 is switched off, and never gets here.
fn only_tls13() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.accept(leaf, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.accept(leaf, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.algorithms.supported_schemes()
    }
}
