//! How many files and sockets this process may have open, and how many of them connections get.
//!
//! Connections that take the last one would keep databases from opening and journals from growing,
//! whoever makes them and whatever they are for.

/// What is kept for databases where the limit is high; where it is low, half of it is.
const RESERVE: u64 = 256;

/// Raises the limit to what the system allows, and tells what it is then; `None` where there is
/// none, or none that is known.
#[cfg(target_os = "linux")]
pub fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(reason) => {
            tracing::warn!(%reason, "the limit of open files could not be raised");
            limit.current
        }
    }
}

/// As on Linux, but nothing is known.
#[cfg(not(target_os = "linux"))]
pub fn raise_limit() -> Option<u64> {
    None
}

/// How many connections may be open at once, of `wanted`.
pub fn connection_limit(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = limit - RESERVE.min(limit / 2);
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    if wanted > room {
        tracing::warn!(
            open_files = limit,
            connections = room,
            max_connections = wanted,
            "fewer connections than configured: the process may not open more files (ulimit -n)"
        );
    }
    wanted.min(room)
}

#[cfg(test)]
mod tests {
    use super::connection_limit;

    #[test]
    fn connections_leave_files_for_databases() {
        assert_eq!(connection_limit(4096, None), 4096);
        assert_eq!(connection_limit(4096, Some(1 << 20)), 4096);
        assert_eq!(connection_limit(4096, Some(1024)), 768);
        assert_eq!(connection_limit(100, Some(1024)), 100);
        assert_eq!(connection_limit(4096, Some(128)), 64);
        assert_eq!(connection_limit(4096, Some(1)), 1);
    }
}
