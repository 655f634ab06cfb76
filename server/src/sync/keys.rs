//! The keys that tokens are checked with: a file with a JSON Web Key Set.
//!
//! Invariants: each key is good for one algorithm, which the file names, whatever a token says of
//! itself; a token names its key; it has an end.

use std::collections::HashMap;
use std::path::Path;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use pinyon_core::{Error, ErrorKind, Result};

use super::Claims;

/// How far the clocks of issuer and server may be apart.
const LEEWAY_S: u64 = 30;
/// The longest token.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// The shortest secret, in characters of base-64: 256 bits, what HS256 is worth.
const MIN_SECRET_CHARACTERS: usize = 43;

/// The keys, by their ids.
pub struct SyncKeys {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl SyncKeys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// `InvalidRequest` that names the file and the key that cannot be used.
    pub fn read(path: &Path, issuer: Option<String>, audience: Option<String>) -> Result<Self> {
        let broken = |what: String| Error::invalid(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|reason| broken(reason.to_string()))?;
        Self::parse(&text, issuer, audience).map_err(|error| broken(error.to_string()))
    }

    fn parse(text: &str, issuer: Option<String>, audience: Option<String>) -> Result<Self> {
        let set: JwkSet = serde_json::from_str(text)
            .map_err(|reason| Error::invalid(format!("it is no JSON Web Key Set: {reason}")))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let id = jwk.common.key_id.clone();
            let id = id.ok_or_else(|| Error::invalid("a key has no 'kid'"))?;
            let algorithm = algorithm_of(jwk, &id)?;
            let key = DecodingKey::from_jwk(jwk)
                .map_err(|reason| Error::invalid(format!("the key '{id}': {reason}")))?;
            if keys.insert(id.clone(), (algorithm, key)).is_some() {
                return Err(Error::invalid(format!("the key '{id}' stands there twice")));
            }
        }
        if keys.is_empty() {
            return Err(Error::invalid("it holds no key"));
        }
        Ok(Self {
            keys,
            issuer,
            audience,
        })
    }

    /// The claims of a token.
    ///
    /// # Errors
    /// `Unauthorized` with a reason that can be shown: it does not help to forge one.
    pub fn check(&self, token: &str) -> Result<Claims> {
        let refuse = |why: &str| Error::new(ErrorKind::Unauthorized, format!("the token {why}"));
        if token.is_empty() {
            return Err(refuse("is missing"));
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refuse("is too long"));
        }
        let header = decode_header(token).map_err(|_| refuse("is no JSON Web Token"))?;
        let key = header.kid.as_ref().and_then(|id| self.keys.get(id));
        let (algorithm, key) = key.ok_or_else(|| refuse("names no key of this server"))?;
        // The algorithm is the key's; a token that says another one is forged.
        let mut validation = Validation::new(*algorithm);
        validation.leeway = LEEWAY_S;
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.validate_nbf = true;
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        use jsonwebtoken::errors::ErrorKind as Reason;
        let decoded = decode::<Claims>(token, key, &validation).map_err(|reason| {
            refuse(match reason.kind() {
                // Only after the signature was found good.
                Reason::Json(what) => {
                    return refuse(&format!("has claims of another form: {what}"));
                }
                Reason::ExpiredSignature => "has expired",
                Reason::ImmatureSignature => "is not valid yet",
                Reason::InvalidIssuer => "is of another issuer",
                Reason::InvalidAudience => "is meant for somebody else",
                Reason::MissingRequiredClaim(_) => "lacks a claim",
                _ => "is not signed by this server's key",
            })
        })?;
        Ok(decoded.claims)
    }
}

