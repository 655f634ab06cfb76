//! The route tree: which endpoint answers a method and path, and running it.
//!
//! Paths are compared without regard to case. One `match` is the whole tree; requests inside a
//! multi_get go through the same two functions as those that come alone.

mod admin;
mod attachments;
pub mod bulk_docs;
mod by_query;
mod cluster;
mod collections;
mod configuration;
mod conflicts;
mod databases;
pub mod docs;
mod expiration;
mod hilo;
mod identity;
mod index_wait;
mod indexes;
mod kindergarten;
mod metrics;
mod multi_get;
mod operations;
mod patches;
mod queries;
mod query_documents;
mod query_stream;
mod revision_work;
mod revisions;
pub mod smuggler;
mod stats;
mod stream_format;
mod streams;
mod studio;
pub mod sync;
mod topology;
mod uploads;
mod validation;
mod version;
mod write_assurance;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use hyper::{HeaderMap, Method};

use crate::http::{Call, Reply};
use crate::multipart;

macro_rules! endpoints {
    ($($endpoint:ident $name:literal,)*) => {
        /// Everything that is served.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Endpoint { $($endpoint,)* }

        impl Endpoint {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$endpoint,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name that figures and logs use.
            pub fn name(self) -> &'static str {
                match self { $(Self::$endpoint => $name,)* }
            }
        }
    };
}

endpoints! {
    GetDocs "GET docs",
    PutDoc "PUT docs",
    BulkDocs "POST bulk_docs",
    PostDocs "POST docs",
    HeadDoc "HEAD docs",
    DeleteDoc "DELETE docs",
    PatchDoc "PATCH docs",
    JsonPatchDoc "PATCH json-patch",
    NextHilo "GET hilo/next",
    ReturnHilo "PUT hilo/return",
    NextIdentity "POST identity/next",
    SeedIdentity "POST identity/seed",
    Identities "GET debug/identities",
    MultiGet "POST multi_get",
    GetQuery "GET queries",
    PostQuery "POST queries",
    PatchByQuery "PATCH queries",
    DeleteByQuery "DELETE queries",
    GetStreamQuery "GET streams/queries",
    PostStreamQuery "POST streams/queries",
    Indexes "GET indexes",
    PutIndexes "PUT indexes",
    DeleteIndex "DELETE indexes",
    ResetIndex "RESET indexes",
    ReplaceIndex "POST indexes/replace",
    IndexStats "GET indexes/stats",
    IndexStatus "GET indexes/status",
    IndexStaleness "GET indexes/staleness",
    IndexPerformance "GET indexes/performance",
    IndexTerms "GET indexes/terms",
    IndexErrors "GET indexes/errors",
    DeleteIndexErrors "DELETE indexes/errors",
    IndexHasChanged "POST indexes/has-changed",
    SetIndexLock "POST indexes/set-lock",
    SetIndexPriority "POST indexes/set-priority",
    EnableIndex "POST admin/indexes/enable",
    DisableIndex "POST admin/indexes/disable",
    StartIndex "POST admin/indexes/start",
    StopIndex "POST admin/indexes/stop",
    Stats "GET stats",
    EssentialStats "GET stats/essential",
    DetailedStats "GET stats/detailed",
    CollectionStats "GET collections/stats",
    DetailedCollectionStats "GET collections/stats/detailed",
    CollectionDocs "GET collections/docs",
    StreamDocs "GET streams/docs",
    NextOperationId "GET operations/next-operation-id",
    OperationState "GET operations/state",
    KillOperation "POST operations/kill",
    GetAttachment "GET attachments",
    PostAttachment "POST attachments",
    PutAttachment "PUT attachments",
    HeadAttachment "HEAD attachments",
    DeleteAttachment "DELETE attachments",
    DeleteAttachments "DELETE attachments/bulk",
    Revisions "GET revisions",
    RevisionCount "GET revisions/count",
    RevisionBin "GET revisions/bin",
    RevisionsConfiguration "GET revisions/config",
    ConfigureRevisions "POST admin/revisions/config",
    EnforceRevisions "POST admin/revisions/config/enforce",
    DeleteRevisions "DELETE admin/revisions",
    AdoptRevisions "POST admin/revisions/orphaned/adopt",
    RevisionBinConfiguration "GET revisions/bin-cleaner/config",
    ConfigureRevisionBin "POST admin/revisions/bin-cleaner/config",
    ConflictRevisionsConfiguration "GET revisions/conflicts/config",
    ConfigureConflictRevisions "POST admin/revisions/conflicts/config",
    RevertDatabase "POST revisions/revert",
    RevertDocuments "POST revisions/revert/docs",
    Export "POST smuggler/export",
    Import "POST smuggler/import",
    ExpirationConfiguration "GET expiration/config",
    ConfigureExpiration "POST admin/expiration/config",
    RefreshConfiguration "GET refresh/config",
    ConfigureRefresh "POST admin/refresh/config",
    ClientConfiguration "GET configuration/client",
    DatabaseRecord "GET admin/record",
    HealthCheck "GET healthcheck",
    Notices "GET notices",
    Sync "GET sync",
    Conflicts "GET replication/conflicts",
    ConfigureConflicts "POST admin/replication/conflicts/solver",
    ValidationConfiguration "GET validation/config",
    ConfigureValidation "POST admin/validation/config",
    Databases "GET databases",
    GetDatabase "GET admin/databases",
    CreateDatabase "PUT admin/databases",
    DeleteDatabase "DELETE admin/databases",
    EnableDatabase "POST admin/databases/enable",
    DisableDatabase "POST admin/databases/disable",
    BuildVersion "GET build/version",
    Topology "GET topology",
    ClusterTopology "GET cluster/topology",
    NodeInfo "GET cluster/node-info",
    Metrics "GET metrics",
    Root "GET /",
    Studio "GET studio",
    Kindergarten "GET kindergarten",
}

