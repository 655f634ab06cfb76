//! One HTTP connection of the load generator: prebuilt requests out, the least parsing in.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUFFER_BYTES: usize = 64 << 10;

/// A connection and what was read beyond the last answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What is known of an answer when its body went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Bytes of the body.
    pub length: usize,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
        })
    }

    /// Sends a request and lets the answer's body go by.
    ///
    /// # Errors
    /// The connection ends or the answer is no HTTP/1.1.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.exchange_parts(&[request]).await
    }

    /// Sends a request in parts, one after the other, and lets the answer's body go by.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn exchange_parts(&mut self, request: &[&[u8]]) -> Result<Answer> {
        for part in request {
            self.stream.write_all(part).await?;
        }
        let (status, framing, head) = self.read_head().await?;
        self.start += head;
        let length = self.read_body(framing, None).await?;
        Ok(Answer { status, length })
    }

    /// Sends a request and keeps the answer: status, head, body.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn exchange_whole(&mut self, request: &[u8]) -> Result<(u16, String, Vec<u8>)> {
        self.stream.write_all(request).await?;
        let (status, framing, head) = self.read_head().await?;
        let bytes = &self.buffer[self.start..self.start + head];
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.start += head;
        let mut body = Vec::new();
        self.read_body(framing, Some(&mut body)).await?;
        Ok((status, text, body))
    }

    async fn read_head(&mut self) -> Result<(u16, Framing, usize)> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = memmem::find(unread, b"\r\n\r\n") {
                let head = &unread[..at + 2];
                let (status, framing) = parse_head(head)?;
                return Ok((status, framing, at + 4));
            }
            self.read_more().await?;
        }
    }

    async fn read_body(
        &mut self,
        framing: Framing,
        mut kept: Option<&mut Vec<u8>>,
    ) -> Result<usize> {
        match framing {
            Framing::Length(length) => {
                self.pass(length, &mut kept).await?;
                Ok(length)
            }
            Framing::Chunked => {
                let mut total = 0;
                loop {
                    let length = self.read_chunk_length().await?;
                    self.pass(length, &mut kept).await?;
                    self.pass(2, &mut None).await?;
                    if length == 0 {
                        return Ok(total);
                    }
                    total += length;
                }
            }
        }
    }

    async fn read_chunk_length(&mut self) -> Result<usize> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = memmem::find(unread, b"\r\n") {
                let text = std::str::from_utf8(&unread[..at]).context("a chunk's length")?;
                let length = usize::from_str_radix(text.trim(), 16)
                    .with_context(|| format!("'{text}' is no chunk's length"))?;
                self.start += at + 2;
                return Ok(length);
            }
            self.read_more().await?;
        }
    }

    /// Takes `length` bytes off the stream.
    async fn pass(&mut self, mut length: usize, kept: &mut Option<&mut Vec<u8>>) -> Result<()> {
        loop {
            let here = length.min(self.end - self.start);
            if let Some(kept) = kept {
                kept.extend_from_slice(&self.buffer[self.start..self.start + here]);
            }
            self.start += here;
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                bail!("the head of an answer is longer than {BUFFER_BYTES} bytes");
            }
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        self.end += read;
        Ok(())
    }
}

/// `head` ends with the line end of its last line.
fn parse_head(head: &[u8]) -> Result<(u16, Framing)> {
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok())
        .with_context(|| format!("no HTTP/1.1 answer: {}", String::from_utf8_lossy(head)))?;
    let mut framing = None;
    let mut rest = head;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let line = &rest[..at];
        rest = &rest[at + 1..];
        if let Some(value) = header(line, b"content-length:") {
            let length = value.parse().context("a Content-Length")?;
            framing = Some(Framing::Length(length));
        } else if let Some(value) = header(line, b"transfer-encoding:")
            && value.eq_ignore_ascii_case("chunked")
        {
            framing = Some(Framing::Chunked);
        }
    }
    match framing {
        // These have no body, and no need to say so.
        None if status == 304 || status == 204 => Ok((status, Framing::Length(0))),
        Some(_) if status == 304 => Ok((status, Framing::Length(0))),
        None => bail!("an answer of unknown length"),
        Some(framing) => Ok((status, framing)),
    }
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (start, value) = line.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    std::str::from_utf8(value).ok().map(str::trim)
}

/// The value of a header in the text of a head.
pub fn find_header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let wanted = format!("{name}:");
    head.lines()
        .find_map(|line| header(line.as_bytes(), wanted.as_bytes()))
}
