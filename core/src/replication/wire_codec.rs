//! Frames: fields as in records, with the incarnations they name in a table in front.
//!
//! A table costs its 17 bytes for each incarnation once per frame, and each mention of one a byte.

use super::messages::Position;
use super::wire::{EdgeWrite, Name, WireEntry, WireState, WireVersion};
use crate::schema::conflicts::DocumentVersion;
use crate::schema::{Decoder, Encoder};
use crate::version::{IncarnationId, NodeTag, Origin};
use crate::{Error, Result};

/// Writes a frame.
pub(super) struct FrameWriter {
    kind: u8,
    names: Vec<Name>,
    pub(super) fields: Encoder,
}

impl FrameWriter {
    pub(super) fn new(kind: u8) -> Self {
        Self {
            kind,
            names: Vec::new(),
            fields: Encoder::with_capacity(256),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let fields = self.fields.finish();
        let mut frame = Encoder::with_capacity(8 + 24 * self.names.len() + fields.len());
        frame.byte(self.kind);
        frame.varint(self.names.len() as u64);
        for name in &self.names {
            frame.raw(name.id.bytes());
            frame.text(name.tag.as_str());
        }
        frame.raw(&fields);
        frame.finish()
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.fields.varint(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    pub(super) fn option<T>(&mut self, item: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.fields.byte(u8::from(item.is_some()));
        if let Some(item) = item {
            write(self, item);
        }
    }

    pub(super) fn name(&mut self, name: &Name) {
        let index = match self.names.iter().position(|it| it == name) {
            Some(index) => index,
            None => {
                self.names.push(name.clone());
                self.names.len() - 1
            }
        };
        self.fields.varint(index as u64);
    }

    pub(super) fn entry(&mut self, entry: &WireEntry) {
        self.name(&entry.name);
        self.fields.etag(entry.etag);
    }

    fn origins(&mut self, origins: &[Origin]) {
        self.list(origins, |frame, origin| frame.fields.raw(&origin.to_key()));
    }

    pub(super) fn marks(&mut self, marks: &[u64]) {
        self.list(marks, |frame, mark| frame.fields.raw(&mark.to_le_bytes()));
    }

    pub(super) fn position(&mut self, position: &Position) {
        self.fields.raw(position.hub.bytes());
        self.fields.etag(position.etag);
        self.fields.etag(position.reached);
        self.marks(&position.openings);
        self.fields.raw(&position.filter.to_le_bytes());
        self.option(position.resync_until.as_ref(), |frame, etag| {
            frame.fields.etag(*etag)
        });
    }

    pub(super) fn edge_write(&mut self, write: &EdgeWrite) {
        self.fields.varint(write.sequence);
        self.fields.raw(&write.hash);
        self.list(&write.base, Self::entry);
        self.list(&write.replaces, Self::entry);
        self.origins(&write.replaced_origins);
        self.origins(&write.chain);
        self.option(write.lost.as_ref(), Self::entry);
        write.version.write(&mut self.fields);
    }

    pub(super) fn state(&mut self, state: &WireState) {
        self.fields.text(&state.id);
        self.list(&state.context, Self::entry);
        self.list(&state.live, |frame, version| {
            frame.entry(&version.dot);
            frame.fields.origin(version.origin.as_ref());
            version.version.write(&mut frame.fields);
        });
    }
}

/// Reads a frame.
pub(super) struct FrameReader<'a> {
    names: Vec<Name>,
    pub(super) fields: Decoder<'a>,
}

impl<'a> FrameReader<'a> {
    /// The kind, and the frame behind it.
    pub(super) fn new(bytes: &'a [u8]) -> Result<(u8, Self)> {
        let mut fields = Decoder::new("frames", bytes);
        let kind = fields.byte()?;
        let mut names = Vec::new();
        for _ in 0..fields.length()? {
            let id = fields.raw(16)?.try_into().expect("raw(16) gives 16 bytes");
            names.push(Name {
                id: IncarnationId::from_bytes(id),
                tag: NodeTag::new(fields.text()?)?,
            });
        }
        Ok((kind, Self { names, fields }))
    }

    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        // No capacity beforehand: the count is only claimed.
        let mut items = Vec::new();
        for _ in 0..self.fields.length()? {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.fields.flag()? {
            true => read(self).map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn text(&mut self) -> Result<String> {
        self.fields.text().map(str::to_owned)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.fields.raw(N)?;
        Ok(bytes.try_into().expect("raw(N) gives N bytes"))
    }

    pub(super) fn name(&mut self) -> Result<Name> {
        let index = self.fields.length()?;
        let name = self.names.get(index).cloned();
        name.ok_or_else(|| Error::invalid(format!("incarnation {index} is not in its table")))
    }

    pub(super) fn entry(&mut self) -> Result<WireEntry> {
        Ok(WireEntry {
            name: self.name()?,
            etag: self.fields.etag()?,
        })
    }

    pub(super) fn marks(&mut self) -> Result<Vec<u64>> {
        self.list(|frame| frame.array().map(u64::from_le_bytes))
    }

    pub(super) fn position(&mut self) -> Result<Position> {
        Ok(Position {
            hub: IncarnationId::from_bytes(self.array()?),
            etag: self.fields.etag()?,
            reached: self.fields.etag()?,
            openings: self.marks()?,
            filter: u64::from_le_bytes(self.array()?),
            resync_until: self.option(|frame| frame.fields.etag())?,
        })
    }

    pub(super) fn edge_write(&mut self) -> Result<EdgeWrite> {
        Ok(EdgeWrite {
            sequence: self.fields.varint()?,
            hash: self.array()?,
            base: self.list(Self::entry)?,
            replaces: self.list(Self::entry)?,
            replaced_origins: self.fields.origins()?,
            chain: self.fields.origins()?,
            lost: self.option(Self::entry)?,
            version: DocumentVersion::read(&mut self.fields)?,
        })
    }

    pub(super) fn state(&mut self) -> Result<WireState> {
        Ok(WireState {
            id: self.text()?,
            context: self.list(Self::entry)?,
            live: self.list(|frame| {
                Ok(WireVersion {
                    dot: frame.entry()?,
                    origin: frame.fields.origin()?,
                    version: DocumentVersion::read(&mut frame.fields)?,
                })
            })?,
        })
    }
}
