//! Stored records: bytes that fit are read, and written back they are read as the same.

use std::fmt::Debug;

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::indexes::rewrite_record;
use pinyon_core::schema::collection_etags;
use pinyon_core::schema::collections::CollectionStatistics;
use pinyon_core::schema::database_state::DatabaseState;
use pinyon_core::schema::documents::{DocumentParts, DocumentRecord};
use pinyon_core::schema::etags;
use pinyon_core::schema::identities::Identity;
use pinyon_core::schema::tombstones::Tombstone;
use pinyon_core::storage::KeySpace;

/// Records of every table; the first byte says which.
pub fn records(input: &[u8]) {
    let Some((table, bytes)) = input.split_first() else {
        return;
    };
    match table % 7 {
        0 => document(Bytes::copy_from_slice(bytes)),
        1 => round_trip(bytes, Tombstone::decode, Tombstone::encode),
        2 => round_trip(
            bytes,
            CollectionStatistics::decode,
            CollectionStatistics::encode,
        ),
        3 => round_trip(bytes, Identity::decode, Identity::encode),
        4 => round_trip(bytes, DatabaseState::decode, DatabaseState::encode),
        5 => collection_etag(bytes),
        _ => etag(&Bytes::copy_from_slice(bytes)),
    }
}

/// Records of an index's store; the first byte says of which key space.
pub fn index_records(input: &[u8]) {
    let Some((space, bytes)) = input.split_first() else {
        return;
    };
    let space = KeySpace::new(space % 13);
    let Ok(Some(written)) = rewrite_record(space, &Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let again = rewrite_record(space, &written.clone().into()).expect("its own record is one");
    assert_eq!(again, Some(written));
}

fn round_trip<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: fn(&[u8]) -> Result<T>,
    encode: fn(&T) -> Vec<u8>,
) {
    if let Ok(record) = decode(bytes) {
        let again = decode(&encode(&record)).expect("its own record is one");
        assert_eq!(again, record);
    }
}

fn document(bytes: Bytes) {
    let Ok(record) = DocumentRecord::decode(bytes) else {
        return;
    };
    let parts = DocumentParts {
        etag: record.etag,
        last_modified: record.last_modified,
        flags: record.flags,
        context: &record.context,
        dot: record.dot,
        origin: record.origin,
        id: record.id(),
        key: b"",
        collection: record.collection(),
        attachments: record.attachments(),
        metadata: record.metadata(),
        body: record.body(),
    };
    let again = DocumentRecord::decode(parts.encode().into()).expect("its own record is one");
    assert_eq!(
        (
            again.id(),
            again.collection(),
            again.attachments(),
            again.metadata(),
            again.body()
        ),
        (
            record.id(),
            record.collection(),
            record.attachments(),
            record.metadata(),
            record.body()
        )
    );
    assert_eq!(
        (again.etag, again.last_modified, again.flags, again.dot),
        (record.etag, record.last_modified, record.flags, record.dot)
    );
    assert_eq!(again.context, record.context);
}

fn collection_etag(key: &[u8]) {
    if let Ok((collection, kind, etag)) = collection_etags::decode_key(key) {
        assert_eq!(collection_etags::key(collection, kind, etag), key);
    }
}

fn etag(bytes: &Bytes) {
    if let Ok(etag) = etags::decode_key(bytes) {
        assert_eq!(etags::key(etag), bytes);
    }
    if let Ok((kind, key, offset)) = etags::decode_value_at(bytes) {
        let again = etags::value_at(kind, &key, offset);
        assert_eq!(
            etags::decode_value_at(&again).expect("its own value is one"),
            (kind, key, offset)
        );
    }
}
