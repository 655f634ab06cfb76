//! The documents that are indexed: orders of about 350 bytes, each with a number of its own, a key
//! that it is grouped by, and some words.

use std::fmt::Write as _;

use anyhow::Result;
use fastrand::Rng;

use super::{DATABASE, IndexPlan};
use crate::target::Target;

/// Documents of a batch while the database is filled.
const FILL_BATCH: usize = 1_000;
/// Words that texts are made of. The first are in many texts, the last in few.
const WORDS: usize = 20_000;
pub(super) const CITIES: usize = 200;

/// The id of a document.
pub(super) fn id(number: usize) -> String {
    format!("orders/{number:08}")
}

/// A word, by its rank.
fn word(rank: usize) -> String {
    let mut rank = rank + 26;
    let mut text = String::new();
    while rank > 0 {
        text.push(char::from(b'a' + (rank % 26) as u8));
        rank /= 26;
    }
    text + "o"
}

/// Two words to search for, neither the most frequent nor the rarest.
pub(super) fn text_words(random: &mut Rng) -> String {
    let mut rank = || (WORDS as f64).powf(random.f64() * 0.6 + 0.2) as usize;
    format!("{} {}", word(rank()), word(rank()))
}

/// A document's JSON with its collection.
pub(super) fn order(number: usize, keys: usize) -> String {
    let mut random = Rng::with_seed(number as u64);
    let mut notes = String::new();
    for _ in 0..12 {
        // About as words are spread in texts.
        let rank = (WORDS as f64).powf(random.f64()) as usize - 1;
        write!(notes, "{} ", word(rank)).expect("writing to a string succeeds");
    }
    format!(
        r#"{{"Number":{number},"Company":"companies/{}-A","City":"city-{}","Total":{}.25,"Quantity":{},"OrderedAt":"2026-{:02}-{:02}T10:15:30.0000000Z","Notes":"{}","Lines":[{{"Product":"products/{}-A","Quantity":{}}},{{"Product":"products/{}-A","Quantity":1}}],"@metadata":{{"@collection":"Orders"}}}}"#,
        number % keys,
        random.usize(0..CITIES),
        number.wrapping_mul(7919) % 1_000_003,
        number % 9 + 1,
        number % 12 + 1,
        number % 28 + 1,
        notes.trim_end(),
        random.usize(0..1000),
        number % 5 + 1,
        random.usize(0..1000),
    )
}

/// Stores all of them.
pub(super) async fn fill(target: &Target, plan: &IndexPlan) -> Result<()> {
    for first in (0..plan.documents).step_by(FILL_BATCH) {
        let commands: Vec<String> = (first..plan.documents.min(first + FILL_BATCH))
            .map(|number| {
                format!(
                    r#"{{"Type":"PUT","Id":"{}","ChangeVector":null,"Document":{}}}"#,
                    id(number),
                    order(number, plan.keys)
                )
            })
            .collect();
        let body = format!(r#"{{"Commands":[{}]}}"#, commands.join(","));
        target
            .ask("POST", DATABASE, "bulk_docs", &body, 201)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_json_and_words_differ() {
        for number in [0, 1, 999_999] {
            let text = order(number, 10_000);
            assert!((250..500).contains(&text.len()), "{}", text.len());
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["Number"], number);
        }
        let words: std::collections::BTreeSet<String> = (0..WORDS).map(word).collect();
        assert_eq!(words.len(), WORDS);
    }
}
