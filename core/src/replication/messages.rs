//! What an edge and a server say to each other, and its form on the wire.
//!
//! One binary frame is one message: a kind byte, the incarnations it names, then its fields as
//! records have them. The first message of each side carries the protocol's version; what follows
//! is read as that version says.

use bytes::Bytes;

use super::lives::{Course, Life, Lives};
use super::wire::{EdgeWrite, Name, Verdict, WireState, WriteOutcome};
use super::wire_codec::{FrameReader, FrameWriter};
use crate::schema::edge::Refusal;
use crate::version::{Etag, IncarnationId, Origin, ReplicaId};
use crate::{Error, Result};

/// The version of the protocol that this library speaks.
pub const PROTOCOL_VERSION: u64 = 2;

/// How far an edge has followed one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The server.
    pub hub: IncarnationId,
    /// Its etag.
    pub etag: Etag,
    /// Its greatest etag that the edge has heard of, also as an answer to a write.
    pub reached: Etag,
    /// The marks of the server's openings that the edge was told, the newest last.
    pub openings: Vec<u64>,
    /// What was let through, hashed.
    pub filter: u64,
    /// While a resync runs: where it ends.
    pub resync_until: Option<Etag>,
}

/// What a server knows of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its highest sequence.
    pub sequence: u64,
    /// The hash of that write.
    pub hash: [u8; 8],
}

/// Why a server does not go on with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RefusalCode {
    /// The versions of the protocol have nothing in common.
    Protocol = 1,
    /// The token is missing, wrong or expired.
    Unauthorized = 2,
    /// The edge did not keep to the protocol.
    Misbehaved = 3,
    /// A limit was passed.
    LimitExceeded = 4,
    /// The server cannot go on now.
    Unavailable = 5,
    /// The server has no such database.
    NotFound = 6,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The edge begins.
    Hello {
        /// The lowest and highest version it speaks.
        versions: (u64, u64),
        /// Who may do this; empty where nobody asks.
        token: String,
        /// The edge.
        replica: ReplicaId,
        /// Its highest sequence so far.
        last_sequence: u64,
        /// How far it followed the servers it knows.
        positions: Vec<Position>,
        /// Beginnings of ids it asks for; none for all it may see.
        prefixes: Vec<String>,
        /// Collections it asks for; none for all it may see.
        collections: Vec<String>,
    },
    /// The server answers.
    Welcome {
        /// The version they speak from here on.
        version: u64,
        /// The server.
        hub: Name,
        /// The lives of servers.
        lives: Lives,
        /// The marks of the newest openings of the server's database, this one last.
        openings: Vec<u64>,
        /// What it knows of the edge.
        known: Option<Known>,
        /// What it lets through, hashed.
        filter: u64,
        /// Where the stream begins.
        from: Etag,
        /// Where the server stands.
        last_etag: Etag,
        /// Whether everything is told anew, up to this etag.
        resync_until: Option<Etag>,
        /// The largest frame that it takes.
        max_frame_bytes: u64,
        /// The most writes of one push.
        max_writes: u64,
    },
    /// The server does not go on.
    Refused {
        /// For a program.
        code: RefusalCode,
        /// For a person.
        reason: String,
    },
    /// The edge offers writes.
    Push {
        /// It needs no answer any more for writes up to here.
        settled: u64,
        /// The writes.
        writes: Vec<EdgeWrite>,
    },
    /// The server tells what became of them, in their order.
    Outcomes(Vec<WriteOutcome>),
    /// The server tells what it has.
    Batch {
        /// The documents.
        states: Vec<WireState>,
        /// Everything up to here is told.
        up_to: Etag,
        /// Where the server stands.
        last_etag: Etag,
    },
    /// The edge has taken a batch in.
    Applied {
        /// Up to here.
        up_to: Etag,
    },
    /// Is anybody there?
    Ping,
    /// Yes.
    Pong,
    /// The edge shows a new token before the old one expires.
    Token(String),
    /// A piece of an attachment's content is needed.
    Want {
        /// Of which, by its hash.
        hash: [u8; 32],
        /// Where the piece begins.
        offset: u64,
        /// The document of which an edge asks for it; none for what stands in the part or push on
        /// its way.
        document: Option<String>,
    },
    /// A piece of a content.
    Content {
        /// Of which.
        hash: [u8; 32],
        /// As it was asked for.
        document: Option<String>,
        /// The length of the whole; `None` when the sender does not have it.
        size: Option<u64>,
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        bytes: Bytes,
    },
}

