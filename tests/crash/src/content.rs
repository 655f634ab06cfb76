//! What the writers store: every byte follows from writer, id and serial number, so that a
//! reader knows what must be there.

use fastrand::Rng;
use serde_json::{Value, json};

/// The collection a document belongs to, which its id tells.
pub fn collection_of(id: &str) -> &'static str {
    if id.contains("/slot-") {
        "Slots"
    } else if id.contains("/counter") {
        "Counters"
    } else {
        "Notes"
    }
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

/// The same with the metadata a client sends.
pub fn with_collection(mut document: Value, id: &str) -> Value {
    document["@metadata"] = json!({ "@collection": collection_of(id) });
    document
}
