//! `pinyon edge-token`: a token for an edge's user, and a key to sign it with.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pinyon_core::host::{Clock, OsRandom, Random, SystemClock};
use pinyon_core::{Error, Result};
use serde_json::{Value, json};

use super::{CommandResult, standard_output};
use crate::sync::{Access, Audience, Claims, SigningKey};

const HELP: &str = "\
The key must be one with alg HS256; with other keys, tokens come from whoever has the private half.

Examples:
  pinyon edge-token --new-keys keys.json
  pinyon serve --sync-keys keys.json
  pinyon edge-token --keys keys.json --user eva --database school
  pinyon edge-token --keys keys.json --user eva --database school --read-prefix groups/ \\
      --write-prefix users/eva/ --expires-h 1";

/// The arguments of `pinyon edge-token`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Make a file with a new key, and no token
    #[arg(long, conflicts_with_all = ["keys", "user"])]
    new_keys: Option<PathBuf>,
    /// The file of keys that the server has
    #[arg(long, required_unless_present = "new_keys")]
    keys: Option<PathBuf>,
    /// Which of its keys [default: the first with alg HS256]
    #[arg(long)]
    kid: Option<String>,
    /// Whose token it is
    #[arg(long, required_unless_present = "new_keys")]
    user: Option<String>,
    /// A database it is for; repeat it for several
    #[arg(long = "database", required_unless_present = "new_keys")]
    databases: Vec<String>,
    /// Documents that may be seen, by the beginning of their ids [default: all]
    #[arg(long = "read-prefix")]
    read_prefixes: Vec<String>,
    /// Collections that may be seen [default: all]
    #[arg(long = "read-collection")]
    read_collections: Vec<String>,
    /// Documents that may be written, by the beginning of their ids [default: all]
    #[arg(long = "write-prefix")]
    write_prefixes: Vec<String>,
    /// Collections that may be written [default: all]
    #[arg(long = "write-collection")]
    write_collections: Vec<String>,
    /// Nothing may be written
    #[arg(long, conflicts_with_all = ["write_prefixes", "write_collections"])]
    read_only: bool,
    /// How long it is good, from one hour to a hundred years
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=876_000))]
    expires_h: u32,
    /// The issuer it names
    #[arg(long)]
    issuer: Option<String>,
    /// The audience it names
    #[arg(long)]
    audience: Option<String>,
    /// A further claim, for validation functions: a name, and JSON or a plain text; repeat it for
    /// several
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(String, Value)>,
}

fn parse_claim(text: &str) -> std::result::Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it has no '='")?;
    if ["sub", "exp", "iss", "aud", "databases", "read", "write"].contains(&name) {
        return Err(format!("'{name}' has an option of its own"));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// Prints a token, or makes a file of keys.
///
/// # Errors
/// `InvalidRequest` when a file cannot be read or written, or holds no fit key.
pub fn run(args: Args) -> CommandResult {
    match &args.new_keys {
        Some(path) => new_keys(path)?,
        None => standard_output::print(&format!("{}\n", token(&args)?))?,
    }
    Ok(std::process::ExitCode::SUCCESS)
}

fn new_keys(path: &PathBuf) -> Result<()> {
    let mut secret = [0; 32];
    OsRandom.fill(&mut secret)?;
    let mut id = [0; 8];
    OsRandom.fill(&mut id)?;
    let keys = json!({ "keys": [{
        "kty": "oct",
        "kid": URL_SAFE_NO_PAD.encode(id),
        "alg": "HS256",
        "k": URL_SAFE_NO_PAD.encode(secret),
    }] });
    let text = serde_json::to_vec_pretty(&keys).expect("keys are plain data");
    write_secret(path, &text)
        .map_err(|reason| Error::invalid(format!("{}: {reason}", path.display())))
}

/// Writes a file that nobody else may read, and none that is there already.
fn write_secret(path: &PathBuf, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn token(args: &Args) -> Result<String> {
    let path = args.keys.as_ref().expect("clap asks for it");
    let key = SigningKey::read(path, args.kid.as_deref())?;
    let now_s = u64::try_from(SystemClock.now().unix_ms() / 1000).unwrap_or(0);
    let access = |prefixes: &[String], collections: &[String]| Access {
        prefixes: prefixes.to_vec(),
        collections: collections.to_vec(),
    };
    let claims = Claims {
        sub: args.user.clone().unwrap_or_default(),
        exp: now_s + u64::from(args.expires_h) * 3600,
        iss: args.issuer.clone(),
        aud: args.audience.clone().map(Audience::One),
        databases: args.databases.clone(),
        read: Some(access(&args.read_prefixes, &args.read_collections)),
        write: (!args.read_only).then(|| access(&args.write_prefixes, &args.write_collections)),
        others: args.claims.iter().cloned().collect(),
    };
    key.sign(&claims)
}
