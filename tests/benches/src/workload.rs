//! What the load generator sends, and what answers it takes as right.

use std::sync::Arc;

use crate::document::{Size, order};

/// The six things measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// PUT of one new document.
    PutOne,
    /// bulk_docs with 100 new documents.
    PutBatch,
    /// GET of one document by id.
    GetOne,
    /// The same with If-None-Match, answered 304.
    GetUnchanged,
    /// POST of 100 ids to load.
    Load,
    /// One page of 25 documents by prefix.
    PrefixPage,
}

/// Commands of a batch, ids of a load.
pub const BATCH: usize = 100;
/// Documents of a page.
pub const PAGE: usize = 25;

impl Workload {
    /// All six in the order of the table.
    pub const ALL: [Workload; 6] = [
        Workload::PutOne,
        Workload::PutBatch,
        Workload::GetOne,
        Workload::GetUnchanged,
        Workload::Load,
        Workload::PrefixPage,
    ];

    /// As the tables show it.
    pub fn label(self) -> &'static str {
        match self {
            Workload::PutOne => "PUT one",
            Workload::PutBatch => "PUT batch of 100",
            Workload::GetOne => "GET one",
            Workload::GetUnchanged => "GET, 304",
            Workload::Load => "load of 100 ids",
            Workload::PrefixPage => "prefix page of 25",
        }
    }

    /// Whether each request stores something new.
    pub fn writes(self) -> bool {
        matches!(self, Workload::PutOne | Workload::PutBatch)
    }

    /// The status of a right answer.
    pub fn status(self) -> u16 {
        match self {
            Workload::PutOne | Workload::PutBatch => 201,
            Workload::GetUnchanged => 304,
            Workload::GetOne | Workload::Load | Workload::PrefixPage => 200,
        }
    }
}

/// Which answers are right, besides their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Of exactly this many bytes.
    Exactly(usize),
    /// Of at least this many: answers to writes carry etags that grow.
    AtLeast(usize),
}

impl Length {
    /// Whether a body of `length` bytes is right.
    pub fn accepts(self, length: usize) -> bool {
        match self {
            Length::Exactly(right) => length == right,
            Length::AtLeast(least) => length >= least,
        }
    }
}

/// A source of requests for one connection.
#[derive(Debug)]
pub enum Requests {
    /// Prebuilt ones in random order, each with the length of its answer.
    Fixed {
        /// Requests and answers.
        all: Arc<Vec<(Vec<u8>, Length)>>,
        /// Picks the next.
        random: fastrand::Rng,
    },
    /// One whose digits are counted up: every request stores new documents.
    Counted {
        /// The request.
        request: Vec<u8>,
        /// Where in it the digits begin.
        digits: Vec<usize>,
        /// The last number given out.
        number: u64,
        /// What the answer must be.
        length: Length,
    },
    /// One that stores a number of documents again and again, each time with another text.
    Cycled {
        /// The request.
        request: Vec<u8>,
        /// Where in it the digits of the id begin.
        id: usize,
        /// Where those of the text begin.
        text: usize,
        /// The last number given out.
        number: u64,
        /// How many documents there are.
        documents: u64,
        /// What the answer must be.
        length: Length,
    },
}

const DIGITS: usize = 9;

impl Requests {
    /// The next request and the length of its answer.
    pub fn take(&mut self) -> (&[u8], Length) {
        match self {
            Requests::Fixed { all, random } => {
                let (request, length) = &all[random.usize(0..all.len())];
                (request, *length)
            }
            Requests::Counted {
                request,
                digits,
                number,
                length,
            } => {
                for place in digits {
                    *number += 1;
                    write_digits(&mut request[*place..*place + DIGITS], *number);
                }
                (request, *length)
            }
            Requests::Cycled {
                request,
                id,
                text,
                number,
                documents,
                length,
            } => {
                *number += 1;
                write_digits(&mut request[*id..*id + DIGITS], *number % *documents);
                write_digits(&mut request[*text..*text + DIGITS], *number);
                (request, *length)
            }
        }
    }

    /// PUTs of one document whose ids begin with `prefix`.
    pub fn put_one(database: &str, size: Size, prefix: &str) -> Self {
        let (request, place) = put_request(database, prefix, &order(size, 1));
        Self::Counted {
            request,
            digits: vec![place],
            number: 0,
            length: PUT_ANSWER,
        }
    }

