//! Variables of the environment that look like settings and are none.
//!
//! A misspelt flag is refused; a misspelt variable would be silently nothing, and a server without
//! its keys is open to whoever reaches it. They are told and not refused: others put variables with
//! our prefix into an environment too (Kubernetes does, for a service of that name).

use std::collections::BTreeSet;

use clap::{Args as _, Command};

use super::Config;

const PREFIX: &str = "PINYON_";

/// What to say about each of `names` that only looks like a setting.
pub fn unknown_settings(names: impl Iterator<Item = String>) -> Vec<String> {
    let settings = settings();
    let unknown = names.filter(|it| it.starts_with(PREFIX) && !settings.contains(it));
    unknown
        .map(|name| match nearest(&settings, &name) {
            Some(meant) => format!("{name} is no setting, and ignored; {meant} is one"),
            None => format!("{name} is no setting, and ignored; --help names those that are"),
        })
        .collect()
}

/// The variables of all options.
fn settings() -> BTreeSet<String> {
    let command = Config::augment_args(Command::new("serve"));
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    variables
        .map(|it| it.to_string_lossy().into_owned())
        .collect()
}

/// The setting that begins most like `name`, if more than the prefix is alike.
fn nearest<'a>(settings: &'a BTreeSet<String>, name: &str) -> Option<&'a String> {
    let alike = |it: &str| {
        let pairs = it.bytes().zip(name.bytes());
        pairs.take_while(|(one, other)| one == other).count()
    };
    let nearest = settings.iter().max_by_key(|it| alike(it))?;
    (alike(nearest) >= PREFIX.len() + 3).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_told_with_what_was_meant() {
        let told = |name: &str| unknown_settings(std::iter::once(name.to_owned()));
        assert_eq!(
            told("PINYON_SYNC_ORIGINS"),
            ["PINYON_SYNC_ORIGINS is no setting, and ignored; PINYON_SYNC_ORIGIN is one"]
        );
        assert!(told("PINYON_DATADIR")[0].ends_with("PINYON_DATA_DIR is one"));
        assert!(told("PINYON_X")[0].ends_with("--help names those that are"));
        for known in ["PINYON_SYNC_KEYS", "PINYON_DATA_DIR", "PINYON_LOG", "PATH"] {
            assert_eq!(told(known), [""; 0], "{known}");
        }
    }
}
