//! Configurations and positions in `DATABASE`: the protocol's JSON text under these keys.

/// The revisions configuration.
pub const REVISIONS_KEY: &[u8] = b"configuration/revisions";
/// How the revision bin is emptied.
pub const REVISION_BIN_KEY: &[u8] = b"configuration/revision-bin";
/// How conflicts are resolved.
pub const CONFLICTS_KEY: &[u8] = b"configuration/conflicts";
/// The validation functions.
pub const VALIDATION_KEY: &[u8] = b"configuration/validation";
/// The newest etag of a tombstone that was removed, as text.
pub const PURGED_KEY: &[u8] = b"purged";
/// The expiration configuration.
pub const EXPIRATION_KEY: &[u8] = b"configuration/expiration";
/// The refresh configuration.
pub const REFRESH_KEY: &[u8] = b"configuration/refresh";
/// The beginning of the keys of positions in other servers' streams, as text.
pub const PEER_POSITION_PREFIX: &[u8] = b"peer/";

/// The key of the position in one server's stream.
pub fn peer_position_key(peer: &crate::version::IncarnationId) -> bytes::Bytes {
    [PEER_POSITION_PREFIX, peer.bytes()].concat().into()
}
