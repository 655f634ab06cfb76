//! Resolving by rule: pure, and the same on every server whatever the order of arrival.
//!
//! A rule only chooses among live versions and makes no write of its own, so servers that resolve
//! the same set separately end with the same version and the same context, and nothing goes back
//! and forth.

use super::ConflictsConfiguration;
use crate::schema::conflicts::DocumentVersion;
use crate::version::{Live, Siblings};

/// Drops live versions that say the same as an earlier one, then follows the configuration. The set
/// must be in its order ([`Siblings::sort`]). Answers what lost.
pub fn resolve(
    set: &mut Siblings<DocumentVersion>,
    configuration: &ConflictsConfiguration,
) -> Vec<Live<DocumentVersion>> {
    let mut dropped = Vec::new();
    let mut at = 1;
    while at < set.live.len() {
        let same = set.live[..at]
            .iter()
            .any(|it| it.value.says_the_same(&set.live[at].value));
        match same {
            true => drop(set.live.remove(at)),
            false => at += 1,
        }
    }
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