impl Message {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = FrameWriter::new(self.kind());
        self.write(&mut frame);
        frame.finish()
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Welcome { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Push { .. } => 4,
            Self::Outcomes(_) => 5,
            Self::Batch { .. } => 6,
            Self::Applied { .. } => 7,
            Self::Ping => 8,
            Self::Pong => 9,
            Self::Token(_) => 10,
            Self::Want { .. } => 11,
            Self::Content { .. } => 12,
        }
    }

    fn write(&self, frame: &mut FrameWriter) {
        match self {
            Self::Hello {
                versions,
                token,
                replica,
                last_sequence,
                positions,
                prefixes,
                collections,
            } => {
                frame.fields.varint(versions.0);
                frame.fields.varint(versions.1);
                frame.fields.text(token);
                frame.fields.raw(replica.bytes());
                frame.fields.varint(*last_sequence);
                frame.list(positions, FrameWriter::position);
                frame.list(prefixes, |frame, text| frame.fields.text(text));
                frame.list(collections, |frame, text| frame.fields.text(text));
            }
            Self::Welcome { .. } => self.write_welcome(frame),
            Self::Refused { code, reason } => {
                frame.fields.byte(*code as u8);
                frame.fields.text(reason);
            }
            Self::Push { settled, writes } => {
                frame.fields.varint(*settled);
                frame.list(writes, FrameWriter::edge_write);
            }
            Self::Outcomes(outcomes) => frame.list(outcomes, write_outcome),
            Self::Batch {
                states,
                up_to,
                last_etag,
            } => {
                frame.list(states, FrameWriter::state);
                frame.fields.etag(*up_to);
                frame.fields.etag(*last_etag);
            }
            Self::Applied { up_to } => frame.fields.etag(*up_to),
            Self::Ping | Self::Pong => {}
            Self::Token(token) => frame.fields.text(token),
            Self::Want {
                hash,
                offset,
                document,
            } => {
                frame.fields.raw(hash);
                frame.fields.varint(*offset);
                frame.option(document.as_ref(), |frame, id| frame.fields.text(id));
            }
            Self::Content {
                hash,
                document,
                size,
                offset,
                bytes,
            } => {
                frame.fields.raw(hash);
                frame.option(document.as_ref(), |frame, id| frame.fields.text(id));
                frame.option(size.as_ref(), |frame, size| frame.fields.varint(*size));
                frame.fields.varint(*offset);
                frame.fields.varint(bytes.len() as u64);
                frame.fields.raw(bytes);
            }
        }
    }

    fn write_welcome(&self, frame: &mut FrameWriter) {
        let Self::Welcome {
            version,
            hub,
            lives,
            openings,
            known,
            filter,
            from,
            last_etag,
            resync_until,
            max_frame_bytes,
            max_writes,
        } = self
        else {
            return;
        };
        frame.fields.varint(*version);
        frame.name(hub);
        frame.list(lives.list(), |frame, life| {
            frame.fields.raw(life.id.bytes());
            frame.fields.etag(life.seen);
            frame.fields.byte(match life.course {
                Course::Current => 0,
                Course::Over => 1,
                Course::Forgotten => 2,
            });
        });
        frame.marks(openings);
        frame.option(known.as_ref(), |frame, known| {
            frame.fields.varint(known.sequence);
            frame.fields.raw(&known.hash);
        });
        frame.fields.raw(&filter.to_le_bytes());
        frame.fields.etag(*from);
        frame.fields.etag(*last_etag);
        frame.option(resync_until.as_ref(), |frame, etag| {
            frame.fields.etag(*etag)
        });
        frame.fields.varint(*max_frame_bytes);
        frame.fields.varint(*max_writes);
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// `InvalidRequest` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).map_err(|error| {
            Error::invalid(format!(
                "a frame of the sync protocol does not fit: {error}"
            ))
        })
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let (kind, mut frame) = FrameReader::new(bytes)?;
        let message = match kind {
            1 => read_hello(&mut frame)?,
            2 => read_welcome(&mut frame)?,
            3 => Self::Refused {
                code: match frame.fields.byte()? {
                    1 => RefusalCode::Protocol,
                    2 => RefusalCode::Unauthorized,
                    3 => RefusalCode::Misbehaved,
                    4 => RefusalCode::LimitExceeded,
                    5 => RefusalCode::Unavailable,
                    6 => RefusalCode::NotFound,
                    other => return Err(Error::invalid(format!("refusal code {other}"))),
                },
                reason: frame.text()?,
            },
            4 => Self::Push {
                settled: frame.fields.varint()?,
                writes: frame.list(FrameReader::edge_write)?,
            },
            5 => Self::Outcomes(frame.list(read_outcome)?),
            6 => Self::Batch {
                states: frame.list(FrameReader::state)?,
                up_to: frame.fields.etag()?,
                last_etag: frame.fields.etag()?,
            },
            7 => Self::Applied {
                up_to: frame.fields.etag()?,
            },
            8 => Self::Ping,
            9 => Self::Pong,
            10 => Self::Token(frame.text()?),
            11 => Self::Want {
                hash: frame.array()?,
                offset: frame.fields.varint()?,
                document: frame.option(FrameReader::text)?,
            },
            12 => Self::Content {
                hash: frame.array()?,
                document: frame.option(FrameReader::text)?,
                size: frame.option(|frame| frame.fields.varint())?,
                offset: frame.fields.varint()?,
                bytes: {
                    let length = frame.fields.length()?;
                    Bytes::copy_from_slice(frame.fields.raw(length)?)
                },
            },
            other => return Err(Error::invalid(format!("unknown kind {other}"))),
        };
        frame.fields.end()?;
        Ok(message)
    }
}

