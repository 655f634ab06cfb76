//! Configurations in `DATABASE`: the protocol's JSON text under these keys.

/// The revisions configuration.
pub const REVISIONS_KEY: &[u8] = b"configuration/revisions";
/// The expiration configuration.
pub const EXPIRATION_KEY: &[u8] = b"configuration/expiration";
/// The refresh configuration.
pub const REFRESH_KEY: &[u8] = b"configuration/refresh";
