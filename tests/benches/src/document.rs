//! The documents that are stored and read: orders, about 0.5 or 20 KB of JSON.

use std::fmt::Write;

use fastrand::Rng;

/// How large the documents of a measurement are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Size {
    /// About 500 bytes.
    Small,
    /// About 20 KB.
    Large,
}

impl Size {
    /// As the tables show it.
    pub fn label(self) -> &'static str {
        match self {
            Size::Small => "0.5 KB",
            Size::Large => "20 KB",
        }
    }

    /// The length of the JSON text that [`order`] aims at.
    pub fn bytes(self) -> usize {
        match self {
            Size::Small => 500,
            Size::Large => 20_000,
        }
    }
}

const WORDS: [&str; 16] = [
    "anchor", "barley", "cedar", "dune", "ember", "fern", "glade", "harbor", "inlet", "juniper",
    "kelp", "larch", "meadow", "north", "orchard", "pine",
];

/// An order as JSON text with its collection in the metadata, at most `size` long.
pub fn order(size: Size, seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut word = || WORDS[random.usize(0..WORDS.len())];
    let mut json = format!(
        r#"{{"Company":"companies/{}-A","Employee":"{} {}","OrderedAt":"2026-03-{:02}T10:15:30.0000000Z","ShipTo":{{"Line1":"{} street","City":"{}","Country":"SE"}},"Lines":["#,
        seed % 1000,
        word(),
        word(),
        seed % 28 + 1,
        word(),
        word()
    );
    let end = r#"],"@metadata":{"@collection":"Orders"}}"#;
    let mut number: u64 = 0;
    loop {
        let mut line = String::new();
        write!(
            line,
            r#"{}{{"Product":"products/{}-A","Name":"{} {} {}","Quantity":{},"PricePerUnit":{}.5,"Discount":0}}"#,
            if number == 0 { "" } else { "," },
            (seed + number * 7) % 900 + 100,
            word(),
            word(),
            word(),
            number % 9 + 1,
            (seed + number) % 80 + 10
        )
        .expect("writing to a string succeeds");
        if json.len() + line.len() + end.len() > size.bytes() {
            break;
        }
        json.push_str(&line);
        number += 1;
    }
    json.push_str(end);
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_json_of_about_the_size_asked_for() {
        for size in [Size::Small, Size::Large] {
            for seed in [0, 1, 999_999] {
                let text = order(size, seed);
                assert!(text.len() <= size.bytes() && text.len() > size.bytes() * 7 / 10);
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }
}
