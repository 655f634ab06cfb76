//! `cluster`: a cluster of one node.

use hyper::StatusCode;
use serde_json::json;

use crate::http::{self, Call, Reply};

/// `GET cluster/topology`.
pub async fn topology(call: &mut Call<'_>) -> Reply {
    let databases = &call.server.databases;
    let (_, topology_id, _) = databases.cluster().await;
    let (tag, url) = (databases.node_tag(), call.base_url());
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "@metadata": {
                "DateTime": call.server.host.clock.now().to_text(),
                "WebUrl": url,
                "NodeTag": tag,
            },
            "Topology": {
                "TopologyId": topology_id,
                "AllNodes": { tag: url },
                "Members": { tag: url },
                "Promotables": {},
                "Watchers": {},
                "LastNodeId": tag,
                "Etag": 1,
            },
            "Etag": 1,
            "Leader": tag,
            "CurrentState": "Leader",
            "NodeTag": tag,
            "ServerRole": "Member",
            "CurrentTerm": 1,
            "Status": {},
        }),
    ))
}

/// `GET cluster/node-info`.
pub async fn node_info(call: &mut Call<'_>) -> Reply {
    let databases = &call.server.databases;
    let (server_id, topology_id, _) = databases.cluster().await;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "NodeTag": databases.node_tag(),
            "TopologyId": topology_id,
            "ServerId": server_id,
            "Certificate": null,
            "ClusterStatus": "The only node of its cluster",
            "NumberOfCores": cores,
            "CurrentState": "Leader",
            "ServerRole": "Member",
            "HasFixedPort": true,
            "ServerSchemaVersion": 72000,
        }),
    ))
}
