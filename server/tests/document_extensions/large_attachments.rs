//! Attachments of any size in bounded memory, both ways, whoever breaks off.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::story::{Sent, Story};

/// 200 MB, or what the variable says; the long run takes 5 GB.
fn byte_count() -> u64 {
    let named = std::env::var("PINYON_ATTACHMENT_BYTES").ok();
    named.map_or(200_000_000, |text| text.parse().unwrap())
}

/// Bytes that do not repeat, the same each time.
struct Pattern {
    state: u64,
    left: u64,
}

impl Pattern {
    fn new(left: u64) -> Self {
        Self { state: 1, left }
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.left.min(buffer.len() as u64 / 8 * 8);
        let count = usize::try_from(count).unwrap();
        for word in buffer[..count].chunks_mut(8) {
            // xorshift
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            word.copy_from_slice(&self.state.to_le_bytes()[..word.len()]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn connect(story: &Story) -> TcpStream {
    TcpStream::connect(story.server().url().strip_prefix("http://").unwrap()).unwrap()
}

fn peak_bytes(story: &Story) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", story.server().id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Reads an answer's head; the rest of the stream is its body.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn memory_stays_small_however_large_the_content() {
    let size = byte_count();
    let story = Story::new(&[]);
    story.put("a", json!({}));
    let path = "/databases/db/attachments?id=a&name=big";
    let mut stream = connect(&story);
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    )
    .unwrap();
    let mut content = Pattern::new(size);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = content.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        stream.write_all(&buffer[..count]).unwrap();
    }
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    drop(stream);
    let after_upload = peak_bytes(&story);
    // Who loads the document does not get the content.
    let document = story.get("docs?id=a").expect(200);
    assert!(document.bytes.len() < 10_000, "{}", document.bytes.len());
    let listed = &document.json()["Results"][0]["@metadata"]["@attachments"];
    assert_eq!(listed[0]["Size"], size);

    let mut stream = connect(&story);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let head = read_head(&mut stream);
    assert!(
        head.contains(&format!("content-length: {size}\r\n")),
        "{head}"
    );
    // The reader stands still until nothing more can be on its way, then goes on.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let (mut expected, mut got) = (Pattern::new(size), 0_u64);
    let mut wanted = vec![0; 1 << 20];
    while got < size {
        let count = expected.read(&mut wanted).unwrap();
        stream.read_exact(&mut buffer[..count]).unwrap();
        assert!(buffer[..count] == wanted[..count], "at {got}");
        got += count as u64;
    }
    assert_eq!(stream.read(&mut buffer).unwrap(), 0, "there is no more");
    let after_download = peak_bytes(&story);
    println!("{size} bytes: at most {after_upload} bytes of memory up, {after_download} down");
    assert!(after_upload < 150_000_000, "{after_upload}");
    assert!(after_download < 150_000_000, "{after_download}");
}

#[test]
fn broken_uploads_leave_nothing() {
    let often = [
        "--loose-content-sweep-interval-s",
        "1",
        "--loose-content-retention-s",
        "0",
    ];
    let mut story = Story::new(&often);
    story.put("a", json!({}));
    let before = story.load("a").unwrap();
    for chunked in [false, true] {
        let mut stream = connect(&story);
        let path = "/databases/db/attachments?id=a&name=big";
        let framing = if chunked {
            "Transfer-Encoding: chunked"
        } else {
            "Content-Length: 90000000"
        };
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
        )
        .unwrap();
        if chunked {
            write!(stream, "{:x}\r\n", 8 << 20).unwrap();
        }
        let mut half = vec![0; 8 << 20];
        Pattern::new(8 << 20).read_exact(&mut half).unwrap();
        stream.write_all(&half).unwrap();
        drop(stream);
    }
    story.wait_until("the sweep of both", |story| {
        story
            .server()
            .log_end()
            .contains("gave back loose contents")
    });
    assert_eq!(story.load("a").unwrap(), before);
    story.get("attachments?id=a&name=big").expect(404);
    // What the next start finds is whole.
    story.restart(&often);
    assert_eq!(story.load("a").unwrap(), before);
    let small = Sent::Bytes(b"whole");
    story
        .send("PUT", "attachments?id=a&name=big", small)
        .expect(201);
    assert_eq!(story.get("attachments?id=a&name=big").bytes, b"whole");
}
