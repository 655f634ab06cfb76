//! One edge's connection: frames between its socket and the core's session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_tungstenite::WebSocketStream;
use hyper_tungstenite::tungstenite::Message as Frame;
use hyper_tungstenite::tungstenite::protocol::CloseFrame;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use hyper_util::rt::TokioIo;
use pinyon_core::replication::hub::{Authorize, Grants, HubOptions, HubSession};
use pinyon_core::replication::{Message, RefusalCode};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeStore;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{ConnectionPermit, FirstBytes, ReadAllowance, SyncKeys, SyncLimits};
use crate::databases::OpenDatabase;
use crate::http_error::{is_database_disabled, is_database_missing};
use crate::server::Server;

/// The WebSocket of an edge.
pub type Socket = WebSocketStream<FirstBytes<TokioIo<Upgraded>>>;

/// What a connection's token allowed last.
struct Bearer {
    server: Arc<Server>,
    database: String,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Seconds since 1970; `None` where nobody asks for tokens.
    expires_s: Option<u64>,
    permit: Option<ConnectionPermit>,
    user: Option<String>,
}

impl Bearer {
    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, current: &mut Current, user: &str) -> Result<()> {
        if current.user.as_deref() == Some(user) {
            return Ok(());
        }
        if current.user.is_some() {
            let what = "the token is somebody else's; connect again";
            return Err(Error::new(ErrorKind::Unauthorized, what));
        }
        let config = &self.server.config;
        let limits = SyncLimits {
            max_connections: config.max_sync_connections,
            max_connections_of_user: config.max_sync_connections_of_user,
            max_writes_per_s: config.max_sync_writes_per_s,
        };
        let permit = self.server.sync_connections.enter(user, limits)?;
        current.permit = Some(permit);
        current.user = Some(user.to_owned());
        Ok(())
    }

    fn check(&self, keys: &SyncKeys, token: &str) -> Result<Grants> {
        let claims = keys.check(token)?;
        if !claims.names(&self.database) {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("the token is not for the database '{}'", self.database),
            ));
        }
        let mut current = self.current();
        self.enter(&mut current, &claims.sub)?;
        current.expires_s = Some(claims.exp);
        claims.grants()
    }
}

impl Authorize for Bearer {
    fn authorize(&self, token: &str) -> Result<Grants> {
        match &self.server.sync_keys {
            Some(keys) => self.check(keys, token),
            // As everything else on this port: whoever reaches it may do it.
            None => {
                self.enter(&mut self.current(), "")?;
                Ok(Grants::everything())
            }
        }
    }
}

/// Serves a connection until it ends.
pub async fn serve(
    server: Arc<Server>,
    database: String,
    socket: Socket,
    allowance: ReadAllowance,
) {
    let mut connection = match Connection::begin(&server, database, socket, allowance).await {
        Ok(connection) => connection,
        Err((mut socket, error)) => {
            tracing::debug!(%error, "a sync connection could not begin");
            let refusal = refusal(&error);
            // A peer that is gone needs no reason.
            let _ = socket.send(Frame::Binary(refusal)).await;
            let _ = socket.close(None).await;
            return;
        }
    };
    let ended = connection.run().await;
    connection.end(ended).await;
}

struct Connection {
    server: Arc<Server>,
    bearer: Arc<Bearer>,
    socket: Socket,
    /// Lifted when a token was accepted.
    allowance: ReadAllowance,
    /// When the edge was heard last, or this server was not listening.
    heard_at: Instant,
    session: HubSession<NativeStore>,
    /// Not held: a database that is deleted or disabled does not wait for edges.
    open: Weak<OpenDatabase>,
    /// Pushes of a user who writes faster than they may, in order. All else goes on meanwhile, so
    /// that the edge knows that somebody is there.
    held: VecDeque<HeldPush>,
}

/// A push that waits for its time.
struct HeldPush {
    until: Instant,
    writes: usize,
    message: Message,
}

/// With more than these nothing is read: an edge that does not wait for answers has to.
const MAX_HELD: usize = 2;

/// What woke a connection.
enum Event {
    Due,
    Frame(Bytes),
    Committed,
    Ended,
    Silence,
    Expired,
}

