//! Puts the sample into a server, over the protocol that every client uses.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

use super::{INFO_ID, SampleDocument};

/// Documents in one batch, which the server commits all or nothing.
const BATCH_SIZE: usize = 1_000;
/// What the slowest disk may need for one batch.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
const NOT_FOUND: u16 = 404;

/// What became of an upload.
#[derive(Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// All documents are stored now.
    All,
    /// Someone asked to stop; running again starts over.
    Interrupted,
}

/// A running server.
pub struct Server {
    url: String,
    agent: Agent,
}

impl Server {
    /// The server at `url`, which has no `/` at its end.
    pub fn new(url: String) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_LIMIT))
            .build();
        Self {
            url,
            agent: config.into(),
        }
    }

    /// Whether the server answers.
    pub fn is_ready(&self) -> bool {
        let version = self.agent.get(format!("{}/build/version", self.url)).call();
        version.is_ok_and(|response| response.status().is_success())
    }

    /// Whether a sample was uploaded to its end before. Creates its database if it is missing.
    pub fn has_sample(&self, database: &str) -> Result<bool> {
        if !self.exists("/admin/databases", "name", database)? {
            let request = self.agent.put(format!("{}/admin/databases", self.url));
            let record = json!({ "DatabaseName": database, "Settings": {}, "Disabled": false });
            let response = request
                .query("name", database)
                .query("replicationFactor", "1")
                .send_json(record)?;
            require_success(response, &format!("create the database '{database}'"))?;
        }
        self.exists(&format!("/databases/{database}/docs"), "id", INFO_ID)
    }

    /// Stores `documents` in their order, batch by batch, until all are stored or
    /// `is_interrupted` says so.
    pub fn upload(
        &self,
        database: &str,
        documents: &[SampleDocument],
        is_interrupted: impl Fn() -> bool,
    ) -> Result<Uploaded> {
        // A progress bar shows on terminals only.
        println!(
            "loading {} documents into the database '{database}'",
            documents.len()
        );
        let progress = progress_bar(documents.len() as u64);
        for batch in documents.chunks(BATCH_SIZE) {
            if is_interrupted() {
                progress.abandon();
                return Ok(Uploaded::Interrupted);
            }
            let url = format!("{}/databases/{database}/bulk_docs", self.url);
            let response = self.agent.post(url).send_json(put_all(batch))?;
            require_success(response, "store documents of the sample")?;
            progress.inc(batch.len() as u64);
        }
        progress.finish();
        Ok(Uploaded::All)
    }

    /// Compares what the server counts in each collection with what was uploaded. There may be
    /// more of anything: an upload that was interrupted before may have been added to.
    pub fn require_stored(&self, database: &str, documents: &[SampleDocument]) -> Result<()> {
        let url = format!("{}/databases/{database}/collections/stats", self.url);
        let statistics: Value = self.agent.get(url).call()?.body_mut().read_json()?;
        for (collection, uploaded) in counts_by_collection(documents) {
            let stored = statistics["Collections"][collection].as_u64();
            ensure!(
                stored >= Some(uploaded),
                "uploaded {uploaded} documents of {collection}, the server counts {stored:?}"
            );
        }
        Ok(())
    }

    fn exists(&self, path: &str, parameter: &str, value: &str) -> Result<bool> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let response = request.query(parameter, value).call()?;
        if response.status() == NOT_FOUND {
            return Ok(false);
        }
        require_success(response, &format!("look up '{value}'"))?;
        Ok(true)
    }
}

fn counts_by_collection(documents: &[SampleDocument]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for document in documents {
        let collection = document.content["@metadata"]["@collection"].as_str();
        *counts.entry(collection.unwrap_or_default()).or_default() += 1;
    }
    counts
}

/// The body of a batch that stores `documents` over whatever is there.
fn put_all(documents: &[SampleDocument]) -> Value {
    let commands: Vec<Value> = documents
        .iter()
        .map(|SampleDocument { id, content }| {
            json!({ "Type": "PUT", "Id": id, "ChangeVector": null, "Document": content })
        })
        .collect();
    json!({ "Commands": commands })
}

fn require_success(mut response: Response<ureq::Body>, what: &str) -> Result<()> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let body = response.body_mut().read_to_string();
    let body = body.context("the server's error has no readable body")?;
    bail!("could not {what}: the server answered {status}: {body}")
}

fn progress_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{wide_bar} {human_pos}/{human_len} documents, {per_sec}, {eta} left",
    )
    .expect("the template is well-formed");
    ProgressBar::new(total).with_style(style)
}
