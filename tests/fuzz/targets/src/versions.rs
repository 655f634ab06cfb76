//! The text of change vectors.

use pinyon_core::version::{
    ChangeVector, Etag, Incarnation, IncarnationId, Incarnations, NodeTag, VectorOrder,
};

/// Change vectors: what parses is written so that it parses to the same vector.
pub fn change_vector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut table = Incarnations::founded_by(Incarnation {
        id: IncarnationId::from_bytes([7; 16]),
        tag: NodeTag::new("A").expect("a letter"),
        seen: Etag::ZERO,
    });
    let Ok(vector) = ChangeVector::parse(text, &mut table) else {
        return;
    };
    let written = vector.to_text(&table).expect("its incarnations are known");
    let rows = table.rows().len();
    let read = ChangeVector::parse(&written, &mut table).expect("its own text is a vector");
    assert_eq!(read, vector, "'{text}' became '{written}'");
    assert_eq!(table.rows().len(), rows, "its own text named somebody new");
    assert_eq!(read.to_text(&table).expect("known"), written);
    assert_eq!(read.compare_to(&vector), VectorOrder::AlreadyMerged);
}