impl Connection {
    async fn begin(
        server: &Arc<Server>,
        database: String,
        mut socket: Socket,
        allowance: ReadAllowance,
    ) -> Result<Self, (Socket, Error)> {
        let bearer = Arc::new(Bearer {
            server: Arc::clone(server),
            database,
            current: Mutex::default(),
        });
        let open = match server.databases.get(&bearer.database).await {
            Ok(open) => open,
            Err(error) => {
                // Strangers do not learn which databases there are.
                let hello = hear_hello(&bearer, &mut socket).await;
                return Err((socket, hello.err().unwrap_or(error)));
            }
        };
        let options = HubOptions {
            // Once after opening: a restored backup shows at the first edge that comes.
            may_mint: open.may_mint(),
            scripts: Some(Arc::clone(&open.scripts) as _),
            max_frame_bytes: server.config.max_sync_frame_bytes,
            max_writes: server.config.max_sync_batch,
            ..HubOptions::new(Arc::clone(&bearer) as Arc<dyn Authorize>)
        };
        let session = HubSession::new(open.documents.clone(), options);
        Ok(Self {
            server: Arc::clone(server),
            bearer,
            socket,
            allowance,
            heard_at: Instant::now(),
            session,
            open: Arc::downgrade(&open),
            held: VecDeque::new(),
        })
    }

    async fn run(&mut self) -> Result<()> {
        loop {
            // Listening comes before looking, so that no commit is missed.
            let commit = self.session_commits();
            if let Some(frame) = self.session.pump().await? {
                self.send(frame).await?;
                continue;
            }
            match self.next(commit).await? {
                Event::Frame(frame) => {
                    self.heard_at = Instant::now();
                    self.take(Message::decode(&frame)?).await?;
                }
                Event::Due => {
                    self.heard_at = Instant::now();
                    if let Some(held) = self.held.pop_front() {
                        self.follow(held.message).await?;
                    }
                }
                Event::Committed => {}
                Event::Ended => return Ok(()),
                Event::Silence => {
                    let what = "the edge was silent for too long";
                    return Err(Error::new(ErrorKind::TimedOut, what));
                }
                Event::Expired => {
                    return Err(Error::new(ErrorKind::Unauthorized, "the token has expired"));
                }
            }
        }
    }

    fn session_commits(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let open = self.open.upgrade()?;
        Some(open.documents.listen())
    }

    async fn next(&mut self, commit: Option<impl Future<Output = ()> + Send>) -> Result<Event> {
        let Some(commit) = commit else {
            // Closed for some reason, of which the edge is told if it is for good.
            let open = self.server.databases.get(&self.bearer.database).await;
            return Err(open.err().unwrap_or_else(gone));
        };
        let config = &self.server.config;
        let silence_ms = match self.is_known() {
            true => config.sync_silence_timeout_ms,
            // A stranger has as long as for the head of a request.
            false => config.sync_silence_timeout_ms.min(config.head_timeout_ms),
        };
        let silence_ends = self.heard_at + Duration::from_millis(silence_ms);
        let expires_in = self.expires_in();
        let due = self.held.front().map(|it| it.until);
        let may_read = self.held.len() < MAX_HELD;
        tokio::select! {
            () = wait_until(due) => Ok(Event::Due),
            frame = timeout_at(silence_ends, next_frame(&mut self.socket)), if may_read => match frame {
                Ok(Ok(Some(frame))) => Ok(Event::Frame(frame)),
                Ok(Ok(None)) => Ok(Event::Ended),
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(Event::Silence),
            },
            () = commit => Ok(Event::Committed),
            () = wait_until(expires_in) => Ok(Event::Expired),
        }
    }

    /// Whether a token was accepted, or nobody asks for one.
    fn is_known(&self) -> bool {
        self.bearer.current().permit.is_some()
    }

    /// How long the token is good for.
    fn expires_in(&self) -> Option<Instant> {
        let expires_s = self.bearer.current().expires_s?;
        let now_s = u64::try_from(self.server.host.clock.now().unix_ms() / 1000).unwrap_or(0);
        // A token that never ends in practice must not overflow the clock.
        let left_s = expires_s.saturating_sub(now_s).min(30 * 24 * 3600);
        Some(Instant::now() + Duration::from_secs(left_s))
    }

    /// Follows a message, or holds it until the user may write so much.
    async fn take(&mut self, message: Message) -> Result<()> {
        if let Message::Push { writes, .. } = &message {
            let writes = writes.len();
            let wait = self.wait_before(writes);
            if !wait.is_zero() || !self.held.is_empty() {
                self.held.push_back(HeldPush {
                    until: Instant::now() + wait,
                    writes,
                    message,
                });
                return Ok(());
            }
        }
        self.follow(message).await
    }

