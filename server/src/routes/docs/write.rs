//! Writing one document.

use hyper::StatusCode;
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, DeleteDocument, ExpectedVersion, PutDocument,
};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::{Error, ErrorKind, Result};
use serde_json::json;

use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply, as_text, empty, in_place};

/// `PUT docs`.
pub async fn put(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let limits = database.documents.limits();
    let asked = call.query.require("id")?.into_owned();
    let id = IdRequest::parse(&asked, limits.max_id_bytes)?;
    let expected = ExpectedVersion::from_wire(call.if_match()?);
    let body = call.read_body().await?;
    let document = in_place(body.len(), || parse_document(as_text(&body)?, limits));
    let document = document.map_err(|error| match asked.is_empty() {
        true => error,
        false => error.of(&asked),
    })?;
    drop(body);
    let command = BatchCommand::Put(PutDocument {
        id,
        expected,
        document,
    });
    match run(&database, command).await? {
        CommandOutcome::Written(written) => Ok(http::json(
            StatusCode::CREATED,
            &json!({ "Id": written.id, "ChangeVector": written.change_vector }),
        )),
        other => Err(unexpected(&other)),
    }
}

/// `DELETE docs`.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let limits = database.documents.limits();
    let id = call.query.require("id")?.into_owned();
    let command = BatchCommand::Delete(DeleteDocument {
        id: DocumentId::new(id, limits.max_id_bytes)?,
        expected: ExpectedVersion::from_wire(call.if_match()?),
    });
    run(&database, command).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn run(database: &OpenDatabase, command: BatchCommand) -> Result<CommandOutcome> {
    let mut outcomes = database.write(vec![command]).await?;
    outcomes
        .pop()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of one answered nothing"))
}

fn unexpected(outcome: &CommandOutcome) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a put answered with {outcome:?}"),
    )
}