impl Endpoint {
    /// Whether reading changes what the next one reads, or begins what does not end.
    pub fn uses_up(self) -> bool {
        matches!(self, Self::NextHilo | Self::NextOperationId | Self::Sync)
    }
}

/// Where a path leads.
pub struct Route<'a> {
    pub endpoint: Endpoint,
    /// The database's name as it stands in the path; empty outside databases.
    pub database: &'a str,
    /// What follows the endpoint's own part of the path.
    pub tail: &'a str,
}

/// The endpoint for a method and path, if there is one.
pub fn find<'a>(method: &Method, path: &'a str) -> Option<Route<'a>> {
    let rest = path.strip_prefix('/')?;
    for (folder, endpoint) in [
        ("studio", Endpoint::Studio),
        ("kindergarten", Endpoint::Kindergarten),
    ] {
        if let Some(tail) = rest.strip_prefix(folder).filter(|tail| is_boundary(tail)) {
            let is_read = matches!(*method, Method::GET | Method::HEAD);
            return is_read.then_some(Route {
                endpoint,
                database: "",
                tail,
            });
        }
    }
    const DATABASES: &str = "databases/";
    let in_database = rest
        .get(..DATABASES.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(DATABASES));
    if !in_database {
        return Some(Route {
            endpoint: find_in_server(method.as_str(), &lower_cased(rest))?,
            database: "",
            tail: "",
        });
    }
    let (database, rest) = rest[DATABASES.len()..].split_once('/')?;
    Some(Route {
        endpoint: find_in_database(method.as_str(), &lower_cased(rest))?,
        database,
        tail: "",
    })
}

fn is_boundary(tail: &str) -> bool {
    tail.is_empty() || tail.starts_with('/')
}

fn lower_cased(path: &str) -> Cow<'_, str> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(path.to_ascii_lowercase())
    } else {
        Cow::Borrowed(path)
    }
}