/// The one algorithm that a key is good for: what it says, if it is a key of that kind.
fn algorithm_of(jwk: &Jwk, id: &str) -> Result<Algorithm> {
    use jsonwebtoken::jwk::AlgorithmParameters::{EllipticCurve, OctetKey, RSA};
    let broken = |what: &str| Err(Error::invalid(format!("the key '{id}' {what}")));
    match (jwk.common.key_algorithm, &jwk.algorithm) {
        (Some(KeyAlgorithm::HS256), OctetKey(secret)) => {
            match secret.value.trim_end_matches('=').len() >= MIN_SECRET_CHARACTERS {
                true => Ok(Algorithm::HS256),
                false => broken("needs a secret of at least 32 bytes"),
            }
        }
        (Some(KeyAlgorithm::RS256), RSA(_)) => Ok(Algorithm::RS256),
        (Some(KeyAlgorithm::ES256), EllipticCurve(_)) => Ok(Algorithm::ES256),
        (Some(KeyAlgorithm::HS256 | KeyAlgorithm::RS256 | KeyAlgorithm::ES256), _) => {
            broken("is of another kind ('kty') than its 'alg' needs")
        }
        _ => broken("must say \"alg\": \"HS256\", \"RS256\" or \"ES256\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn keys() -> SyncKeys {
        let text =
            format!(r#"{{"keys":[{{"kty":"oct","kid":"one","alg":"HS256","k":"{SECRET}"}}]}}"#);
        SyncKeys::parse(&text, None, None).unwrap()
    }

    fn claims(exp: u64) -> Claims {
        Claims {
            sub: "eva".to_owned(),
            exp,
            iss: None,
            aud: None,
            databases: vec!["school".to_owned()],
            read: Some(crate::sync::Access::default()),
            write: None,
            others: serde_json::Map::new(),
        }
    }

    fn token(algorithm: Algorithm, kid: &str, secret: &str, exp: u64) -> String {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        let key = EncodingKey::from_base64_secret(secret)
            .or_else(|_| EncodingKey::from_base64_secret(&format!("{secret}=")))
            .unwrap();
        encode(&header, &claims(exp), &key).unwrap()
    }

    const LATE: u64 = 32_503_680_000;

    #[test]
    fn only_a_token_of_a_known_key_and_its_algorithm_is_good() {
        let keys = keys();
        let good = token(Algorithm::HS256, "one", SECRET, LATE);
        assert_eq!(keys.check(&good).unwrap().sub, "eva");
        let other_secret = "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        for bad in [
            token(Algorithm::HS256, "two", SECRET, LATE),
            token(Algorithm::HS512, "one", SECRET, LATE),
            token(Algorithm::HS256, "one", other_secret, LATE),
            token(Algorithm::HS256, "one", SECRET, 1_000_000_000),
            String::new(),
            "a.b.c".to_owned(),
            // {"alg":"none","kid":"one"}
            format!(
                "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{}.",
                good.split('.').nth(1).unwrap()
            ),
        ] {
            let refused = keys.check(&bad).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unauthorized, "{bad}");
        }
    }

    #[test]
    fn dates_may_have_fractions_and_audiences_be_many() {
        let signed = |claims: serde_json::Value| {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("one".to_owned());
            let key = EncodingKey::from_base64_secret(&format!("{SECRET}=")).unwrap();
            encode(&header, &claims, &key).unwrap()
        };
        let text =
            format!(r#"{{"keys":[{{"kty":"oct","kid":"one","alg":"HS256","k":"{SECRET}"}}]}}"#);
        let anybodys = keys();
        let mine = SyncKeys::parse(&text, None, Some("me".to_owned())).unwrap();
        let claims = |exp: serde_json::Value, aud: serde_json::Value| serde_json::json!({"sub": "eva", "exp": exp, "aud": aud, "databases": []});
        let several = signed(claims(
            32503680000.5.into(),
            serde_json::json!(["me", "you"]),
        ));
        assert_eq!(anybodys.check(&several).unwrap().exp, LATE);
        assert!(mine.check(&several).is_ok());
        let others = signed(claims(LATE.into(), serde_json::json!(["you"])));
        let refused = mine.check(&others).unwrap_err();
        assert!(refused.message().contains("somebody else"), "{refused}");
        assert!(
            mine.check(&signed(claims(LATE.into(), "me".into())))
                .is_ok()
        );
        // What is wrong is said.
        let broken = signed(serde_json::json!({"sub": "eva", "exp": LATE, "databases": "all"}));
        let refused = anybodys.check(&broken).unwrap_err();
        assert!(
            refused.message().contains("databases") || refused.message().contains("sequence"),
            "{refused}"
        );
        let past = signed(claims(1_000_000_000.5.into(), "me".into()));
        let refused = mine.check(&past).unwrap_err();
        assert!(refused.message().contains("expired"), "{refused}");
    }

    #[test]
    fn keys_that_are_not_pinned_or_too_short_are_refused() {
        for text in [
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"oct","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#,
            r#"{"keys":[{"kty":"oct","kid":"one","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#,
            r#"{"keys":[{"kty":"oct","kid":"one","alg":"HS256","k":"AAEC"}]}"#,
        ] {
            assert!(SyncKeys::parse(text, None, None).is_err(), "{text}");
        }
    }

    /// Keys, and tokens that another library (Python's `cryptography`) signed with them; good until
    /// the year 3000.
    const SIGNED_ELSEWHERE: &str = include_str!("keys_signed_elsewhere.json");

    #[test]
    fn public_keys_check_tokens_and_are_no_secrets() {
        let file: serde_json::Value = serde_json::from_str(SIGNED_ELSEWHERE).unwrap();
        let keys = SyncKeys::parse(&file["jwks"].to_string(), None, None).unwrap();
        let good = file["good"].as_object().unwrap();
        for algorithm in ["RS256", "ES256"] {
            let claims = keys.check(good[algorithm].as_str().unwrap()).unwrap();
            assert_eq!(
                (claims.sub.as_str(), claims.exp),
                ("eva", LATE),
                "{algorithm}"
            );
        }
        let forged = file["forged"].as_object().unwrap();
        assert_eq!(forged.len(), 7);
        for (how, token) in forged {
            let refused = keys.check(token.as_str().unwrap()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unauthorized, "{how}");
        }
        // A key of the wrong kind for the algorithm it says.
        let mut mixed = file["jwks"].clone();
        mixed["keys"][0]["alg"] = "ES256".into();
        assert!(SyncKeys::parse(&mixed.to_string(), None, None).is_err());
    }
}
