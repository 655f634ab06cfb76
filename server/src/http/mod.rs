//! What stands between hyper and an endpoint.

mod arriving_body;
mod body;
mod body_pieces;
pub mod byte_range;
mod call;
mod compression;
mod head;
mod json_object;
mod origin;
mod pieces;
mod query_string;
mod reply;
mod request_body;
mod service;
mod static_file;

pub use body::Body;
pub use body_pieces::BodyPieces;
pub use call::{Call, as_text, in_place};
pub use json_object::JsonObject;
pub use origin::check_origin;
pub use pieces::{JsonPieces, Pieces};
pub use query_string::{QueryString, parse_number, unescape};
pub use reply::{
    Reply, empty, etag_value, json, json_bytes, json_with_etag, not_modified, plain, stream,
};
pub use request_body::RequestBody;
pub use service::serve_request;
pub use static_file::{StaticFile, serve_file};