    /// PUTs of `documents` documents whose ids begin with `prefix`, over and over.
    pub fn put_again(database: &str, size: Size, prefix: &str, documents: u64) -> Self {
        let zero = "0".repeat(DIGITS);
        let marker = "{\"Number\":\"";
        let order = order(size, 1).replacen('{', &format!("{marker}{zero}\","), 1);
        let (request, id) = put_request(database, prefix, &order);
        let text = find_end(&request, marker);
        Self::Cycled {
            request,
            id,
            text,
            number: 0,
            documents,
            length: PUT_ANSWER,
        }
    }

    /// Batches of new documents whose ids begin with `prefix`.
    pub fn put_batch(database: &str, size: Size, prefix: &str) -> Self {
        let ids: Vec<String> = (0..BATCH)
            .map(|_| format!("{prefix}{}", "0".repeat(DIGITS)))
            .collect();
        let body = put_commands(&ids, size, 1);
        let request = request(
            "POST",
            &format!("/databases/{database}/bulk_docs"),
            None,
            &body,
        );
        let marker = format!(r#""Id":"{prefix}"#);
        let digits: Vec<usize> = memchr::memmem::find_iter(&request, marker.as_bytes())
            .map(|at| at + marker.len())
            .collect();
        Self::Counted {
            request,
            digits,
            number: 0,
            length: Length::AtLeast(BATCH * r#"{"Type":"PUT","@id":""}"#.len()),
        }
    }
}

const PUT_ANSWER: Length = Length::AtLeast(r#"{"Id":"","ChangeVector":""}"#.len());

/// A PUT with zeros after the prefix, and where they begin.
fn put_request(database: &str, prefix: &str, body: &str) -> (Vec<u8>, usize) {
    let zero = "0".repeat(DIGITS);
    let target = format!("/databases/{database}/docs?id={prefix}{zero}");
    let request = request("PUT", &target, None, body);
    let place = find_end(&request, &format!("?id={prefix}"));
    (request, place)
}

/// Where `text` ends in a request.
fn find_end(request: &[u8], text: &str) -> usize {
    let start = memchr::memmem::find(request, text.as_bytes());
    start.expect("it stands in the request") + text.len()
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The body of a bulk_docs that stores one order under each id.
pub fn put_commands(ids: &[String], size: Size, first_seed: u64) -> String {
    let commands: Vec<String> = ids
        .iter()
        .zip(first_seed..)
        .map(|(id, seed)| {
            format!(
                r#"{{"Type":"PUT","Id":"{id}","ChangeVector":null,"Document":{}}}"#,
                order(size, seed)
            )
        })
        .collect();
    format!(r#"{{"Commands":[{}]}}"#, commands.join(","))
}

/// The bytes of a request.
pub fn request(method: &str, target: &str, if_none_match: Option<&str>, body: &str) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if let Some(tag) = if_none_match {
        text.push_str(&format!("If-None-Match: {tag}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_requests_never_repeat_an_id() {
        let mut puts = Requests::put_one("B", Size::Small, "p/0/");
        let first = puts.take().0.to_vec();
        assert!(first.starts_with(b"PUT /databases/B/docs?id=p/0/000000001 HTTP/1.1\r\n"));
        assert_ne!(first, puts.take().0);

        let mut again = Requests::put_again("B", Size::Small, "p/0/", 2);
        let texts: Vec<String> = (0..3)
            .map(|_| String::from_utf8(again.take().0.to_vec()).unwrap())
            .collect();
        let line = |text: &String| text.split_once('\r').unwrap().0.to_owned();
        assert!(line(&texts[0]).ends_with("p/0/000000001 HTTP/1.1"));
        assert!(line(&texts[1]).ends_with("p/0/000000000 HTTP/1.1"));
        assert_eq!(line(&texts[0]), line(&texts[2]));
        assert!(texts[2].contains("{\"Number\":\"000000003\",\"Company\""));

        let mut batches = Requests::put_batch("B", Size::Small, "b/0/");
        batches.take();
        let second = String::from_utf8(batches.take().0.to_vec()).unwrap();
        let (_, body) = second.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let commands = body["Commands"].as_array().unwrap();
        assert_eq!(commands.len(), BATCH);
        assert_eq!(commands[0]["Id"], "b/0/000000101");
        assert_eq!(commands[99]["Id"], "b/0/000000200");
    }
}
