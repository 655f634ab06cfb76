//! What the writers store: every byte of a document follows from writer, id and serial number, so
//! that a reader knows what must be there; the bytes of an attachment are known by their hash.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use fastrand::Rng;
use pinyon_core::host::Timestamp;
use serde_json::{Value, json};

/// The media type of all attachments.
pub const CONTENT_TYPE: &str = "application/x-crash";
/// The names attachments have.
pub const NAMES: [&str; 3] = ["scan", "photo", "note"];

/// The length of a piece in the server's store: contents just below, at and above it are stored.
const PIECE_BYTES: usize = (256 << 10) - 4096;
/// Contents that all writers share, by their sizes.
const SHARED_SIZES: [usize; 14] = [
    0,
    1,
    300,
    300,
    5_000,
    32 << 10,
    (32 << 10) + 1,
    100_000,
    PIECE_BYTES - 1,
    PIECE_BYTES,
    PIECE_BYTES + 1,
    2 * PIECE_BYTES,
    500_000,
    1 << 20,
];

/// The collection a document belongs to, which its id tells.
pub fn collection_of(id: &str) -> &'static str {
    const COLLECTIONS: [(&str, &str); 6] = [
        ("/slot-", "Slots"),
        ("/counter", "Counters"),
        ("/file-", "Files"),
        ("/scan-", "Scans"),
        ("/lease-", "Leases"),
        ("/term-", "Terms"),
    ];
    COLLECTIONS
        .iter()
        .find(|(part, _)| id.contains(part))
        .map_or("Notes", |(_, collection)| collection)
}

/// What is kept of the versions of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All revisions, also after its end.
    All,
    /// All revisions, until it is deleted.
    UntilDeleted,
    /// No revision: what an attachment held is free when it goes.
    Nothing,
}

/// What is kept of the document `id`; [`revisions_configuration`] tells the server.
pub fn kept_of(id: &str) -> Kept {
    match collection_of(id) {
        "Scans" => Kept::Nothing,
        "Leases" => Kept::UntilDeleted,
        _ => Kept::All,
    }
}

/// The configuration of revisions that does what [`kept_of`] says.
pub fn revisions_configuration() -> Value {
    json!({
        "Default": { "Disabled": false },
        "Collections": {
            "Scans": { "Disabled": true },
            "Leases": { "Disabled": false, "PurgeOnDelete": true },
        },
    })
}

/// The document that writer `writer` stores under `id` with its operation `serial`.
pub fn document(writer: usize, id: &str, serial: u64) -> Value {
    // FNV-1a: any mixing of the id into the seed will do.
    let id_hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = Rng::with_seed(id_hash ^ serial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Mostly one page of the file, sometimes several, seldom many.
    let length = match random.u32(0..100) {
        0..90 => random.usize(50..600),
        90..99 => random.usize(2_000..8_000),
        _ => random.usize(40_000..120_000),
    };
    let text: String = std::iter::repeat_with(|| random.alphanumeric())
        .take(length)
        .collect();
    json!({
        "Writer": writer,
        "Serial": serial,
        "Nested": { "Numbers": [random.u64(..), random.i32(..)], "Empty": {} },
        "Text": text,
    })
}

/// When something is due for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// When it may be deleted.
    pub expires: Option<Timestamp>,
    /// When the server may write it anew, without this time.
    pub refresh: Option<Timestamp>,
}

impl Times {
    /// Of a document that may be deleted at a time, if one is given.
    pub fn expiring(expires: Option<Timestamp>) -> Self {
        Self {
            expires,
            ..Self::default()
        }
    }
}

/// The same with the metadata a client sends.
pub fn with_metadata(mut document: Value, id: &str, times: Times) -> Value {
    document["@metadata"] = json!({ "@collection": collection_of(id) });
    for (name, time) in [("@expires", times.expires), ("@refresh", times.refresh)] {
        if let Some(time) = time {
            document["@metadata"][name] = json!(time.to_text());
        }
    }
    document
}

/// What an attachment holds, as its document's list shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// The BLAKE2b-256 of its bytes, in base-64.
    pub hash: String,
    /// How many they are.
    pub size: u64,
}

impl Attached {
    /// What an attachment with these bytes is shown as.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Blake2b::<U32>::digest(bytes);
        Self {
            hash: STANDARD.encode(hash),
            size: bytes.len() as u64,
        }
    }
}

/// The bytes of an attachment: often some that others store too, else new ones.
pub fn attachment_bytes(random: &mut Rng) -> Vec<u8> {
    if random.u32(0..100) < 60 {
        let seed = random.usize(0..SHARED_SIZES.len());
        return bytes_of(seed as u64, SHARED_SIZES[seed]);
    }
    let size = match random.u32(0..100) {
        0..70 => random.usize(1..4_000),
        70..95 => random.usize(4_000..80_000),
        _ => random.usize(80_000..1_200_000),
    };
    bytes_of(random.u64(..), size)
}

fn bytes_of(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
