//! Errors on the wire: one table from kind to status and RavenDB exception type.

use std::error::Error as StdError;
use std::fmt;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use pinyon_core::conflicts::ConflictDetails;
use pinyon_core::host::{ScriptFailure, ScriptFailureKind};
use pinyon_core::indexes::{IndexInError, IndexRefusal};
use pinyon_core::query::rql::SyntaxError;
use pinyon_core::{ConcurrencyViolation, Error, ErrorKind};
use serde_json::{Map, Value};

use crate::http::{Body, json};

/// A status and exception type that say more than the kind of the error does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireForm {
    status: StatusCode,
    exception: &'static str,
}

impl fmt::Display for WireForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.exception)
    }
}

impl StdError for WireForm {}

/// The table. Clients raise the exception whose name is the type's last part.
fn wire_form(kind: ErrorKind) -> WireForm {
    let (status, exception) = match kind {
        ErrorKind::NotFound => (404, "Raven.Client.Exceptions.RavenException"),
        ErrorKind::ConcurrencyConflict => (409, "Raven.Client.Exceptions.ConcurrencyException"),
        ErrorKind::DocumentConflict => (
            409,
            "Raven.Client.Exceptions.Documents.DocumentConflictException",
        ),
        ErrorKind::InvalidRequest => (400, "Raven.Client.Exceptions.BadRequestException"),
        ErrorKind::LimitExceeded => (413, "Raven.Client.Exceptions.BadRequestException"),
        ErrorKind::Unsupported => (501, "System.NotSupportedException"),
        ErrorKind::Unauthorized => (
            403,
            "Raven.Client.Exceptions.Security.AuthorizationException",
        ),
        ErrorKind::Unavailable => (503, "Raven.Client.Exceptions.RavenException"),
        ErrorKind::NotLocal => (503, "Raven.Client.Exceptions.RavenException"),
        ErrorKind::TimedOut => (408, "System.TimeoutException"),
        ErrorKind::StorageFull => (507, "System.IO.IOException"),
        ErrorKind::Corrupted => (500, "System.IO.InvalidDataException"),
        ErrorKind::Closed => (
            503,
            "Raven.Client.Exceptions.Database.DatabaseLoadFailureException",
        ),
        // The kinds may grow; what has no row yet is a defect worth a report.
        _ => (500, "Raven.Client.Exceptions.RavenException"),
    };
    WireForm {
        status: StatusCode::from_u16(status).expect("the table holds valid statuses"),
        exception,
    }
}

/// Nothing is served under this path and method.
pub fn route_not_found(method: &str, path: &str) -> Error {
    let mut message = format!("Nothing answers {method} {path}");
    if path.ends_with("/admin/sorters") || path.ends_with("/admin/analyzers") {
        message.push_str(": sorters and analyzers of one's own are not supported");
    }
    Error::new(ErrorKind::NotFound, message).with_source(WireForm {
        status: StatusCode::BAD_REQUEST,
        exception: "Raven.Client.Exceptions.Routing.RouteNotFoundException",
    })
}

/// Something is served under this path, but not for this method.
pub fn method_not_allowed(method: &str, path: &str, allowed: &str) -> Error {
    let message = format!("Nothing answers {method} {path}; it answers {allowed}");
    Error::new(ErrorKind::NotFound, message).with_source(WireForm {
        status: StatusCode::METHOD_NOT_ALLOWED,
        exception: "Raven.Client.Exceptions.Routing.RouteNotFoundException",
    })
}

/// A write that needs a document or attachment which does not exist. Clients take 404 for an empty
/// answer, not for a failure, so it is none.
pub fn missing_in_write(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound || error.details::<WireForm>().is_some() {
        return error;
    }
    Error::new(ErrorKind::NotFound, error.message()).with_source(WireForm {
        status: StatusCode::BAD_REQUEST,
        exception: "Raven.Client.Exceptions.Documents.DocumentDoesNotExistException",
    })
}

/// A query whose text is wrong.
pub fn invalid_query(error: &Error) -> Error {
    Error::new(error.kind(), error.message()).with_source(WireForm {
        status: StatusCode::BAD_REQUEST,
        exception: "Raven.Client.Exceptions.InvalidQueryException",
    })
}

/// A definition of an index that cannot be compiled.
pub fn index_compilation(error: &Error) -> Error {
    Error::new(error.kind(), error.message()).with_source(WireForm {
        status: StatusCode::BAD_REQUEST,
        exception: "Raven.Client.Exceptions.Documents.Compilation.IndexCompilationException",
    })
}

