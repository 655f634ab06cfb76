//! The server: databases in files behind RavenDB's client protocol over HTTP/1.1.
//!
//! - `routes` mirrors the URL tree; one function finds the endpoint, one runs it;
//! - `http` is what stands between hyper and an endpoint: bodies, query strings, compression;
//! - `databases` keeps the records of databases and opens and closes them;
//! - an algorithm belongs in core; here are sockets, URLs and status codes.

pub mod cli;
pub mod config;
pub mod databases;
pub mod request_text;

mod decompression;
mod http;
mod http_error;
mod kindergarten;
mod listener;
mod metrics;
mod multipart;
mod open_files;
mod operations;
mod routes;
mod scripts;
mod server;
mod sync;
mod telemetry;
mod watched_io;
