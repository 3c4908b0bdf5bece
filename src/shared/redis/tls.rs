//! How connections are encrypted.

use redis::{Client, ConnectionInfo, RedisResult};

use crate::error::Error;

/// Whom we trust, and who we are. Nothing of it is ever shown.
#[derive(Clone, Default)]
pub(super) struct Tls {
    /// The certificates, in PEM, of those who may vouch for a server. Else the system's.
    #[cfg(feature = "tls")]
    pub(super) authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, in PEM.
    #[cfg(feature = "tls")]
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

#[cfg(not(feature = "tls"))]
impl Tls {
    /// # Errors
    /// None: there is nothing to be wrong.
    pub(super) fn check(&self, _encrypted: bool) -> Result<(), Error> {
        Ok(())
    }

    /// A client that connects by these rules.
    pub(super) fn open(&self, info: ConnectionInfo) -> RedisResult<Client> {
        Client::open(info)
    }
}

#[cfg(feature = "tls")]
impl Tls {
    /// # Errors
    /// `Config` if what was given cannot be used, or is of no use.
    pub(super) fn check(&self, encrypted: bool) -> Result<(), Error> {
        if !encrypted {
            return if self.authorities.is_none() && self.identity.is_none() {
                Ok(())
            } else {
                Err(Error::config(
                    "redis certificates: they are for URLs that begin with rediss",
                ))
            };
        }
        // The client takes the default of the process, which nobody may have chosen yet; it would
        // panic if two were built in.
        let ring = rustls::crypto::ring::default_provider();
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error would mean that somebody was faster.
            let _ = ring.clone().install_default();
        }
        if let Some(pem) = &self.authorities {
            certificates(pem, "redis CA certificate")?;
        }
        if let Some((certificate, key)) = &self.identity {
            use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

            let chain = certificates(certificate, "redis client certificate")?;
            let wrong = |why: String| Error::config(format!("redis client key: {why}"));
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| wrong("it has to be a private key in PEM".into()))?;
            rustls::ClientConfig::builder_with_provider(ring.into())
                .with_safe_default_protocol_versions()
                .map_err(|error| wrong(error.to_string()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_client_auth_cert(chain, key)
                .map_err(|error| wrong(format!("it cannot be used ({error})")))?;
        }
        Ok(())
    }

    /// A client that connects by these rules.
    pub(super) fn open(&self, info: ConnectionInfo) -> RedisResult<Client> {
        let encrypted = matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
        if !encrypted || (self.authorities.is_none() && self.identity.is_none()) {
            return Client::open(info);
        }
        let certificates = redis::TlsCertificates {
            client_tls: (self.identity.clone()).map(|(client_cert, client_key)| {
                redis::ClientTlsConfig {
                    client_cert,
                    client_key,
                }
            }),
            root_cert: self.authorities.clone(),
        };
        Client::build_with_tls(info, certificates)
    }
}

/// The certificates of a PEM text, of which there has to be one.
#[cfg(feature = "tls")]
fn certificates(
    pem: &[u8],
    what: &str,
) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, Error> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let wrong = || Error::config(format!("{what}: it has to be a certificate in PEM"));
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(wrong)
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_or_of_no_use_is_named() {
        let pem = |text: &str| Some(text.as_bytes().to_vec());
        let authorities = |text| Tls {
            authorities: pem(text),
            identity: None,
        };
        let not_pem = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        for (tls, encrypted, named) in [
            (authorities(""), true, "CA certificate"),
            (authorities(not_pem), true, "CA certificate"),
            (authorities(""), false, "begin with rediss"),
        ] {
            let error = tls.check(encrypted).expect_err(named);
            assert!(error.is_config() && error.to_string().contains(named));
        }
        assert!(Tls::default().check(true).is_ok() && Tls::default().check(false).is_ok());
    }
}