fn find_in_database(method: &str, path: &str) -> Option<Endpoint> {
    Some(match (method, path) {
        ("GET", "docs") => Endpoint::GetDocs,
        ("PUT", "docs") => Endpoint::PutDoc,
        ("POST", "docs") => Endpoint::PostDocs,
        ("HEAD", "docs") => Endpoint::HeadDoc,
        ("DELETE", "docs") => Endpoint::DeleteDoc,
        ("PATCH", "docs") => Endpoint::PatchDoc,
        ("PATCH", "json-patch") => Endpoint::JsonPatchDoc,
        ("POST", "bulk_docs") => Endpoint::BulkDocs,
        ("GET", "hilo/next") => Endpoint::NextHilo,
        ("PUT", "hilo/return") => Endpoint::ReturnHilo,
        ("POST", "identity/next") => Endpoint::NextIdentity,
        ("POST", "identity/seed") => Endpoint::SeedIdentity,
        ("GET", "debug/identities") => Endpoint::Identities,
        ("POST", "multi_get") => Endpoint::MultiGet,
        (method, "queries") => return find_queries(method),
        ("GET", "streams/queries") => Endpoint::GetStreamQuery,
        ("POST", "streams/queries") => Endpoint::PostStreamQuery,
        (method, path) if path == "indexes" || path.starts_with("indexes/") => {
            return find_indexes(method, path);
        }
        (method, path) if path.starts_with("admin/indexes") => {
            return find_indexes(method, path);
        }
        ("GET", "stats") => Endpoint::Stats,
        ("GET", "stats/essential") => Endpoint::EssentialStats,
        ("GET", "stats/detailed") => Endpoint::DetailedStats,
        ("GET", "collections/stats") => Endpoint::CollectionStats,
        ("GET", "collections/stats/detailed") => Endpoint::DetailedCollectionStats,
        ("GET", "collections/docs") => Endpoint::CollectionDocs,
        ("GET", "streams/docs") => Endpoint::StreamDocs,
        ("GET", "operations/next-operation-id") => Endpoint::NextOperationId,
        ("GET", "operations/state") => Endpoint::OperationState,
        ("POST", "operations/kill") => Endpoint::KillOperation,
        ("GET", "attachments") => Endpoint::GetAttachment,
        ("POST", "attachments") => Endpoint::PostAttachment,
        ("PUT", "attachments") => Endpoint::PutAttachment,
        ("HEAD", "attachments") => Endpoint::HeadAttachment,
        ("DELETE", "attachments") => Endpoint::DeleteAttachment,
        ("DELETE", "attachments/bulk") => Endpoint::DeleteAttachments,
        ("GET", path) if path == "revisions" || path.starts_with("revisions/") => {
            return find_revisions(path);
        }
        ("POST", "admin/revisions/config") => Endpoint::ConfigureRevisions,
        ("POST", "admin/revisions/config/enforce") => Endpoint::EnforceRevisions,
        ("DELETE", "admin/revisions") => Endpoint::DeleteRevisions,
        ("POST", "admin/revisions/orphaned/adopt") => Endpoint::AdoptRevisions,
        ("POST", "admin/revisions/bin-cleaner/config") => Endpoint::ConfigureRevisionBin,
        ("POST", "admin/revisions/conflicts/config") => Endpoint::ConfigureConflictRevisions,
        ("POST", "revisions/revert") => Endpoint::RevertDatabase,
        ("POST", "revisions/revert/docs") => Endpoint::RevertDocuments,
        ("POST", "smuggler/export") => Endpoint::Export,
        ("POST", "smuggler/import") => Endpoint::Import,
        ("GET", "expiration/config") => Endpoint::ExpirationConfiguration,
        ("POST", "admin/expiration/config") => Endpoint::ConfigureExpiration,
        ("GET", "refresh/config") => Endpoint::RefreshConfiguration,
        ("POST", "admin/refresh/config") => Endpoint::ConfigureRefresh,
        ("GET", "configuration/client") => Endpoint::ClientConfiguration,
        ("GET", "admin/record") => Endpoint::DatabaseRecord,
        ("GET", "healthcheck") => Endpoint::HealthCheck,
        ("GET", "notices") => Endpoint::Notices,
        ("GET", "sync") => Endpoint::Sync,
        ("GET", "replication/conflicts") => Endpoint::Conflicts,
        ("POST", "admin/replication/conflicts/solver") => Endpoint::ConfigureConflicts,
        ("GET", "validation/config") => Endpoint::ValidationConfiguration,
        ("POST", "admin/validation/config") => Endpoint::ConfigureValidation,
        _ => return None,
    })
}

fn find_queries(method: &str) -> Option<Endpoint> {
    Some(match method {
        "GET" => Endpoint::GetQuery,
        "POST" => Endpoint::PostQuery,
        "PATCH" => Endpoint::PatchByQuery,
        "DELETE" => Endpoint::DeleteByQuery,
        _ => return None,
    })
}

