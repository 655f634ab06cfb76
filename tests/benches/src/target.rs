//! A server under load: ours, a peer, or bare axum; its databases, and what it is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bare_axum::{SET_ANSWER, STATUS_HEADER};
use crate::connection::{Connection, find_header};
use crate::document::Size;
use crate::process::listener_of;
use crate::workload::{BATCH, Length, PAGE, Requests, Workload, put_commands, request};

/// A server and the process behind it.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the tables show it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose processor time is counted.
    pub process: u32,
}

/// An answer to be given again by bare axum.
#[derive(Debug, Clone)]
pub struct Sample {
    status: u16,
    content_type: Option<String>,
    etag: Option<String>,
    body: Vec<u8>,
}

type Prebuilt = Arc<Vec<(Vec<u8>, Length)>>;

/// The requests that read, with answers that were checked once in full.
#[derive(Debug)]
pub struct ReadRequests {
    prebuilt: BTreeMap<(Size, u8), Prebuilt>,
}

impl Target {
    /// The server at `url`, run by `process` or whoever listens there.
    ///
    /// # Errors
    /// The URL is not of the form `http://127.0.0.1:8080`, or nobody listens there.
    pub fn new(name: &str, url: &str, process: Option<u32>) -> Result<Self> {
        let authority = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} does not begin with http://"))?
            .trim_end_matches('/')
            .replace("localhost", "127.0.0.1");
        let address: SocketAddr = authority
            .parse()
            .with_context(|| format!("{url} is not of the form http://127.0.0.1:8080"))?;
        let process = match process {
            Some(process) => process,
            None => listener_of(address.port())?,
        };
        Ok(Self {
            name: name.to_owned(),
            address,
            process,
        })
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// The server does not answer 201.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let body = json!({ "DatabaseName": name, "Settings": {}, "Disabled": false }).to_string();
        let target = format!("/admin/databases?name={name}&replicationFactor=1");
        self.expect(&request("PUT", &target, None, &body), 201)
            .await
            .map(drop)
    }

    /// Deletes a database and its files.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub async fn delete_database(&self, name: &str) -> Result<()> {
        let body = json!({ "DatabaseNames": [name], "HardDelete": true }).to_string();
        self.expect(&request("DELETE", "/admin/databases", None, &body), 200)
            .await
            .map(drop)
    }

    /// Sends JSON to a path within a database, or nothing.
    ///
    /// # Errors
    /// The server does not answer `status`.
    pub async fn ask(
        &self,
        method: &str,
        database: &str,
        path: &str,
        body: &str,
        status: u16,
    ) -> Result<Value> {
        let target = format!("/databases/{database}/{path}");
        let request = request(method, &target, None, body);
        let answer = self.expect(&request, status).await?;
        serde_json::from_slice(&answer).context("an answer that is no JSON")
    }

    /// How many of a database's documents came with one commit on average; `None` where the server
    /// does not count its commits.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub async fn documents_per_commit(&self, database: &str) -> Result<Option<f64>> {
        let statistics = self.ask("GET", database, "stats", "", 200).await?;
        let count = |name: &str| statistics.get(name)?.as_f64();
        let commits = count("NumberOfCommits").filter(|it| *it > 0.0);
        Ok(commits.and_then(|commits| Some(count("CountOfDocuments")? / commits)))
    }

    async fn expect(&self, bytes: &[u8], status: u16) -> Result<Vec<u8>> {
        let mut connection = Connection::open(self.address).await?;
        let (answered, _, body) = connection.exchange_whole(bytes).await?;
        ensure!(
            answered == status,
            "{} answered {answered} to {}: {}",
            self.name,
            first_line(bytes),
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Stores `count` orders of `size`, in batches.
    ///
    /// # Errors
    /// The server does not answer 201.
    pub async fn fill(&self, database: &str, size: Size, count: usize) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let target = format!("/databases/{database}/bulk_docs");
        for first in (0..count).step_by(BATCH) {
            let ids: Vec<String> = (first..count.min(first + BATCH))
                .map(|number| id(size, number))
                .collect();
            let body = put_commands(&ids, size, first as u64);
            let bytes = request("POST", &target, None, &body);
            let (status, _, body) = connection.exchange_whole(&bytes).await?;
            ensure!(
                status == 201,
                "bulk_docs: {status} {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(())
    }

    /// Builds the requests that read the orders [`Self::fill`] stored, sends each once and checks
    /// its answer in full.
    ///
    /// # Errors
    /// An answer is not what was asked for.
    pub async fn learn(&self, database: &str, counts: &[(Size, usize)]) -> Result<ReadRequests> {
        let mut prebuilt = BTreeMap::new();
        let mut connection = Connection::open(self.address).await?;
        for (size, count) in counts {
            let docs = format!("/databases/{database}/docs");
            let mut gets = Vec::new();
            let mut unchanged = Vec::new();
            for number in 0..*count {
                let id = id(*size, number);
                let target = format!("{docs}?id={id}");
                let get = request("GET", &target, None, "");
                let (length, tag) = learn_one(&mut connection, &get, 200, &[&id]).await?;
                let tag = tag.with_context(|| format!("GET {target} answered no ETag"))?;
                gets.push((get, length));
                let again = request("GET", &target, Some(&tag), "");
                let (length, _) = learn_one(&mut connection, &again, 304, &[]).await?;
                unchanged.push((again, length));
            }
            let mut random = fastrand::Rng::with_seed(*count as u64);
            let mut loads = Vec::new();
            for _ in 0..64 {
                let numbers = random.choose_multiple(0..*count, BATCH);
                let ids: Vec<String> = numbers.into_iter().map(|n| self::id(*size, n)).collect();
                let body = json!({ "Ids": ids }).to_string();
                let load = request("POST", &docs, None, &body);
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                let (length, _) = learn_one(&mut connection, &load, 200, &ids).await?;
                loads.push((load, length));
            }
            let mut pages = Vec::new();
            for first in (0..*count).step_by(100) {
                let ids: Vec<String> = (first..first + PAGE).map(|n| self::id(*size, n)).collect();
                let prefix = &ids[0][..ids[0].len() - 2];
                let target = format!("{docs}?startsWith={prefix}&start=0&pageSize={PAGE}");
                let page = request("GET", &target, None, "");
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                let (length, _) = learn_one(&mut connection, &page, 200, &ids).await?;
                pages.push((page, length));
            }
            let all = [
                (Workload::GetOne, gets),
                (Workload::GetUnchanged, unchanged),
                (Workload::Load, loads),
                (Workload::PrefixPage, pages),
            ];
            for (workload, requests) in all {
                prebuilt.insert((*size, workload as u8), Arc::new(requests));
            }
        }
        Ok(ReadRequests { prebuilt })
    }

    /// The answer to the next of `requests`, for bare axum to repeat.
    ///
    /// # Errors
    /// The status is not that of the workload.
    pub async fn sample(&self, workload: Workload, mut requests: Requests) -> Result<Sample> {
        let mut connection = Connection::open(self.address).await?;
        let (bytes, _) = requests.take();
        let (status, head, body) = connection.exchange_whole(bytes).await?;
        if status != workload.status() {
            bail!("{} was answered {status}", first_line(bytes));
        }
        let header = |name| find_header(&head, name).map(str::to_owned);
        Ok(Sample {
            status,
            content_type: header("content-type"),
            etag: header("etag"),
            body,
        })
    }

    /// Makes bare axum answer with `sample` from now on.
    ///
    /// # Errors
    /// It refuses.
    pub async fn answer_with(&self, sample: &Sample) -> Result<()> {
        let mut head = format!(
            "PUT {SET_ANSWER} HTTP/1.1\r\nHost: 127.0.0.1\r\n{STATUS_HEADER}: {}\r\nContent-Length: {}\r\n",
            sample.status,
            sample.body.len()
        );
        let headers = [
            ("Content-Type", &sample.content_type),
            ("ETag", &sample.etag),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&sample.body);
        self.expect(&bytes, 204).await.map(drop)
    }
}

impl Sample {
    /// The same requests, each to be answered with this sample.
    pub fn expect_from(&self, requests: Requests) -> Requests {
        let right = Length::Exactly(self.body.len());
        match requests {
            Requests::Fixed { all, random } => {
                let all = all
                    .iter()
                    .map(|(bytes, _)| (bytes.clone(), right))
                    .collect();
                Requests::Fixed {
                    all: Arc::new(all),
                    random,
                }
            }
            Requests::Counted {
                request,
                digits,
                number,
                ..
            } => Requests::Counted {
                request,
                digits,
                number,
                length: right,
            },
            Requests::Cycled {
                request,
                id,
                text,
                number,
                documents,
                ..
            } => Requests::Cycled {
                request,
                id,
                text,
                number,
                documents,
                length: right,
            },
        }
    }
}

impl ReadRequests {
    /// A source of requests for one connection.
    pub fn source(&self, workload: Workload, size: Size, seed: u64) -> Option<Requests> {
        let all = self.prebuilt.get(&(size, workload as u8))?;
        Some(Requests::Fixed {
            all: Arc::clone(all),
            random: fastrand::Rng::with_seed(seed),
        })
    }
}

fn id(size: Size, number: usize) -> String {
    match size {
        Size::Small => format!("orders/small/{number:08}"),
        Size::Large => format!("orders/large/{number:08}"),
    }
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or(bytes);
    String::from_utf8_lossy(line).into_owned()
}

/// Sends a request, checks that it answers with exactly the documents `ids`, and notes how long
/// the answer is and its ETag.
async fn learn_one(
    connection: &mut Connection,
    bytes: &[u8],
    right: u16,
    ids: &[&str],
) -> Result<(Length, Option<String>)> {
    let (status, head, body) = connection.exchange_whole(bytes).await?;
    ensure!(
        status == right,
        "{} was answered {status}, not {right}: {}",
        first_line(bytes),
        String::from_utf8_lossy(&body)
    );
    let mut found = Vec::new();
    let parsed: Value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).context("an answer that is no JSON")?
    };
    for document in parsed["Results"].as_array().into_iter().flatten() {
        ensure!(document["Company"].is_string(), "not an order: {document}");
        found.push(document["@metadata"]["@id"].as_str().unwrap_or_default());
    }
    ensure!(
        found == ids,
        "{} was answered with {found:?}, right is {ids:?}",
        first_line(bytes)
    );
    let tag = find_header(&head, "etag").map(str::to_owned);
    Ok((Length::Exactly(body.len()), tag))
}
