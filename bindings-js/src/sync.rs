//! One connection to a server, without its socket: frames in, frames out.
//!
//! The methods of a session are called one after the other; whoever owns the socket sees to it.

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use pinyon_core::Error;
use pinyon_core::attachments::{hash_text, parse_hash};
use pinyon_core::replication::RefusalCode;
use pinyon_core::replication::edge::{
    AttachmentFetch, EdgeEvent, EdgeOptions, EdgePhase, EdgeSession,
};
use pinyon_storage_browser::BrowserStore;
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{self, JsResult, to_js};

/// What is asked of the server.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Options {
    token: String,
    prefixes: Vec<String>,
    collections: Vec<String>,
    on_demand: bool,
}

/// One connection's session; what fails is thrown away, and the next begins from what is stored.
#[wasm_bindgen]
pub struct SyncSession {
    session: EdgeSession<BrowserStore>,
    greeting: Vec<Bytes>,
}

/// A round that was begun, and the frames to send for it.
#[wasm_bindgen(getter_with_clone)]
pub struct SyncRound {
    /// Its number.
    pub number: f64,
    /// What to send.
    pub frames: Array,
}

fn to_array(frames: &[Bytes]) -> Array {
    frames
        .iter()
        .map(|frame| Uint8Array::from(&frame[..]))
        .collect()
}

fn code(refused: RefusalCode) -> &'static str {
    match refused {
        RefusalCode::Protocol => "Unsupported",
        RefusalCode::Unauthorized => "Unauthorized",
        RefusalCode::Misbehaved => "InvalidRequest",
        RefusalCode::LimitExceeded => "LimitExceeded",
        RefusalCode::Unavailable => "Unavailable",
        RefusalCode::NotFound => "NotFound",
    }
}

