//! The reader of imports.

use pinyon_core::smuggler::{DocumentRules, Format, Item, Reader, SectionSummary};
use serde_json::value::RawValue;

/// Imports: the first byte chooses the form, the second how the rest is cut into chunks. However
/// it is cut, the same items and the same fault come out; and what serde_json reads as an array is
/// read as the same items.
pub fn import(input: &[u8]) {
    let [form, chunk_bytes, text @ ..] = input else {
        return;
    };
    let format = match form % 4 {
        0 => Format::Json,
        1 => Format::JsonLines,
        2 => Format::Dump,
        _ => Format::detect(text),
    };
    let whole = read(format, text, text.len().max(1));
    let pieces = read(format, text, usize::from(*chunk_bytes).max(1));
    assert_eq!(whole, pieces, "in chunks of {chunk_bytes} bytes");
    if format == Format::Json
        && let Ok(expected) = serde_json::from_slice::<Vec<&RawValue>>(text)
    {
        assert_eq!(whole.fault, None);
        let expected: Vec<&[u8]> = expected.iter().map(|it| it.get().as_bytes()).collect();
        let items: Vec<&[u8]> = whole.items.iter().map(|(_, bytes)| &bytes[..]).collect();
        assert_eq!(items, expected);
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    items: Vec<(String, Vec<u8>)>,
    fault: Option<String>,
    sections: Vec<SectionSummary>,
    build_version: Option<u64>,
}

fn read(format: Format, text: &[u8], chunk_bytes: usize) -> Outcome {
    let mut reader = Reader::new(format, 1 << 16);
    let mut items = Vec::new();
    let mut fault = None;
    for chunk in text.chunks(chunk_bytes) {
        reader.feed(chunk);
        fault = fault.or_else(|| drain(&mut reader, text, &mut items));
    }
    reader.finish();
    fault = fault.or_else(|| drain(&mut reader, text, &mut items));
    Outcome {
        items,
        fault,
        sections: reader.sections().to_vec(),
        build_version: reader.build_version(),
    }
}

fn drain(reader: &mut Reader, text: &[u8], items: &mut Vec<(String, Vec<u8>)>) -> Option<String> {
    loop {
        match reader.next_item() {
            Ok(Some(item)) => {
                check_place(&item, text);
                // Whether it is a document is for its parser to say, without a panic.
                let _ = DocumentRules::default().to_put(item);
                items.push((item.place.to_string(), item.bytes.to_vec()));
            }
            Ok(None) => return None,
            Err(error) => return Some(error.to_string()),
        }
    }
}

/// An item stands where it says, but for white space in front of a line.
fn check_place(item: &Item<'_>, text: &[u8]) {
    let offset = usize::try_from(item.place.offset).expect("within the input");
    let there = text[offset..].trim_ascii_start();
    assert!(there.starts_with(item.bytes), "{} is elsewhere", item.place);
}
