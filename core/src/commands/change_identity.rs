//! Identities: counters that number ids like `users/1` (semantics.md §8).

use bytes::Bytes;

use super::Transaction;
use super::store_version::Previous;
use crate::document::{IdRequest, to_id_key};
use crate::schema::IDENTITIES;
use crate::schema::identities::Identity;
use crate::storage::Snapshot;
use crate::{Error, ErrorKind, Result};

/// Takes the next number of an identity.
#[derive(Debug, Clone)]
pub struct NextIdentity {
    /// The identity, with or without its final `|`, of any case.
    pub name: String,
}

/// Sets the last number of an identity.
#[derive(Debug, Clone)]
pub struct SeedIdentity {
    /// The identity, with or without its final `|`, of any case.
    pub name: String,
    /// The number after which to go on.
    pub value: i64,
    /// Whether it may go backwards.
    pub force: bool,
}

impl NextIdentity {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<i64> {
        Ok(next_free(tx, &self.name).await?.1)
    }
}

impl SeedIdentity {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<i64> {
        let (key, mut identity) = load(tx, &self.name).await?;
        if self.force || self.value > identity.value {
            identity.value = self.value;
            tx.put(IDENTITIES, key, identity.encode());
        }
        Ok(identity.value)
    }
}

/// The next id of identity `name` under which nothing is stored: an identity never overwrites.
pub(super) async fn next_free_id<S: Snapshot>(
    tx: &mut Transaction<S>,
    name: &str,
) -> Result<String> {
    Ok(next_free(tx, name).await?.0)
}

async fn next_free<S: Snapshot>(tx: &mut Transaction<S>, name: &str) -> Result<(String, i64)> {
    if tx.edge().is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the identity '{name}' is not given out here: a device that syncs cannot know which \
                 numbers others take. Store the document without an id, or with a prefix that ends \
                 in /"
            ),
        ));
    }
    let (key, mut identity) = load(tx, name).await?;
    loop {
        advance(&mut identity)?;
        let id = IdRequest::identity_id(name, identity.value);
        if !Previous::find(tx, &to_id_key(&id)).await?.is_taken() {
            tx.put(IDENTITIES, key, identity.encode());
            return Ok((id, identity.value));
        }
    }
}

fn advance(identity: &mut Identity) -> Result<()> {
    identity.value = identity.value.checked_add(1).ok_or_else(|| {
        Error::invalid(format!("identity '{}' has no numbers left", identity.name))
    })?;
    Ok(())
}

async fn load<S: Snapshot>(tx: &mut Transaction<S>, name: &str) -> Result<(Bytes, Identity)> {
    let name = format!("{}|", name.strip_suffix('|').unwrap_or(name));
    if name.len() < 2 || name.len() > tx.limits.max_id_bytes {
        return Err(Error::invalid(format!("'{name}' cannot name an identity")));
    }
    let key = to_id_key(&name);
    let identity = match tx.get(IDENTITIES, &key).await? {
        Some(encoded) => Identity::decode(&encoded)?,
        None => Identity { name, value: 0 },
    };
    Ok((key, identity))
}
