//! Resolving by rule: pure, and the same on every server whatever the order of arrival.
//!
//! A rule only chooses among live versions and makes no write of its own, so servers that resolve
//! the same set separately end with the same version and the same context, and nothing goes back
//! and forth.

use super::ConflictsConfiguration;
use crate::schema::conflicts::DocumentVersion;
use crate::version::{Live, Origin, Siblings};

/// Drops live versions that say the same as an earlier one, then follows the configuration. The set
/// must be in its order ([`Siblings::sort`]). Answers what lost.
pub fn resolve(
    set: &mut Siblings<DocumentVersion>,
    configuration: &ConflictsConfiguration,
) -> Vec<Live<DocumentVersion>> {
    let mut dropped = Vec::new();
    drop_repeated(set);
    // A script, where there is one, comes before this and runs when the conflict is stored.
    let is_for_script = configuration.resolver_for(set).is_some();
    if configuration.resolve_to_latest && set.is_conflict() && !is_for_script {
        // Of equal times the first in the order wins.
        let times = set.live.iter().map(|it| it.value.last_modified);
        let latest = times.max().expect("a conflict has versions");
        let kept = set
            .live
            .iter()
            .position(|it| it.value.last_modified == latest);
        let kept = set
            .live
            .swap_remove(kept.expect("the latest is one of them"));
        dropped.append(&mut set.live);
        set.live.push(kept);
    }
    dropped
}

/// Of versions that say the same, one stays: the same one on every server. One write of an edge may
/// have another dot on each, and would be the first here and the last there, so that each server
/// keeps what another dropped and in the end nobody has either: those go by their origins.
fn drop_repeated(set: &mut Siblings<DocumentVersion>) {
    let rank = |at: usize, live: &Live<DocumentVersion>| {
        let origin = live.origin.as_ref().map(Origin::to_key);
        (origin.is_none(), origin, at)
    };
    let mut at = 0;
    while at < set.live.len() {
        let version = &set.live[at];
        let mut others = set.live.iter().enumerate();
        let is_repeated = others.any(|(place, other)| {
            rank(place, other) < rank(at, version) && other.value.says_the_same(&version.value)
        });
        match is_repeated {
            true => drop(set.live.remove(at)),
            false => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Timestamp;
    use crate::schema::documents::DocumentFlags;
    use crate::version::{Entry, Etag, IncarnationIndex, ReplicaId};

    fn deletion(incarnation: u32, etag: u64, replica: Option<u8>) -> Live<DocumentVersion> {
        Live {
            dot: Entry {
                incarnation: IncarnationIndex(incarnation),
                etag: Etag::new(etag),
            },
            origin: replica.map(|byte| Origin {
                replica: ReplicaId::from_bytes([byte; 16]),
                sequence: 1,
                hash: [0; 8],
            }),
            value: DocumentVersion {
                last_modified: Timestamp::from_unix_ms(0),
                flags: DocumentFlags::NONE,
                is_deletion: true,
                id: "a".to_owned(),
                collection: "As".to_owned(),
                attachments: String::new(),
                metadata: String::new(),
                body: String::new(),
            },
        }
    }

    #[test]
    fn of_versions_that_say_the_same_every_server_keeps_the_same_whatever_dots_they_have() {
        // A deletion on a server, and two of edges of which one has a dot before it or after it.
        for taken_in in [deletion(0, 9, Some(2)), deletion(2, 9, Some(2))] {
            let mut live = vec![deletion(1, 5, None), deletion(1, 7, Some(3)), taken_in];
            live.sort_by_key(|it| it.dot.incarnation);
            let mut set = Siblings {
                live,
                ..Siblings::default()
            };
            assert!(resolve(&mut set, &ConflictsConfiguration::default()).is_empty());
            let replicas: Vec<_> = set
                .live
                .iter()
                .map(|it| it.origin.map(|it| it.replica))
                .collect();
            assert_eq!(replicas, [Some(ReplicaId::from_bytes([2; 16]))]);
        }
    }
}
