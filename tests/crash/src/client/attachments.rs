//! Attachments: alone, in a batch with documents, read back, and broken off on their way.

use std::io::Write;
use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{ANSWER_LIMIT, Answer, Client, DATABASE};
use crate::content::{Attached, CONTENT_TYPE};

const FORM: &str = "multipart/form-data; boundary=line";

/// An attachment that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// What its bytes are.
    pub attached: Attached,
    /// The hash that was answered with them.
    pub hash: Option<String>,
}

impl Client {
    /// Gives a document an attachment.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn put_attachment(&self, id: &str, name: &str, bytes: &[u8]) -> Result<Answer> {
        let request = self.request("PUT", &attachment(id, name));
        let request = request.header("Content-Type", CONTENT_TYPE);
        self.run(request.body(bytes)?)
    }

    /// Takes an attachment from a document.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn delete_attachment(&self, id: &str, name: &str) -> Result<Answer> {
        self.send("DELETE", &attachment(id, name), None, "")
    }

    /// Sends a batch with the contents of the attachments it puts, in their order.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn bulk_with(&self, commands: &[Value], contents: &[Vec<u8>]) -> Result<Answer> {
        if contents.is_empty() {
            return self.bulk(commands);
        }
        let path = format!("/databases/{DATABASE}/bulk_docs");
        let request = self.request("POST", &path).header("Content-Type", FORM);
        self.run(request.body(&form(commands, contents)[..])?)
    }

    /// Reads an attachment; `None` if there is none.
    ///
    /// # Errors
    /// No whole answer came, or one of another status than 200 or 404.
    pub fn read_attachment(&self, id: &str, name: &str) -> Result<Option<Downloaded>> {
        let path = attachment(id, name);
        let request = self.request("GET", &path).body(())?;
        let mut response = self
            .agent
            .run(request)
            .with_context(|| format!("GET {path}"))?;
        let bytes = response.body_mut().with_config().limit(1 << 30);
        let bytes = bytes
            .read_to_vec()
            .with_context(|| format!("read the answer to GET {path}"))?;
        let hash = response.headers().get("Attachment-Hash");
        match response.status().as_u16() {
            200 => Ok(Some(Downloaded {
                attached: Attached::of(&bytes),
                hash: hash.and_then(|it| it.to_str().ok()).map(str::to_owned),
            })),
            404 => Ok(None),
            status => anyhow::bail!(
                "GET {path} answered {status}: {:.200}",
                String::from_utf8_lossy(&bytes)
            ),
        }
    }

    /// Sends the beginning of an attachment of `length` bytes and hangs up.
    ///
    /// # Errors
    /// The server does not take what is sent.
    pub fn abandon_attachment(
        &self,
        id: &str,
        name: &str,
        length: usize,
        sent: &[u8],
    ) -> Result<()> {
        let target = format!("PUT {}", attachment(id, name));
        self.abandon(&target, CONTENT_TYPE, length, sent)
    }

    /// Sends the first `sent` bytes of a batch and hangs up.
    ///
    /// # Errors
    /// The server does not take what is sent.
    pub fn abandon_bulk(&self, form: &[u8], sent: usize) -> Result<()> {
        let target = format!("POST /databases/{DATABASE}/bulk_docs");
        self.abandon(&target, FORM, form.len(), &form[..sent])
    }

    fn abandon(&self, target: &str, content_type: &str, length: usize, sent: &[u8]) -> Result<()> {
        let address = self.server.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let head = format!(
            "{target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(sent)?;
        Ok(())
    }
}

fn attachment(id: &str, name: &str) -> String {
    format!("/databases/{DATABASE}/attachments?id={id}&name={name}&contentType={CONTENT_TYPE}")
}

/// A batch and the contents of its attachments, as the body of one request.
pub fn form(commands: &[Value], contents: &[Vec<u8>]) -> Vec<u8> {
    let main = json!({ "Commands": commands });
    let mut body =
        format!("--line\r\nContent-Disposition: form-data; name=\"main\"\r\n\r\n{main}\r\n")
            .into_bytes();
    for (index, content) in contents.iter().enumerate() {
        let head = format!(
            "--line\r\nContent-Disposition: form-data; name=\"attachment_{index}\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--line--\r\n");
    body
}
