//! Configurations in `DATABASE`: the protocol's JSON text under these keys.

/// The revisions configuration.
pub const REVISIONS_KEY: &[u8] = b"configuration/revisions";
/// How the revision bin is emptied.
pub const REVISION_BIN_KEY: &[u8] = b"configuration/revision-bin";
/// The expiration configuration.
pub const EXPIRATION_KEY: &[u8] = b"configuration/expiration";
/// The refresh configuration.
pub const REFRESH_KEY: &[u8] = b"configuration/refresh";