fn event_json(event: EdgeEvent) -> Value {
    match event {
        EdgeEvent::Received { ids } => json!({ "type": "received", "ids": ids }),
        EdgeEvent::Refused { id, refusal } => json!({
            "type": "refused",
            "id": id,
            "code": refusal.code,
            "reason": refusal.reason,
        }),
        EdgeEvent::CaughtUp => json!({ "type": "caught-up" }),
        EdgeEvent::Renewed => json!({ "type": "renewed" }),
        EdgeEvent::Resynced => json!({ "type": "resynced" }),
        EdgeEvent::Fetched { hash } => json!({ "type": "fetched", "hash": hash_text(&hash) }),
        EdgeEvent::NotFetched {
            id,
            hash,
            kind,
            reason,
        } => json!({
            "type": "not-fetched",
            "id": id,
            "hash": hash_text(&hash),
            "code": error::code(kind),
            "reason": reason,
        }),
        EdgeEvent::Closed {
            code: refused,
            reason,
        } => json!({
            "type": "closed",
            "code": code(refused),
            "reason": reason,
        }),
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl SyncSession {
    /// What to send first.
    #[wasm_bindgen(js_name = takeGreeting)]
    pub fn take_greeting(&mut self) -> Array {
        to_array(&std::mem::take(&mut self.greeting))
    }

    /// Follows a frame of the server; answers the frames to send.
    #[wasm_bindgen(js_name = onFrame)]
    pub async fn on_frame(&mut self, frame: Vec<u8>) -> JsResult<Array> {
        let frames = self.session.on_frame(&frame).await.map_err(to_js)?;
        Ok(to_array(&frames))
    }

    /// Something was written here; answers the frames to send.
    #[wasm_bindgen(js_name = onLocalWrite)]
    pub async fn on_local_write(&mut self) -> JsResult<Array> {
        let frames = self.session.on_local_write().await.map_err(to_js)?;
        Ok(to_array(&frames))
    }

    /// Time passed; answers the frames to send.
    #[wasm_bindgen(js_name = onTick)]
    pub async fn on_tick(&mut self) -> JsResult<Array> {
        let frames = self.session.on_tick().await.map_err(to_js)?;
        Ok(to_array(&frames))
    }

    /// Offers refused writes again; answers the frames to send.
    #[wasm_bindgen(js_name = retryRefused)]
    pub async fn retry_refused(&mut self) -> JsResult<Array> {
        let frames = self.session.retry_refused().await.map_err(to_js)?;
        Ok(to_array(&frames))
    }

    /// Begins a round, which finds out that everything the server has now is here: its number, which
    /// `roundsDone` of the status reaches then.
    #[wasm_bindgen(js_name = beginRound)]
    pub fn begin_round(&mut self) -> SyncRound {
        let (number, frames) = self.session.begin_round();
        #[expect(clippy::cast_precision_loss, reason = "rounds of one connection")]
        let number = number as f64;
        SyncRound {
            number,
            frames: to_array(&frames),
        }
    }

    /// Asks for a content that was left on the server, as one of a document; answers the frames to
    /// send. An event tells what came of it.
    #[wasm_bindgen(js_name = fetchContent)]
    pub async fn fetch_content(&mut self, id: String, hash: String) -> JsResult<Array> {
        let hash = parse_hash(&hash).map_err(to_js)?;
        Ok(to_array(&self.session.fetch_content(&id, hash).await))
    }

    /// The frame that shows the server a new token.
    #[wasm_bindgen(js_name = renewToken)]
    pub fn renew_token(&mut self, token: String) -> Uint8Array {
        Uint8Array::from(&self.session.renew_token(token)[..])
    }

    /// How things stand: JSON.
    pub fn status(&self) -> String {
        let status = self.session.status();
        let phase = match status.phase {
            EdgePhase::Connecting => "connecting",
            EdgePhase::CatchingUp => "catching-up",
            EdgePhase::Live => "live",
            EdgePhase::Refused => "error",
        };
        json!({
            "phase": phase,
            "received": status.received,
            "remaining": status.remaining,
            "sent": status.sent,
            "waiting": status.waiting,
            "roundsDone": status.rounds,
        })
        .to_string()
    }

    /// What happened since the last call: JSON.
    #[wasm_bindgen(js_name = takeEvents)]
    pub fn take_events(&mut self) -> String {
        let events = self.session.take_events().into_iter();
        Value::Array(events.map(event_json).collect()).to_string()
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// From here on, what is written waits to be brought to a server; so does what is there.
    #[wasm_bindgen(js_name = becomeEdge)]
    pub async fn become_edge(&self) -> JsResult<()> {
        self.database.become_edge().await.map_err(to_js)
    }

    /// Begins a session with a server; `options` is JSON.
    #[wasm_bindgen(js_name = beginSync)]
    pub async fn begin_sync(&self, options: String) -> JsResult<SyncSession> {
        let beginning = async {
            let options: Options = serde_json::from_str(&options)
                .map_err(|reason| Error::invalid(format!("the options do not fit: {reason}")))?;
            let options = EdgeOptions {
                token: options.token,
                prefixes: options.prefixes,
                collections: options.collections,
                attachments: match options.on_demand {
                    true => AttachmentFetch::OnDemand,
                    false => AttachmentFetch::WithDocuments,
                },
            };
            EdgeSession::begin(self.database.clone(), options).await
        };
        let (session, greeting) = beginning.await.map_err(to_js)?;
        Ok(SyncSession { session, greeting })
    }

    /// Writes that no server is known to have, oldest first, at most `limit`: JSON.
    #[wasm_bindgen(js_name = pendingDocuments)]
    pub async fn pending_documents(&self, limit: usize) -> JsResult<String> {
        let found = async {
            let read = self.database.read().await?;
            read.pending_documents(0, limit).await
        };
        let pending = found.await.map_err(to_js)?.into_iter().map(|it| {
            json!({
                "id": it.id,
                "isDeletion": it.is_deletion,
                "refusal": it.refusal.map(|it| json!({ "code": it.code, "reason": it.reason })),
            })
        });
        Ok(Value::Array(pending.collect()).to_string())
    }

    /// Offers refused writes again, with the next session or push.
    #[wasm_bindgen(js_name = retryRefused)]
    pub async fn retry_refused(&self) -> JsResult<()> {
        self.database.retry_refused().await.map_err(to_js)
    }

    /// Gives up what is pending of a document: it becomes what the server has.
    #[wasm_bindgen(js_name = discardPending)]
    pub async fn discard_pending(&self, id: String) -> JsResult<()> {
        self.database.discard_pending(&id).await.map_err(to_js)
    }
}
