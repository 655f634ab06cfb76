//! The demonstration of an offline-first application: its files, and tokens for its pages.
//!
//! Invariants:
//! - a path of a request only ever looks up a file that was read at the start;
//! - without `--unsafe-give-tokens-to-kindergarten-pages` nobody is given a token, and a token is
//!   good for the demonstration's database and its collections only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;
use pinyon_core::host::{Clock, SystemClock};
use pinyon_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::Config;
use crate::http::StaticFile;
use crate::sync::{Access, Audience, Claims, SigningKey};

/// The database of the demonstration.
const DATABASE: &str = "kindergarten";
const COLLECTIONS: [&str; 4] = ["Children", "Groups", "Parents", "Registrations"];
/// A page asks for another token when this is over.
const TOKEN_LIFE_S: u64 = 12 * 3600;
const LONGEST_USER_BYTES: usize = 64;
/// The application has a few dozen files; somebody else's folder may have millions.
const MOST_FILES: usize = 1000;
const LARGEST_FILE_BYTES: u64 = 64 << 20;

/// What is served of the demonstration.
pub struct Kindergarten {
    files: HashMap<String, StaticFile>,
    signing_key: Option<SigningKey>,
}

impl Kindergarten {
    /// Reads the files and the key that the configuration names; nothing when it names none.
    ///
    /// # Errors
    /// `InvalidRequest` that names the file that cannot be served.
    pub fn read(config: &Config) -> Result<Option<Self>> {
        let Some(folder) = &config.kindergarten_dir else {
            return Ok(None);
        };
        let files = read_files(folder)?;
        if !files.contains_key("index.html") {
            return Err(Error::invalid(format!(
                "--kindergarten-dir {}: there is no index.html in it",
                folder.display()
            )));
        }
        let signing_key = match &config.sync_keys {
            Some(path) if config.unsafe_give_tokens_to_kindergarten_pages => {
                Some(SigningKey::read(path, None)?)
            }
            _ => None,
        };
        Ok(Some(Self { files, signing_key }))
    }

    /// A file by its path below the folder.
    pub fn file(&self, path: &str) -> Option<&StaticFile> {
        self.files.get(path)
    }

    /// A token for somebody who calls himself `user`.
    ///
    /// # Errors
    /// `NotFound` where none are given; `InvalidRequest` for a name that is none.
    pub fn token(&self, config: &Config, user: &str) -> Result<String> {
        let key = self.signing_key.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "this server gives no tokens to pages; see --unsafe-give-tokens-to-kindergarten-pages",
            )
        })?;
        if user.trim().is_empty()
            || user.len() > LONGEST_USER_BYTES
            || user.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!(
                "'user' must be a name of at most {LONGEST_USER_BYTES} bytes"
            )));
        }
        let now_s = u64::try_from(SystemClock.now().unix_ms() / 1000).unwrap_or(0);
        let access = Access {
            prefixes: Vec::new(),
            collections: COLLECTIONS.map(str::to_owned).to_vec(),
        };
        key.sign(&Claims {
            sub: user.to_owned(),
            exp: now_s + TOKEN_LIFE_S,
            iss: config.sync_issuer.clone(),
            aud: config.sync_audience.clone().map(Audience::One),
            databases: vec![DATABASE.to_owned()],
            read: Some(access.clone()),
            write: Some(access),
            others: serde_json::Map::new(),
        })
    }
}

/// Everything below `folder`, by path.
fn read_files(folder: &Path) -> Result<HashMap<String, StaticFile>> {
    let mut files = HashMap::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let broken =
            |reason: std::io::Error| Error::invalid(format!("{}: {reason}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let (path, name) = (entry.path(), format!("{prefix}{name}"));
            let kind = entry.file_type().map_err(broken)?;
            if kind.is_dir() {
                folders.push((path, format!("{name}/")));
            } else if kind.is_file() {
                let file = read_file(&path)?;
                files.insert(name, file);
            }
            if files.len() + folders.len() > MOST_FILES {
                return Err(Error::invalid(format!(
                    "{}: more than {MOST_FILES} files are not the demonstration's",
                    folder.display()
                )));
            }
        }
    }
    Ok(files)
}

fn read_file(path: &PathBuf) -> Result<StaticFile> {
    let broken = |reason: std::io::Error| Error::invalid(format!("{}: {reason}", path.display()));
    if std::fs::metadata(path).map_err(broken)?.len() > LARGEST_FILE_BYTES {
        return Err(Error::invalid(format!(
            "{}: larger than {LARGEST_FILE_BYTES} bytes",
            path.display()
        )));
    }
    let content = std::fs::read(path).map_err(broken)?;
    Ok(StaticFile {
        tag: format!("{:032x}", xxh3_128(&content)),
        content_type: HeaderValue::from_static(content_type(path)),
        content: content.into(),
    })
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|it| it.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("wasm") => "application/wasm",
        Some("webmanifest") => "application/manifest+json",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}