    async fn follow(&mut self, message: Message) -> Result<()> {
        // Asked for anew each time: it counts as use, and a deleted one is noticed.
        let open = self.server.databases.get(&self.bearer.database).await?;
        if !Weak::ptr_eq(&self.open, &Arc::downgrade(&open)) {
            return Err(gone());
        }
        let answers = open.use_store(self.session.on_message(message).await)?;
        if self.is_known() {
            self.allowance.lift();
        }
        for warning in self.session.take_warnings() {
            tracing::warn!(database = self.bearer.database, warning, "a script failed");
        }
        if self.session.has_minted() && open.may_mint() {
            tracing::warn!(
                database = self.bearer.database,
                "an edge has seen more of this database than is in its files: they were put back to \
                 an older state. It begins a new life; edges bring back what they still have"
            );
            open.forbid_minting();
        }
        for answer in answers {
            self.send(answer.encode().into()).await?;
        }
        Ok(())
    }

    /// How long a user has to wait who writes faster than they may.
    fn wait_before(&self, writes: usize) -> Duration {
        let current = self.bearer.current();
        let permit = current.permit.as_ref();
        permit.map(|it| it.take_writes(writes)).unwrap_or_default()
    }

    async fn send(&mut self, frame: Bytes) -> Result<()> {
        let stall = self.server.config.stall_timeout();
        match timeout(stall, self.socket.send(Frame::Binary(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(Error::new(ErrorKind::Unavailable, reason.to_string())),
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                "the edge takes nothing any more",
            )),
        }
    }

    async fn end(mut self, ended: Result<()>) {
        // They are not made, and will be sent again.
        let held = self.held.iter().map(|it| it.writes).sum();
        if let Some(permit) = &self.bearer.current().permit {
            permit.give_back_writes(held);
        }
        let database = &self.bearer.database;
        let Err(error) = ended else {
            tracing::debug!(database, "a sync connection ended");
            return;
        };
        match error.kind() {
            ErrorKind::Internal | ErrorKind::Corrupted | ErrorKind::StorageFull => {
                tracing::error!(database, ?error, "a sync connection failed");
            }
            _ => tracing::debug!(database, ?error, "a sync connection ended"),
        }
        let refusal = refusal(&error);
        if self.send(refusal).await.is_ok() {
            let close = CloseFrame {
                code: CloseCode::Policy,
                reason: "".into(),
            };
            // It says goodbye; whether the other side hears it does not matter.
            let _ = timeout(Duration::from_secs(1), self.socket.close(Some(close))).await;
        }
    }
}

/// Waits for an edge's greeting, and checks its token.
async fn hear_hello(bearer: &Bearer, socket: &mut Socket) -> Result<()> {
    let patience = Duration::from_millis(bearer.server.config.head_timeout_ms);
    let what = "the edge did not say hello";
    let Ok(frame) = timeout(patience, next_frame(socket)).await else {
        return Err(Error::new(ErrorKind::TimedOut, what));
    };
    let Some(frame) = frame? else {
        return Err(Error::new(ErrorKind::Unavailable, what));
    };
    match Message::decode(&frame)? {
        Message::Hello { token, .. } => bearer.authorize(&token).map(drop),
        _ => Err(Error::invalid(what)),
    }
}

/// What an edge is told of an error.
fn refusal(error: &Error) -> Bytes {
    let code = if is_database_missing(error) {
        RefusalCode::NotFound
    } else if is_database_disabled(error) {
        RefusalCode::Unavailable
    } else {
        return HubSession::<NativeStore>::refusal(error);
    };
    let reason = error.message().to_owned();
    Message::Refused { code, reason }.encode().into()
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the database was closed")
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The next frame with a message; `None` at the end.
async fn next_frame(socket: &mut Socket) -> Result<Option<Bytes>> {
    loop {
        match socket.next().await {
            None | Some(Ok(Frame::Close(_))) => return Ok(None),
            Some(Ok(Frame::Binary(bytes))) => return Ok(Some(bytes)),
            Some(Ok(Frame::Text(_))) => {
                return Err(Error::invalid("the sync protocol has binary frames only"));
            }
            // The library answers pings itself.
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
            Some(Err(reason)) => {
                tracing::debug!(%reason, "a sync socket broke");
                return Ok(None);
            }
        }
    }
}