fn read_hello(frame: &mut FrameReader<'_>) -> Result<Message> {
    Ok(Message::Hello {
        versions: (frame.fields.varint()?, frame.fields.varint()?),
        token: frame.text()?,
        replica: ReplicaId::from_bytes(frame.array()?),
        last_sequence: frame.fields.varint()?,
        positions: frame.list(FrameReader::position)?,
        prefixes: frame.list(FrameReader::text)?,
        collections: frame.list(FrameReader::text)?,
    })
}

fn read_welcome(frame: &mut FrameReader<'_>) -> Result<Message> {
    Ok(Message::Welcome {
        version: frame.fields.varint()?,
        hub: frame.name()?,
        lives: frame.list(read_life)?.into(),
        openings: frame.marks()?,
        known: frame.option(|frame| {
            Ok(Known {
                sequence: frame.fields.varint()?,
                hash: frame.array()?,
            })
        })?,
        filter: u64::from_le_bytes(frame.array()?),
        from: frame.fields.etag()?,
        last_etag: frame.fields.etag()?,
        resync_until: frame.option(|frame| frame.fields.etag())?,
        max_frame_bytes: frame.fields.varint()?,
        max_writes: frame.fields.varint()?,
    })
}

fn read_life(frame: &mut FrameReader<'_>) -> Result<Life> {
    Ok(Life {
        id: IncarnationId::from_bytes(frame.array()?),
        seen: frame.fields.etag()?,
        course: match frame.fields.byte()? {
            0 => Course::Current,
            1 => Course::Over,
            2 => Course::Forgotten,
            other => return Err(Error::invalid(format!("unknown course {other} of a life"))),
        },
    })
}

fn write_outcome(frame: &mut FrameWriter, outcome: &WriteOutcome) {
    frame.fields.raw(&outcome.origin.to_key());
    match &outcome.verdict {
        Verdict::Accepted { dot, sole } => {
            frame.fields.byte(1);
            frame.entry(dot);
            frame.option(sole.as_ref(), |frame, (context, last_modified)| {
                frame.list(context, FrameWriter::entry);
                frame.fields.fixed_i64(last_modified.ticks());
            });
        }
        Verdict::Behind => frame.fields.byte(2),
        Verdict::Refused(refusal) => {
            frame.fields.byte(3);
            frame.fields.text(&refusal.code);
            frame.fields.text(&refusal.reason);
        }
        Verdict::Forked => frame.fields.byte(4),
    }
}

fn read_outcome(frame: &mut FrameReader<'_>) -> Result<WriteOutcome> {
    let origin = Origin::from_key(frame.fields.raw(Origin::KEY_BYTES)?)?;
    let verdict = match frame.fields.byte()? {
        1 => Verdict::Accepted {
            dot: frame.entry()?,
            sole: frame.option(|frame| {
                let context = frame.list(FrameReader::entry)?;
                let ticks = frame.fields.fixed_i64()?;
                Ok((context, crate::host::Timestamp::from_ticks(ticks)))
            })?,
        },
        2 => Verdict::Behind,
        3 => Verdict::Refused(Refusal {
            code: frame.text()?,
            reason: frame.text()?,
        }),
        4 => Verdict::Forked,
        other => return Err(Error::invalid(format!("unknown verdict {other}"))),
    };
    Ok(WriteOutcome { origin, verdict })
}
