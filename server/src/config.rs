//! Everything that can be configured, as flags and environment variables.
//!
//! This struct is the one table of options: `pinyon serve --help` prints it, with defaults. What each
//! may be is in `bounds`.

mod addresses;
mod bounds;
mod check;
pub mod environment;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use pinyon_core::Limits;

use crate::scripts::ScriptLimits;

/// What `pinyon serve --help` says after the options.
pub const HELP: &str = "\
When it is ready, the server prints one line to standard output:
  listening on http://ADDRESS:PORT
and then logs to standard error only. SIGTERM or SIGINT ends it after the running requests.

Examples:
  pinyon serve --data-dir ./data
  pinyon serve --data-dir ./data --listen 127.0.0.1:0 --log-format json";

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The configuration of `pinyon serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// The directory that holds the databases; created if it does not exist
    #[arg(long, env = "PINYON_DATA_DIR", default_value = "./pinyon-data")]
    pub data_dir: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, env = "PINYON_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The URL by which clients reach this server, if it is not the address it listens on; https://
    /// where a proxy in front of it speaks TLS
    #[arg(long, env = "PINYON_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Listen beyond this machine although anybody who reaches the port may read and change all
    /// data (TLS and authentication are not there yet)
    #[arg(long, env = "PINYON_UNSAFE_ALLOW_UNAUTHENTICATED_NETWORK")]
    pub unsafe_allow_unauthenticated_network: bool,
    /// The label of this node in generated ids and change vectors: one to four capital letters
    #[arg(long, env = "PINYON_NODE_TAG", default_value = "A")]
    pub node_tag: String,
    /// What is logged, as in `info` or `pinyon_server=debug`
    #[arg(long, env = "PINYON_LOG", default_value = "info")]
    pub log: String,
    /// The form of log lines
    #[arg(long, env = "PINYON_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Threads that serve requests [default: one per core]
    #[arg(long, env = "PINYON_WORKER_THREADS")]
    pub worker_threads: Option<NonZeroUsize>,

    /// Connections served at once, those of edges among them; more wait to be accepted
    #[arg(long, env = "PINYON_MAX_CONNECTIONS", default_value_t = 16_384)]
    pub max_connections: usize,
    /// The largest request head: request line and headers
    #[arg(long, env = "PINYON_MAX_HEAD_BYTES", default_value_t = 64 << 10)]
    pub max_head_bytes: usize,
    /// The most headers in a request
    #[arg(long, env = "PINYON_MAX_HEADERS", default_value_t = 100)]
    pub max_headers: usize,
    /// The largest request body, also after decompression
    #[arg(long, env = "PINYON_MAX_REQUEST_BYTES", default_value_t = 128 << 20)]
    pub max_request_bytes: usize,
    /// Memory for the bodies of all requests together; more of them wait
    #[arg(long, env = "PINYON_MAX_BUFFERED_BYTES", default_value_t = 512 << 20)]
    pub max_buffered_bytes: usize,
    /// The largest response that is not streamed
    #[arg(long, env = "PINYON_MAX_RESPONSE_BYTES", default_value_t = 256 << 20)]
    pub max_response_bytes: usize,
    /// The most requests in one multi_get
    #[arg(long, env = "PINYON_MAX_MULTI_GET_REQUESTS", default_value_t = 1024)]
    pub max_multi_get_requests: usize,
    /// How long a connection may be idle, or take to send a request head
    #[arg(long, env = "PINYON_HEAD_TIMEOUT_MS", default_value_t = 30_000)]
    pub head_timeout_ms: u64,
    /// How long a sender or receiver may stand still in the middle of a body
    #[arg(long, env = "PINYON_STALL_TIMEOUT_MS", default_value_t = 30_000)]
    pub stall_timeout_ms: u64,
    /// The slowest body accepted once the stall timeout has passed
    #[arg(long, env = "PINYON_MIN_BODY_BYTES_PER_SECOND", default_value_t = 240)]
    pub min_body_bytes_per_second: u64,
    /// How long a request may take, from its head to the head of its response
    #[arg(long, env = "PINYON_REQUEST_TIMEOUT_MS", default_value_t = 300_000)]
    pub request_timeout_ms: u64,
    /// How long running requests may take to finish when the server is told to stop
    #[arg(long, env = "PINYON_SHUTDOWN_TIMEOUT_MS", default_value_t = 30_000)]
    pub shutdown_timeout_ms: u64,
    /// Responses from this size are compressed for clients that accept it; 0 for never
    #[arg(long, env = "PINYON_COMPRESS_FROM_BYTES", default_value_t = 4096)]
    pub compress_from_bytes: usize,

    /// The largest document, in bytes of JSON
    #[arg(long, env = "PINYON_MAX_DOCUMENT_BYTES", default_value_t = 64 << 20)]
    pub max_document_bytes: usize,
    /// Documents from this size raise a notice, with no other effect
    #[arg(long, env = "PINYON_LARGE_DOCUMENT_BYTES", default_value_t = 5 << 20)]
    pub large_document_bytes: usize,
    /// The longest document id, in bytes of UTF-8
    #[arg(long, env = "PINYON_MAX_ID_BYTES", default_value_t = 512)]
    pub max_id_bytes: usize,
    /// The deepest nesting in a document, at most 120
    #[arg(long, env = "PINYON_MAX_JSON_DEPTH", default_value_t = 100)]
    pub max_json_depth: usize,
    /// The most commands in one batch
    #[arg(long, env = "PINYON_MAX_BATCH_COMMANDS", default_value_t = 1_000_000)]
    pub max_batch_commands: usize,
    /// Writes waiting in one database; more wait their turn
    #[arg(long, env = "PINYON_MAX_QUEUED_OPERATIONS", default_value_t = 4096)]
    pub max_queued_operations: usize,
    /// Bytes of writes waiting in one database; more wait their turn
    #[arg(long, env = "PINYON_MAX_QUEUED_BYTES", default_value_t = 64 << 20)]
    pub max_queued_bytes: usize,

    /// How long one run of a script may take
    #[arg(long, env = "PINYON_SCRIPT_TIMEOUT_MS", default_value_t = 5_000)]
    pub script_timeout_ms: u64,
    /// How much memory the values of a script may take
    #[arg(long, env = "PINYON_MAX_SCRIPT_MEMORY_BYTES", default_value_t = 64 << 20)]
    pub max_script_memory_bytes: u32,
    /// How much stack the calls in a script may take
    #[arg(long, env = "PINYON_MAX_SCRIPT_STACK_BYTES", default_value_t = 256 << 10)]
    pub max_script_stack_bytes: u32,
    /// The largest result of a script
    #[arg(long, env = "PINYON_MAX_SCRIPT_OUTPUT_BYTES", default_value_t = 64 << 20)]
    pub max_script_output_bytes: usize,

    /// Memory for cached pages of each open database
    #[arg(long, env = "PINYON_CACHE_BYTES", default_value_t = 32 << 20)]
    pub cache_bytes: usize,
    /// Memory for documents and entries of indexes that were read more than once lately, of all
    /// databases together; 0 for none
    #[arg(long, env = "PINYON_VALUE_CACHE_BYTES", default_value_t = 64 << 20)]
    pub value_cache_bytes: usize,
    /// Databases unused for this long are closed until they are asked for again; 0 for never
    #[arg(long, env = "PINYON_IDLE_DATABASE_TIMEOUT_S", default_value_t = 900)]
    pub idle_database_timeout_s: u64,
    /// How much indexes that follow many writers at once let others go first, from 1 to 19 (the
    /// niceness of their threads); 0 for not at all. Queries that wait for an index are not slowed
    /// down. Linux only
    #[arg(long, env = "PINYON_INDEXING_NICENESS", default_value_t = 15, value_parser = clap::value_parser!(u8).range(0..=19))]
    pub indexing_niceness: u8,
    /// Automatic indexes that no query used for this long rest until one does; 0 for never
    #[arg(long, env = "PINYON_AUTO_INDEX_IDLE_AFTER_S", default_value_t = 1800)]
    pub auto_index_idle_after_s: u32,
    /// Automatic indexes that rest, and that no query used for this long, are deleted; 0 for never
    #[arg(
        long,
        env = "PINYON_AUTO_INDEX_DELETE_AFTER_S",
        default_value_t = 259_200
    )]
    pub auto_index_delete_after_s: u32,
    /// How long deleted documents are remembered for replicas that were away
    #[arg(long, env = "PINYON_TOMBSTONE_RETENTION_H", default_value_t = 336)]
    pub tombstone_retention_h: u32,
    /// How often old tombstones are looked for
    #[arg(
        long,
        env = "PINYON_TOMBSTONE_CLEANUP_INTERVAL_S",
        default_value_t = 300
    )]
    pub tombstone_cleanup_interval_s: u64,
    /// How often contents of attachments that nothing refers to are looked for
    #[arg(
        long,
        env = "PINYON_LOOSE_CONTENT_SWEEP_INTERVAL_S",
        default_value_t = 300
    )]
    pub loose_content_sweep_interval_s: u64,
    /// How long a content that nothing refers to is kept: an upload may stand still for as long
    #[arg(long, env = "PINYON_LOOSE_CONTENT_RETENTION_S", default_value_t = 3600)]
    pub loose_content_retention_s: u64,
    /// A JSON Web Key Set (each key with kid and alg HS256, RS256 or ES256): edges must show a token
    /// that one of its keys signed [default: whoever reaches the port may sync everything]
    #[arg(long, env = "PINYON_SYNC_KEYS")]
    pub sync_keys: Option<PathBuf>,
    /// The issuer that tokens of edges must name
    #[arg(long, env = "PINYON_SYNC_ISSUER", requires = "sync_keys")]
    pub sync_issuer: Option<String>,
    /// The audience that tokens of edges must name
    #[arg(long, env = "PINYON_SYNC_AUDIENCE", requires = "sync_keys")]
    pub sync_audience: Option<String>,
    /// An origin whose pages may sync, as in https://app.example; repeat it for several, or put commas
    /// between them
    #[arg(
        long = "sync-origin",
        env = "PINYON_SYNC_ORIGIN",
        value_delimiter = ','
    )]
    pub sync_origins: Vec<String>,
    /// Serve the demonstration of an offline-first application at /kindergarten/, from the files
    /// that `cargo xtask run` puts into this directory
    #[arg(long, env = "PINYON_KINDERGARTEN_DIR")]
    pub kindergarten_dir: Option<PathBuf>,
    /// Give every page of the demonstration that asks a token to sync the database `kindergarten`
    /// with: for development, refused unless the server listens on this machine only
    #[arg(
        long,
        env = "PINYON_UNSAFE_GIVE_TOKENS_TO_KINDERGARTEN_PAGES",
        requires_all = ["sync_keys", "kindergarten_dir"]
    )]
    pub unsafe_give_tokens_to_kindergarten_pages: bool,
    /// Sync connections at once
    #[arg(long, env = "PINYON_MAX_SYNC_CONNECTIONS", default_value_t = 10_000)]
    pub max_sync_connections: usize,
    /// Sync connections of one user at once; without keys all are one user's
    #[arg(
        long,
        env = "PINYON_MAX_SYNC_CONNECTIONS_OF_USER",
        default_value_t = 10_000
    )]
    pub max_sync_connections_of_user: usize,
    /// The largest frame of a sync connection; a document that needs a larger one is refused
    #[arg(long, env = "PINYON_MAX_SYNC_FRAME_BYTES", default_value_t = 16 << 20)]
    pub max_sync_frame_bytes: usize,
    /// The most documents of one push of an edge
    #[arg(long, env = "PINYON_MAX_SYNC_BATCH", default_value_t = 1024)]
    pub max_sync_batch: usize,
    /// How many documents a user of edges may write in a second over all connections (without
    /// --sync-keys, one connection); who is faster is slowed down
    #[arg(long, env = "PINYON_MAX_SYNC_WRITES_PER_S", default_value_t = 5000)]
    pub max_sync_writes_per_s: u32,
    /// How long an edge may be silent before its connection is closed
    #[arg(long, env = "PINYON_SYNC_SILENCE_TIMEOUT_MS", default_value_t = 90_000)]
    pub sync_silence_timeout_ms: u64,
    /// The largest attachment
    #[arg(long, env = "PINYON_MAX_ATTACHMENT_BYTES", default_value_t = 1 << 40)]
    pub max_attachment_bytes: u64,
}

impl Config {
    /// The limits of scripts.
    pub(crate) fn script_limits(&self) -> ScriptLimits {
        ScriptLimits {
            timeout_ms: self.script_timeout_ms,
            max_memory_bytes: self.max_script_memory_bytes,
            max_stack_bytes: self.max_script_stack_bytes,
            max_output_bytes: self.max_script_output_bytes,
        }
    }

    /// The limits of each database.
    pub fn database_limits(&self) -> Limits {
        Limits {
            max_id_bytes: self.max_id_bytes,
            max_document_bytes: self.max_document_bytes,
            large_document_bytes: self.large_document_bytes,
            max_json_depth: self.max_json_depth,
            max_attachment_bytes: self.max_attachment_bytes,
            max_batch_commands: self.max_batch_commands,
            max_queued_operations: self.max_queued_operations,
            max_queued_bytes: self.max_queued_bytes,
            ..Limits::default()
        }
    }

    /// How long a body may stand still.
    pub fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }

    /// The origins whose pages may sync, without the slash that some write at the end.
    pub fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        let origins = self.sync_origins.iter();
        // A variable may be there and empty.
        origins
            .map(|it| it.trim().trim_end_matches('/'))
            .filter(|it| !it.is_empty())
    }
}