fn find_indexes(method: &str, path: &str) -> Option<Endpoint> {
    Some(match (method, path) {
        ("GET", "indexes") => Endpoint::Indexes,
        ("PUT", "indexes" | "admin/indexes") => Endpoint::PutIndexes,
        ("DELETE", "indexes") => Endpoint::DeleteIndex,
        ("RESET", "indexes") => Endpoint::ResetIndex,
        ("POST", "indexes/replace") => Endpoint::ReplaceIndex,
        ("GET", "indexes/stats") => Endpoint::IndexStats,
        ("GET", "indexes/status") => Endpoint::IndexStatus,
        ("GET", "indexes/staleness") => Endpoint::IndexStaleness,
        ("GET", "indexes/performance") => Endpoint::IndexPerformance,
        ("GET", "indexes/terms") => Endpoint::IndexTerms,
        ("GET", "indexes/errors") => Endpoint::IndexErrors,
        ("DELETE", "indexes/errors") => Endpoint::DeleteIndexErrors,
        ("POST", "indexes/has-changed") => Endpoint::IndexHasChanged,
        ("POST", "indexes/set-lock") => Endpoint::SetIndexLock,
        ("POST", "indexes/set-priority") => Endpoint::SetIndexPriority,
        ("POST", "admin/indexes/enable") => Endpoint::EnableIndex,
        ("POST", "admin/indexes/disable") => Endpoint::DisableIndex,
        ("POST", "admin/indexes/start") => Endpoint::StartIndex,
        ("POST", "admin/indexes/stop") => Endpoint::StopIndex,
        _ => return None,
    })
}

fn find_revisions(path: &str) -> Option<Endpoint> {
    Some(match path {
        "revisions" => Endpoint::Revisions,
        "revisions/count" => Endpoint::RevisionCount,
        "revisions/bin" => Endpoint::RevisionBin,
        "revisions/config" => Endpoint::RevisionsConfiguration,
        "revisions/bin-cleaner/config" => Endpoint::RevisionBinConfiguration,
        "revisions/conflicts/config" => Endpoint::ConflictRevisionsConfiguration,
        _ => return None,
    })
}

fn find_in_server(method: &str, path: &str) -> Option<Endpoint> {
    Some(match (method, path) {
        ("GET", "databases") => Endpoint::Databases,
        ("GET", "admin/databases") => Endpoint::GetDatabase,
        ("PUT", "admin/databases") => Endpoint::CreateDatabase,
        ("DELETE", "admin/databases") => Endpoint::DeleteDatabase,
        ("POST", "admin/databases/enable") => Endpoint::EnableDatabase,
        ("POST", "admin/databases/disable") => Endpoint::DisableDatabase,
        ("GET", "build/version") => Endpoint::BuildVersion,
        ("GET", "topology") => Endpoint::Topology,
        ("GET", "cluster/topology") => Endpoint::ClusterTopology,
        ("GET", "cluster/node-info") => Endpoint::NodeInfo,
        ("GET", "operations/next-operation-id" | "admin/operations/next-operation-id") => {
            Endpoint::NextOperationId
        }
        ("GET", "operations/state") => Endpoint::OperationState,
        ("POST", "admin/operations/kill" | "operations/kill") => Endpoint::KillOperation,
        ("GET", "configuration/client") => Endpoint::ClientConfiguration,
        ("GET", "metrics") => Endpoint::Metrics,
        ("GET", "") => Endpoint::Root,
        _ => return None,
    })
}

/// Whether the body may be of any size.
pub fn is_long(endpoint: Endpoint, headers: &HeaderMap) -> bool {
    match endpoint {
        Endpoint::PutAttachment | Endpoint::Import => true,
        // A boundary that is missing is complained about later.
        Endpoint::BulkDocs => !matches!(multipart::boundary(headers), Ok(None)),
        _ => false,
    }
}

/// Runs an endpoint.
pub async fn run(endpoint: Endpoint, call: &mut Call<'_>) -> Reply {
    match endpoint {
        Endpoint::GetDocs => docs::read::get(call).await,
        Endpoint::PutDoc => docs::write::put(call).await,
        Endpoint::BulkDocs => bulk_docs::post(call).await,
        // All but the hottest are boxed, so that these stay small.
        other => run_boxed(other, call).await,
    }
}

