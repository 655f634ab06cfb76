//! The secret that development tokens are signed with: a key of the file that also checks them.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pinyon_core::{Error, Result};

use super::Claims;

/// A key with alg HS256.
pub struct SigningKey {
    id: Option<String>,
    secret: EncodingKey,
}

impl SigningKey {
    /// Reads the key with this id, or the first that fits.
    ///
    /// # Errors
    /// `InvalidRequest` that names the file when it cannot be read or holds no fit key.
    pub fn read(path: &Path, id: Option<&str>) -> Result<Self> {
        let broken = |what: String| Error::invalid(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|reason| broken(reason.to_string()))?;
        let set: JwkSet =
            serde_json::from_str(&text).map_err(|reason| broken(reason.to_string()))?;
        let mut keys = set.keys.iter().filter(|it| {
            let is_asked = id.is_none() || it.common.key_id.as_deref() == id;
            it.common.key_algorithm == Some(KeyAlgorithm::HS256) && is_asked
        });
        let key = keys
            .next()
            .ok_or_else(|| broken("it has no such key with alg HS256".to_owned()))?;
        let AlgorithmParameters::OctetKey(secret) = &key.algorithm else {
            return Err(broken("the key is no secret".to_owned()));
        };
        let secret = URL_SAFE_NO_PAD
            .decode(secret.value.trim_end_matches('='))
            .map_err(|reason| broken(reason.to_string()))?;
        Ok(Self {
            id: key.common.key_id.clone(),
            secret: EncodingKey::from_secret(&secret),
        })
    }

    /// A token that says `claims`.
    ///
    /// # Errors
    /// `InvalidRequest` when it cannot be signed.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid.clone_from(&self.id);
        encode(&header, claims, &self.secret)
            .map_err(|reason| Error::invalid(format!("the token: {reason}")))
    }
}
