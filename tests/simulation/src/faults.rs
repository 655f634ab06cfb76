//! What goes wrong in a run.

/// The faults that may happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Connections break and lose what is on its way, acknowledgements among it.
    pub broken_connections: bool,
    /// One-way cuts between servers.
    pub cuts: bool,
    /// An edge's storage is cleared.
    pub evictions: bool,
    /// An edge's storage is copied, and both go on.
    pub clones: bool,
    /// An edge's storage is what it was some time ago.
    pub rollbacks: bool,
    /// A server's disk is lost, and a backup takes its place.
    pub restores: bool,
    /// Nobody says that a backup took the place of a server's disk: an edge proves it, or nobody does.
    /// Only for one server, because servers do not look for restores of each other.
    pub unsaid_restores: bool,
    /// A server is opened again with what it has.
    pub restarts: bool,
    /// Stores fail now and then.
    pub storage: bool,
    /// Clients write on servers too.
    pub server_writes: bool,
}

impl Faults {
    /// What networks and browsers do every day.
    pub const EVERYDAY: Self = Self {
        broken_connections: true,
        cuts: true,
        evictions: true,
        clones: false,
        rollbacks: false,
        restores: false,
        unsaid_restores: false,
        restarts: false,
        storage: false,
        server_writes: true,
    };

    /// Everything.
    pub const ALL: Self = Self {
        broken_connections: true,
        cuts: true,
        evictions: true,
        clones: true,
        rollbacks: true,
        restores: true,
        unsaid_restores: false,
        restarts: false,
        storage: true,
        server_writes: true,
    };
}
