//! Ed25519 keys and the tokens that are signed with them.
//!
//! Invariant: a private key leaves this module only as the content of a file that nobody else can
//! read; its `Debug` shows nothing.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use redress_core::caller::Role;
use redress_core::clock::Timestamp;
use redress_core::id::TenantId;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::Serialize;

/// A key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot access {path}")]
    File {
        /// The file's name as given.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Not an Ed25519 private key in PKCS#8 PEM.
    #[error("not an Ed25519 private key: expected PKCS#8 PEM (BEGIN PRIVATE KEY)")]
    NotPrivate,
    /// Not an Ed25519 public key.
    #[error(
        "not an Ed25519 public key: expected PEM (BEGIN PUBLIC KEY) or a JWK (kty OKP, crv Ed25519)"
    )]
    NotPublic,
    /// The library refused; its message is all it tells.
    #[error("the key could not be generated, exported or used: {0}")]
    Crypto(&'static str),
}

impl KeyError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}

/// An Ed25519 private key that signs tokens.
pub struct SigningKey {
    pkcs8: SecretBox<Vec<u8>>,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key from the machine's entropy. For binaries and tests.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Crypto("generate"))?;
        Self::from_pair(pair)
    }

    /// Reads a key from PKCS#8 PEM.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| KeyError::NotPrivate)?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der());
        Self::from_pair(pair.map_err(|_| KeyError::NotPrivate)?)
    }

    /// Reads a key from a file of PKCS#8 PEM.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read_to_string(path).map_err(KeyError::file(path))?;
        Self::parse(SecretString::from(pem).expose_secret())
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let document = pair.to_pkcs8().map_err(|_| KeyError::Crypto("export"))?;
        Ok(Self { pkcs8: SecretBox::new(Box::new(document.as_ref().to_vec())), pair })
    }

    /// Writes the key as PKCS#8 PEM into a new file that only its owner can read (mode 0600).
    /// An existing file is an error, never overwritten.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let pem = SecretString::from(to_pem("PRIVATE KEY", self.pkcs8.expose_secret()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = file.map_err(KeyError::file(path))?;
        let written = file.write_all(pem.expose_secret().as_bytes());
        written.and_then(|()| file.sync_all()).map_err(KeyError::file(path))
    }

    #[cfg(test)]
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// The public half, to be given to those who verify.
    pub fn public_key(&self) -> PublicKey {
        PublicKey { raw: self.pair.public_key().as_ref().to_vec() }
    }

    /// The public half as PEM (`BEGIN PUBLIC KEY`).
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let der = self.pair.public_key().as_der().map_err(|_| KeyError::Crypto("export"))?;
        Ok(to_pem("PUBLIC KEY", der.as_ref()))
    }
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem + "-----END " + label + "-----\n"
}

/// An Ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    raw: Vec<u8>,
}

impl PublicKey {
    /// Reads PEM or a JWK.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = if text.trim_start().starts_with('{') {
            let jwk: jsonwebtoken::jwk::Jwk =
                serde_json::from_str(text).map_err(|_| KeyError::NotPublic)?;
            DecodingKey::from_jwk(&jwk)
        } else {
            DecodingKey::from_ed_pem(text.as_bytes())
        };
        let key = key.map_err(|_| KeyError::NotPublic)?;
        let is_ed25519 = key.family() == jsonwebtoken::AlgorithmFamily::Ed;
        match key.try_get_as_bytes() {
            Ok(raw) if is_ed25519 && raw.len() == 32 => Ok(Self { raw: raw.to_vec() }),
            _ => Err(KeyError::NotPublic),
        }
    }

    /// Reads a file of PEM or a JWK.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        Self::parse(&std::fs::read_to_string(path).map_err(KeyError::file(path))?)
    }

    #[cfg(test)]
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_ed_der(&self.raw)
    }
}

/// What a token says.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Who vouches: the `iss` claim.
    pub issuer: String,
    /// For whom the token is meant: the `aud` claim.
    pub audience: String,
    /// Who calls: the `sub` claim.
    pub subject: String,
    /// In whose name.
    pub tenant: TenantId,
    /// As what.
    pub roles: Vec<Role>,
    /// From when on: the `iat` and `nbf` claims, in whole seconds.
    pub issued_at: Timestamp,
    /// For how long, in whole seconds.
    pub lifetime: Duration,
}

impl Claims {
    /// When the token stops being valid.
    pub fn expires_at(&self) -> Timestamp {
        self.issued_at.plus(self.lifetime)
    }
}

#[derive(Serialize)]
struct WireClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    tenant: &'a str,
    roles: &'a [Role],
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Signs a token (JWT, EdDSA).
pub fn mint(key: &SigningKey, claims: &Claims) -> Result<SecretString, KeyError> {
    let wire = WireClaims {
        iss: &claims.issuer,
        aud: &claims.audience,
        sub: &claims.subject,
        tenant: claims.tenant.as_str(),
        roles: &claims.roles,
        iat: claims.issued_at.seconds_and_nanos().0,
        nbf: claims.issued_at.seconds_and_nanos().0,
        exp: claims.expires_at().seconds_and_nanos().0,
    };
    let encoding = EncodingKey::from_ed_der(key.pkcs8.expose_secret());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &wire, &encoding);
    token.map(SecretString::from).map_err(|_| KeyError::Crypto("sign"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_survives_its_file_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pem");
        let key = SigningKey::generate().unwrap();
        key.write_new(&path).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap().public_key(), key.public_key());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = SigningKey::generate().unwrap().write_new(&path);
        assert!(matches!(again, Err(KeyError::File { .. })), "a key is never overwritten");
    }

    #[test]
    fn the_public_key_reads_from_pem_and_jwk() {
        let key = SigningKey::generate().unwrap();
        let pem = key.public_pem().unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
        assert_eq!(PublicKey::parse(&pem).unwrap(), key.public_key());
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.public_key().raw());
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
        assert_eq!(PublicKey::parse(&jwk).unwrap(), key.public_key());
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let key = SigningKey::generate().unwrap();
        assert!(matches!(SigningKey::parse(&key.public_pem().unwrap()), Err(KeyError::NotPrivate)));
        for text in [
            "",
            "ssh-ed25519 AAAA",
            "{}",
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#,
            RSA_PUBLIC,
        ] {
            assert!(matches!(PublicKey::parse(text), Err(KeyError::NotPublic)), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_private_key() {
        assert_eq!(format!("{:?}", SigningKey::generate().unwrap()), "SigningKey { .. }");
    }

    const RSA_PUBLIC: &str = concat!(
        "-----BEGIN PUBLIC KEY-----\n",
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDF1xoDOXY57Rx3BA82NmWtWCG9\n",
        "2QB1/Fudj0vJUS49pzwYKWkw4LfNTORErcDHv4pfXm7T1Agy1Lop8DIb5Sr/SKHz\n",
        "hpy2Y6KjxPxWfxdqa0OnsWUERco8aJP0eU5IeA1zTNxbd+/Hwnqa6za3JU6PfjQ2\n",
        "MpTzWl6RPfpH3WN3eQIDAQAB\n",
        "-----END PUBLIC KEY-----\n",
    );

    #[test]
    fn keys_of_the_older_form_without_a_public_half_are_read() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pem = to_pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        let key = SigningKey::parse(&pem).unwrap();
        assert_eq!(key.public_key().raw(), pair.public_key().as_ref());
    }
}
