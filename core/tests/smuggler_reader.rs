//! The reader of imports: whatever the chunks, the items are the same, and faults are named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use pinyon_core::smuggler::{Format, Piece, Reader, Section};
use pinyon_core::{ErrorKind, Result};
use proptest::prelude::*;

/// Everything the reader tells of an input, cut into chunks at `cuts`.
fn read(format: Format, input: &[u8], cuts: &[usize]) -> Result<(Vec<String>, Reader)> {
    let mut reader = Reader::new(format, 1 << 20);
    let mut items = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        reader.feed(&input[start..end]);
        start = end;
        drain(&mut reader, &mut items)?;
    }
    reader.finish();
    drain(&mut reader, &mut items)?;
    Ok((items, reader))
}

fn drain(reader: &mut Reader, items: &mut Vec<String>) -> Result<()> {
    while let Some(item) = reader.next_item()? {
        let text = String::from_utf8_lossy(item.bytes);
        items.push(format!("{}: {text}", item.place));
    }
    Ok(())
}

fn dump() -> Vec<u8> {
    let mut dump =
        br#"{"BuildVersion":60014,"DatabaseRecord":{"DatabaseName":"a]}","Settings":[1,2]},
"Docs":[{"@metadata":{"@export-type":"Attachment"},"Hash":"h","Size":6,"Tag":"t"}"#
            .to_vec();
    dump.extend_from_slice(b"\"}]\n\xff\\");
    dump.extend_from_slice(
        br#",{"Name":"\"]","@metadata":{"@id":"users/1"}},
{"a":"@export-type","@metadata":{"@id":"users/2"}}],
"RevisionDocuments":[],"Tombstones":[{"Key":"users/3","Type":"Document"}],
"TimeSeries":[{"@raven-data":{"DocId":"users/1"},"@raven-blob-size":3}"#,
    );
    dump.extend_from_slice(b"\x00,[");
    dump.extend_from_slice(
        br#"],"Indexes":[{"Type":"Map"},{"Type":"AutoMap"}],"Identities":[{"Key":"users|","Value":"3"}]}
"#,
    );
    dump
}

#[test]
fn a_dump_yields_its_items_and_counts_the_rest() {
    let (items, reader) = read(Format::Dump, &dump(), &[]).unwrap();
    let expected = [
        r#"DatabaseRecord item 1 (line 1, byte 39): {"DatabaseName":"a]}","Settings":[1,2]}"#,
        r#"Docs item 1 (line 2, byte 168): {"Name":"\"]","@metadata":{"@id":"users/1"}}"#,
        r#"Docs item 2 (line 3, byte 214): {"a":"@export-type","@metadata":{"@id":"users/2"}}"#,
        r#"Tombstones item 1 (line 4, byte 304): {"Key":"users/3","Type":"Document"}"#,
        r#"Indexes item 1 (line 5, byte 428): {"Type":"Map"}"#,
        r#"Indexes item 2 (line 5, byte 443): {"Type":"AutoMap"}"#,
        r#"Identities item 1 (line 5, byte 477): {"Key":"users|","Value":"3"}"#,
    ];
    assert_eq!(items, expected);
    // The places are where the texts stand; line ends among raw bytes are no lines.
    let dump = dump();
    assert!(
        dump[168..].starts_with(br#"{"Name""#) && dump[477..].starts_with(br#"{"Key":"users|""#)
    );
    assert_eq!(reader.build_version(), Some(60014));
    let sections: Vec<_> = reader
        .sections()
        .iter()
        .map(|it| (it.name.as_str(), it.items, it.attachments, it.blob_bytes))
        .collect();
    assert_eq!(
        sections,
        [
            ("DatabaseRecord", 1, 0, 0),
            ("Docs", 2, 1, 6),
            ("RevisionDocuments", 0, 0, 0),
            ("Tombstones", 1, 0, 0),
            ("TimeSeries", 1, 0, 3),
            ("Indexes", 2, 0, 0),
            ("Identities", 1, 0, 0),
        ]
    );
    assert_eq!(reader.sections()[1].section, Section::Documents);
}

#[test]
fn a_dump_cut_at_every_byte_is_the_same() {
    let dump = dump();
    let (expected, whole) = read(Format::Dump, &dump, &[]).unwrap();
    for cut in 0..dump.len() {
        let (items, reader) = read(Format::Dump, &dump, &[cut]).unwrap();
        assert_eq!(items, expected, "cut at {cut}");
        assert_eq!(reader.sections(), whole.sections(), "cut at {cut}");
        assert_eq!(reader.build_version(), Some(60014), "cut at {cut}");
    }
}

#[test]
fn contents_of_attachments_come_in_pieces() {
    let dump = dump();
    for cut in 0..dump.len() {
        let mut reader = Reader::new(Format::Dump, 1 << 20);
        let (mut heads, mut content, mut ends) = (0, Vec::new(), 0);
        for part in [&dump[..cut], &dump[cut..]] {
            reader.feed(part);
            while let Some(piece) = reader.next_piece().unwrap() {
                match piece {
                    Piece::Item(_) => assert_eq!(heads, ends),
                    Piece::TooLong(place) => panic!("{place}"),
                    Piece::Attachment(head) => {
                        heads += 1;
                        assert!(head.bytes.ends_with(br#""Tag":"t"}"#));
                    }
                    Piece::Content { bytes, is_last } => {
                        content.extend_from_slice(bytes);
                        ends += u32::from(is_last);
                    }
                }
            }
        }
        assert_eq!((heads, ends), (1, 1), "cut at {cut}");
        assert_eq!(content, b"\"}]\n\xff\\", "cut at {cut}");
    }
}

#[test]
fn a_dump_that_breaks_off_is_refused_wherever() {
    let dump = dump();
    // Behind the last brace there is only a line end.
    for end in 0..dump.len() - 1 {
        let error = read(Format::Dump, &dump[..end], &[]).expect_err("a broken dump");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "ends at {end}");
    }
}

#[test]
fn arrays_sequences_and_lines_yield_documents() {
    for (format, input, expected) in [
        (Format::Json, " [ ] ", vec![]),
        (Format::Json, "", vec![]),
        (
            Format::Json,
            "[{},\n{\"a\":[1]}]",
            vec!["{}", "{\"a\":[1]}"],
        ),
        (
            Format::Json,
            "\u{feff}{\n\"a\":1\n}{}",
            vec!["{\n\"a\":1\n}", "{}"],
        ),
        (Format::Json, "[1, \"x\" ,null]", vec!["1", "\"x\"", "null"]),
        (Format::Json, "7", vec!["7"]),
        (
            Format::JsonLines,
            "{}\r\n\n {\"a\":1} ",
            vec!["{}", "{\"a\":1}"],
        ),
        (Format::JsonLines, "{\n}", vec!["{", "}"]),
        (Format::JsonLines, "\u{feff}\n\n", vec![]),
        (Format::Dump, "{}", vec![]),
        (Format::Dump, " {\"Results\":[{}]} ", vec!["{}"]),
    ] {
        let (items, _) = read(format, input.as_bytes(), &[]).expect(input);
        let texts: Vec<_> = items
            .iter()
            .map(|item| item.split_once("): ").expect("a place").1)
            .collect();
        assert_eq!(texts, expected, "{input}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (format, input, expected) in [
        (
            Format::Json,
            "[{} {}]",
            "line 1, byte 4, in Docs after item 1: expected a comma or ], found '{'",
        ),
        (
            Format::Json,
            "[{},]",
            "line 1, byte 4, in Docs after item 1: expected an item, found ']'",
        ),
        (
            Format::Json,
            "[\n{}\n",
            "line 3, byte 5, in Docs after item 1: the input ends too early",
        ),
        (
            Format::Json,
            "[{}]\n[",
            "line 2, byte 5, in Docs after item 1: expected nothing more, found '['",
        ),
        (
            Format::Json,
            "[{}, {\"a\":",
            "the input ends inside Docs item 2 (line 1, byte 5)",
        ),
        (
            Format::Dump,
            "[]",
            "line 1, byte 0: expected the { of a dump, found '['",
        ),
        (Format::Dump, "", "line 1, byte 0: the input ends too early"),
        (
            Format::Dump,
            "{1:2}",
            "line 1, byte 1: expected a section's name, found '1'",
        ),
        (
            Format::Dump,
            "{\"Docs\":,",
            "line 1, byte 8, in Docs after item 0: expected what the section holds, found ','",
        ),
        (
            Format::Dump,
            "{\"Docs\":[{\"@metadata\":{\"@export-type\":\"Attachment\"}}",
            "Docs item 1 (line 1, byte 9) is followed by bytes, but does not tell how many",
        ),
        (
            Format::Dump,
            "{\"BuildVersion\":60000,\"Docs\":5}",
            "line 1, byte 29, in Docs after item 0: expected its items, found '5'",
        ),
        (
            Format::Dump,
            "{\"Identities\":{\"users|\":1}}",
            "line 1, byte 14, in Identities after item 0: expected its items, found '{'",
        ),
        (
            Format::Dump,
            "{\"Docs\":none}",
            "line 1, byte 12, in Docs after item 1: it holds no items and is not null",
        ),
    ] {
        let error = read(format, input.as_bytes(), &[]).expect_err(input);
        assert_eq!(error.message(), expected, "{input}");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
}

#[test]
fn an_item_beyond_the_limit_ends_the_reading() {
    let long = format!("[{{\"a\":\"{}\"}}]", "x".repeat(100));
    let mut reader = Reader::new(Format::Json, 50);
    reader.feed(long.as_bytes());
    let error = reader.next_item().expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    // And it stays ended.
    reader.feed(b"{}");
    assert_eq!(reader.next_item().expect_err("still").kind(), error.kind());
}

#[test]
fn an_item_beyond_the_limit_is_passed_over_by_those_who_take_pieces() {
    let long = "x".repeat(100);
    for (format, input) in [
        (
            Format::Json,
            format!("[{{}}, {{\"a\":\"{long}\"}},\n{{\"b\":1}}]"),
        ),
        (
            Format::Json,
            format!("{{}} {{\"a\":\"{long}\"}}\n{{\"b\":1}}"),
        ),
        (
            Format::JsonLines,
            format!("{{}}\n{{\"a\":\"{long}\"}}\n{{\"b\":1}}"),
        ),
        (
            Format::JsonLines,
            format!("{{}}\n{{\"b\":1}}\n{{\"a\":\"{long}\"}}"),
        ),
        (
            Format::Dump,
            format!("{{\"Docs\":[{{}},{{\"a\":\"{long}\"}}, {{\"b\":1}}]}}"),
        ),
    ] {
        for chunk_bytes in [1, 7, 1000] {
            let mut reader = Reader::new(format, 50);
            let (mut items, mut passed) = (Vec::new(), Vec::new());
            let chunks = input.as_bytes().chunks(chunk_bytes);
            for chunk in chunks.map(Some).chain([None]) {
                match chunk {
                    Some(chunk) => reader.feed(chunk),
                    None => reader.finish(),
                }
                while let Some(piece) = reader.next_piece().unwrap() {
                    match piece {
                        Piece::Item(item) => items.push(item.bytes.to_vec()),
                        Piece::TooLong(place) => passed.push(place.number),
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(items, [b"{}".to_vec(), b"{\"b\":1}".to_vec()], "{input}");
            let number = if input.ends_with(&format!("{long}\"}}")) {
                3
            } else {
                2
            };
            assert_eq!(passed, [number], "{input} by {chunk_bytes}");
            assert_eq!(reader.sections()[0].items, 3);
            assert_eq!(reader.offset(), input.len() as u64);
        }
    }
    // One that never ends does not count as passed over.
    let mut reader = Reader::new(Format::Json, 50);
    reader.feed(format!("[{{\"a\":\"{long}").as_bytes());
    reader.finish();
    assert!(matches!(reader.next_piece(), Ok(Some(Piece::TooLong(_)))));
    let error = reader.next_piece().expect_err("it breaks off");
    assert_eq!(
        error.message(),
        "the input ends inside Docs item 1 (line 1, byte 1)"
    );
}

#[test]
fn the_buffer_holds_one_item_not_the_input() {
    let mut reader = Reader::new(Format::Json, 100);
    reader.feed(b"[");
    let mut count = 0;
    for _ in 0..1000 {
        // A section of many times the limit, in items below it.
        reader.feed(b"{\"a\":\"0123456789012345678901234567890123456789\"},");
        while reader.next_item().unwrap().is_some() {
            count += 1;
        }
    }
    assert_eq!(count, 1000);
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Json),
        Just(Format::JsonLines),
        Just(Format::Dump)
    ]
}

/// Texts that look like inputs more often than random bytes would.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        "[\\[\\]{},:\" \n\\\\0-9a]",
        Just("\"Docs\":[".to_owned()),
        Just("{\"a\":1}".to_owned()),
        Just("{\"@metadata\":{\"@export-type\":\"Attachment\"},\"Size\":2}".to_owned()),
        Just("\"BuildVersion\":1".to_owned()),
        Just("\u{feff}".to_owned()),
    ];
    proptest::collection::vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_chunking_tells_the_same(
        format in format(),
        input in input(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = read(format, &input, &[]);
        let pieces = read(format, &input, &cuts);
        match (whole, pieces) {
            (Ok((expected, one)), Ok((items, other))) => {
                prop_assert_eq!(expected, items);
                prop_assert_eq!(one.sections(), other.sections());
            }
            (Err(expected), Err(error)) => {
                prop_assert_eq!(expected.message(), error.message());
            }
            (whole, pieces) => prop_assert!(false, "{:?} but {:?}", whole.err(), pieces.err()),
        }
    }
}