/// There is no such index.
pub fn index_does_not_exist(error: &Error) -> Error {
    Error::new(error.kind(), error.message()).with_source(WireForm {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        exception: "Raven.Client.Exceptions.Documents.Indexes.IndexDoesNotExistException",
    })
}

/// A change by a query whose index has not caught up.
pub fn stale_index(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, message).with_source(WireForm {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        exception: "System.InvalidOperationException",
    })
}

const DATABASE_MISSING: &str = "Raven.Client.Exceptions.Database.DatabaseDoesNotExistException";

/// There is no such database.
pub fn database_does_not_exist(name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("There is no database '{name}'"),
    )
    .with_source(WireForm {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        exception: DATABASE_MISSING,
    })
}

/// Whether this is a [`database_does_not_exist`], and not something else that was not found.
pub fn is_database_missing(error: &Error) -> bool {
    let form = error.details::<WireForm>();
    form.is_some_and(|form| form.exception == DATABASE_MISSING)
}

const DATABASE_DISABLED: &str = "Raven.Client.Exceptions.Database.DatabaseDisabledException";

/// There is a database, but it is disabled.
pub fn database_disabled(name: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("The database '{name}' is disabled"),
    )
    .with_source(WireForm {
        status: StatusCode::SERVICE_UNAVAILABLE,
        exception: DATABASE_DISABLED,
    })
}

/// Whether this is a [`database_disabled`]: somebody's decision, and no trouble of the server's.
pub fn is_database_disabled(error: &Error) -> bool {
    let form = error.details::<WireForm>();
    form.is_some_and(|form| form.exception == DATABASE_DISABLED)
}

/// The status an error is sent with.
pub fn status(error: &Error) -> StatusCode {
    form_of(error).status
}

/// A script that is to blame has exceptions of its own, and so has a query that cannot be read or
/// an index that failed.
fn form_of_cause(error: &Error) -> Option<WireForm> {
    if error.details::<SyntaxError>().is_some() {
        return Some(WireForm {
            status: StatusCode::BAD_REQUEST,
            exception: "Raven.Client.Exceptions.InvalidQueryException",
        });
    }
    if error.details::<IndexInError>().is_some() {
        // Clients take 503 for a node that is down, and would ask the next one.
        return Some(WireForm {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            exception: "System.InvalidOperationException",
        });
    }
    if let Some(refusal) = error.details::<IndexRefusal>() {
        return Some(WireForm {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            exception: match refusal {
                IndexRefusal::UnknownField => "System.ArgumentException",
                IndexRefusal::Locked | IndexRefusal::NothingToCompare => {
                    "System.InvalidOperationException"
                }
            },
        });
    }
    let failure = error.details::<ScriptFailure>()?;
    Some(WireForm {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        exception: match failure.kind {
            ScriptFailureKind::Syntax => {
                "Raven.Client.Exceptions.Documents.Patching.JavaScriptParseException"
            }
            _ => "Raven.Client.Exceptions.Documents.Patching.JavaScriptException",
        },
    })
}

fn form_of(error: &Error) -> WireForm {
    error
        .details::<WireForm>()
        .copied()
        .or_else(|| form_of_cause(error))
        .unwrap_or_else(|| wire_form(error.kind()))
}

/// The response for an error, with RavenDB's body.
pub fn to_response(error: &Error, uri: &Uri) -> Response<Body> {
    let url = uri.path_and_query().map_or("/", |it| it.as_str());
    let form = form_of(error);
    let mut response = json(form.status, &to_body(error, url));
    if form.status == StatusCode::REQUEST_TIMEOUT || form.status == StatusCode::PAYLOAD_TOO_LARGE {
        // What is left of the body is not worth reading.
        let close = HeaderValue::from_static("close");
        response
            .headers_mut()
            .insert(HeaderName::from_static("connection"), close);
    }
    response
}

/// RavenDB's body for an error.
pub fn to_body(error: &Error, url: &str) -> Map<String, Value> {
    let exception = form_of(error).exception;
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("Url", url.into());
    set("Type", exception.into());
    set("Message", error.message().into());
    set("Error", format!("{exception}: {}", error.message()).into());
    if error.kind() == ErrorKind::ConcurrencyConflict {
        let violation = error.details::<ConcurrencyViolation>();
        set("Id", violation.map(|it| it.id.as_str()).into());
        set(
            "ExpectedChangeVector",
            violation.map(|it| it.expected.as_str()).into(),
        );
        set(
            "ActualChangeVector",
            violation.and_then(|it| it.actual.as_deref()).into(),
        );
    }
    if let Some(conflict) = error.details::<ConflictDetails>() {
        set("DocId", conflict.id.as_str().into());
        set("LargestEtag", conflict.largest_etag.into());
    }
    body
}