/// As [`run`], for the rare endpoints and for requests inside a request.
fn run_boxed<'a>(
    endpoint: Endpoint,
    call: &'a mut Call<'_>,
) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>> {
    Box::pin(run_other(endpoint, call))
}

#[expect(clippy::too_many_lines, reason = "a line for each endpoint")]
async fn run_other(endpoint: Endpoint, call: &mut Call<'_>) -> Reply {
    match endpoint {
        Endpoint::GetDocs => docs::read::get(call).await,
        Endpoint::PutDoc => docs::write::put(call).await,
        Endpoint::BulkDocs => bulk_docs::post(call).await,
        Endpoint::PostDocs => docs::read::post(call).await,
        Endpoint::HeadDoc => docs::read::head(call).await,
        Endpoint::DeleteDoc => docs::write::delete(call).await,
        Endpoint::PatchDoc => patches::patch(call).await,
        Endpoint::JsonPatchDoc => patches::json_patch(call).await,
        Endpoint::NextHilo => hilo::next(call).await,
        Endpoint::ReturnHilo => hilo::give_back(call).await,
        Endpoint::NextIdentity => identity::next(call).await,
        Endpoint::SeedIdentity => identity::seed(call).await,
        Endpoint::Identities => identity::list(call).await,
        Endpoint::MultiGet => multi_get::post(call).await,
        Endpoint::GetQuery => queries::ask(call, &Method::GET).await,
        Endpoint::PostQuery => queries::ask(call, &Method::POST).await,
        Endpoint::PatchByQuery => by_query::patch(call).await,
        Endpoint::DeleteByQuery => by_query::delete(call).await,
        Endpoint::GetStreamQuery => query_stream::stream(call, &Method::GET).await,
        Endpoint::PostStreamQuery => query_stream::stream(call, &Method::POST).await,
        Endpoint::Indexes => indexes::get(call).await,
        Endpoint::PutIndexes => indexes::put(call).await,
        Endpoint::DeleteIndex => indexes::delete(call).await,
        Endpoint::ResetIndex => indexes::reset(call).await,
        Endpoint::ReplaceIndex => indexes::replace(call).await,
        Endpoint::IndexStats => indexes::stats(call).await,
        Endpoint::IndexStatus => indexes::list_status(call).await,
        Endpoint::IndexStaleness => indexes::staleness(call).await,
        Endpoint::IndexPerformance => indexes::performance(call).await,
        Endpoint::IndexTerms => indexes::terms(call).await,
        Endpoint::IndexErrors => indexes::errors(call).await,
        Endpoint::DeleteIndexErrors => indexes::clear_errors(call).await,
        Endpoint::IndexHasChanged => indexes::has_changed(call).await,
        Endpoint::SetIndexLock => indexes::set_lock(call).await,
        Endpoint::SetIndexPriority => indexes::set_priority(call).await,
        Endpoint::EnableIndex => indexes::set_disabled(call, false).await,
        Endpoint::DisableIndex => indexes::set_disabled(call, true).await,
        Endpoint::StartIndex => indexes::set_paused(call, false).await,
        Endpoint::StopIndex => indexes::set_paused(call, true).await,
        Endpoint::Stats => stats::full(call).await,
        Endpoint::DetailedStats => stats::detailed(call).await,
        Endpoint::EssentialStats => stats::essential(call).await,
        Endpoint::CollectionStats => collections::stats(call).await,
        Endpoint::DetailedCollectionStats => collections::detailed_stats(call).await,
        Endpoint::CollectionDocs => collections::docs(call).await,
        Endpoint::StreamDocs => streams::docs(call).await,
        Endpoint::NextOperationId => operations::next_id(call).await,
        Endpoint::OperationState => operations::state(call).await,
        Endpoint::KillOperation => operations::kill(call).await,
        Endpoint::GetAttachment => attachments::get(call).await,
        Endpoint::PostAttachment => attachments::post(call).await,
        Endpoint::PutAttachment => attachments::put(call).await,
        Endpoint::HeadAttachment => attachments::head(call).await,
        Endpoint::DeleteAttachment => attachments::delete(call).await,
        Endpoint::DeleteAttachments => attachments::delete_many(call).await,
        Endpoint::Revisions => revisions::get(call).await,
        Endpoint::RevisionCount => revisions::count(call).await,
        Endpoint::RevisionBin => revisions::bin(call).await,
        Endpoint::RevisionsConfiguration => revisions::configuration(call).await,
        Endpoint::ConfigureRevisions => revisions::configure(call).await,
        Endpoint::EnforceRevisions => revision_work::enforce(call).await,
        Endpoint::DeleteRevisions => revision_work::delete(call).await,
        Endpoint::AdoptRevisions => revision_work::adopt(call).await,
        Endpoint::RevisionBinConfiguration => revisions::bin_configuration(call).await,
        Endpoint::ConfigureRevisionBin => revisions::configure_bin(call).await,
        Endpoint::ConflictRevisionsConfiguration => revisions::conflicts_configuration(call).await,
        Endpoint::ConfigureConflictRevisions => revisions::configure_conflicts(call).await,
        Endpoint::RevertDatabase => revision_work::revert(call).await,
        Endpoint::RevertDocuments => revision_work::revert_documents(call).await,
        Endpoint::Export => smuggler::export(call).await,
        Endpoint::Import => smuggler::import(call).await,
        Endpoint::ExpirationConfiguration => expiration::get_expiration(call).await,
        Endpoint::ConfigureExpiration => expiration::configure_expiration(call).await,
        Endpoint::RefreshConfiguration => expiration::get_refresh(call).await,
        Endpoint::ConfigureRefresh => expiration::configure_refresh(call).await,
        Endpoint::ClientConfiguration => configuration::client(call).await,
        Endpoint::DatabaseRecord => admin::record(call).await,
        Endpoint::HealthCheck => databases::health_check(call).await,
        Endpoint::Notices => databases::notices(call).await,
        Endpoint::Sync => sync::get(call),
        Endpoint::Conflicts => conflicts::get(call).await,
        Endpoint::ConfigureConflicts => conflicts::configure(call).await,
        Endpoint::ValidationConfiguration => validation::get(call).await,
        Endpoint::ConfigureValidation => validation::configure(call).await,
        Endpoint::Databases => databases::list(call).await,
        Endpoint::GetDatabase => admin::get(call).await,
        Endpoint::CreateDatabase => admin::create(call).await,
        Endpoint::DeleteDatabase => admin::delete(call).await,
        Endpoint::EnableDatabase => admin::set_disabled(call, false).await,
        Endpoint::DisableDatabase => admin::set_disabled(call, true).await,
        Endpoint::BuildVersion => version::get(call).await,
        Endpoint::Topology => topology::get(call).await,
        Endpoint::ClusterTopology => cluster::topology(call).await,
        Endpoint::NodeInfo => cluster::node_info(call).await,
        Endpoint::Metrics => metrics::get(call).await,
        Endpoint::Root => studio::root(call).await,
        Endpoint::Studio => studio::file(call).await,
        Endpoint::Kindergarten => kindergarten::file(call),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_leads_where_it_should() {
        let find = |path| find(&Method::GET, path).map(|it| (it.endpoint, it.database, it.tail));
        assert_eq!(
            find("/databases/Db/docs"),
            Some((Endpoint::GetDocs, "Db", ""))
        );
        assert_eq!(
            find("/Databases/Db/Docs"),
            Some((Endpoint::GetDocs, "Db", ""))
        );
        assert_eq!(find("/databases"), Some((Endpoint::Databases, "", "")));
        assert_eq!(find("/studio"), Some((Endpoint::Studio, "", "")));
        assert_eq!(find("/studio/a.js"), Some((Endpoint::Studio, "", "/a.js")));
        let token = Some((Endpoint::Kindergarten, "", "/token"));
        assert_eq!(find("/kindergarten/token"), token);
        for nowhere in [
            "",
            "databases",
            "/databases/Db",
            "/databases/Db/docs/",
            "/studios",
            "//",
        ] {
            assert_eq!(find(nowhere), None, "{nowhere}");
        }
    }
}
