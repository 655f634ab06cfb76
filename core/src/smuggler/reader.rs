//! Cuts an input into items, chunk by chunk.
//!
//! Whatever the chunks, the items are the same. What is wrong with the outer form ends the reading;
//! what is wrong inside an item is left to whoever parses it, so that one bad item can be skipped.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

use super::value_scanner::ValueScanner;
use super::{Format, Place, Section, SectionSummary};
use crate::document::find_property;
use crate::{Error, ErrorKind, Result};

/// One item of the input, not yet parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its text, to be checked.
    pub bytes: &'a [u8],
}

/// What a reader hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An item.
    Item(Item<'a>),
    /// What tells of an attachment whose content follows.
    Attachment(Item<'a>),
    /// Bytes of the content of the last attachment.
    Content {
        /// Some of it.
        bytes: &'a [u8],
        /// Whether it ends here.
        is_last: bool,
    },
    /// An item that is longer than the limit and passed over.
    TooLong(Place),
}

/// What the reader expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The very beginning, where a byte order mark may stand.
    Start,
    /// What tells a dump, an array and a sequence apart.
    Opening,
    /// A section's name, or the end of the dump if it `may_end` here.
    Name { may_end: bool },
    /// The colon after a section's name.
    Colon,
    /// What a section holds.
    Content,
    /// An item, or the end of the section if it `may_end` here.
    Entry { may_end: bool },
    /// The rest of an item.
    InEntry,
    /// The rest of an item that is too long.
    InLongEntry,
    /// The bytes of an attachment or time series segment.
    Blob { left: u64, is_attachment: bool },
    /// The rest of an object that a section holds in place of an array.
    InObject,
    /// A comma or the end of the section.
    AfterEntry,
    /// The rest of a section's content that is no array.
    InContent,
    /// A comma or the end of the dump.
    AfterSection,
    /// A document, alone or after others.
    Sequence,
    /// A line.
    Line,
    /// The rest of a line that is too long.
    InLongLine,
    /// Nothing but white space.
    End,
}

enum Step {
    Again,
    Hungry,
    Item(Range<usize>, Place),
    Attachment(Range<usize>, Place),
    Content(Range<usize>, bool),
    TooLong(Place),
}

/// Cuts an import into items.
///
/// ```
/// use pinyon_core::smuggler::{Format, Reader};
/// let mut reader = Reader::new(Format::Json, 1 << 20);
/// let mut texts = Vec::new();
/// for chunk in ["[{\"a\":", "1}, {}", "]"] {
///     reader.feed(chunk.as_bytes());
///     while let Some(item) = reader.next_item()? {
///         texts.push(String::from_utf8_lossy(item.bytes).into_owned());
///     }
/// }
/// reader.finish();
/// assert!(reader.next_item()?.is_none());
/// assert_eq!(texts, ["{\"a\":1}", "{}"]);
/// # Ok::<(), pinyon_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    format: Format,
    max_item_bytes: usize,
    state: State,
    /// `AfterEntry`, or `Sequence` where nothing stands between documents.
    after_entry: State,
    failure: Option<Error>,
    is_finished: bool,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer begins.
    position: usize,
    /// How far the value at `position` has been looked at.
    scanned: usize,
    scanner: ValueScanner,
    /// Of `position`.
    offset: u64,
    /// Of `position`.
    line: u64,
    /// Of the value that is being scanned.
    place: Place,
    sections: Vec<SectionSummary>,
    build_version: Option<u64>,
    /// The build version's text, as far as it has been read.
    version_text: Vec<u8>,
}

impl Reader {
    /// A reader of one input, whose items may have `max_item_bytes`.
    pub fn new(format: Format, max_item_bytes: usize) -> Self {
        Self {
            format,
            max_item_bytes,
            state: State::Start,
            after_entry: State::AfterEntry,
            failure: None,
            is_finished: false,
            buffer: Vec::new(),
            position: 0,
            scanned: 0,
            scanner: ValueScanner::new(),
            offset: 0,
            line: 1,
            place: Place {
                section: Section::Documents,
                number: 0,
                line: 1,
                offset: 0,
            },
            sections: Vec::new(),
            build_version: None,
            version_text: Vec::new(),
        }
    }

    /// Adds the next bytes of the input.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.position);
        self.scanned -= self.position;
        self.position = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Says that nothing will be fed any more.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The next item, or `None` when more must be fed first or, after [`Self::finish`], when there
    /// is no more. Attachments are passed over.
    ///
    /// # Errors
    /// `InvalidRequest` when the outer form is broken or breaks off, `LimitExceeded` when an item
    /// is too long; both name the place, and nothing can be read after them.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>> {
        loop {
            match self.next_step()? {
                Step::Hungry => return Ok(None),
                Step::Item(range, place) => {
                    let bytes = &self.buffer[range];
                    return Ok(Some(Item { place, bytes }));
                }
                Step::TooLong(place) => {
                    let error = self.too_long(place);
                    self.failure = Some(error.clone());
                    return Err(error);
                }
                Step::Again | Step::Attachment(..) | Step::Content(..) => {}
            }
        }
    }

    /// As [`Self::next_item`], but attachments and their contents are handed out too, and an item
    /// that is too long does not end the reading.
    ///
    /// # Errors
    /// As [`Self::next_item`].
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>> {
        Ok(match self.next_step()? {
            Step::Again | Step::Hungry => None,
            Step::Item(range, place) => {
                let bytes = &self.buffer[range];
                Some(Piece::Item(Item { place, bytes }))
            }
            Step::Attachment(range, place) => {
                let bytes = &self.buffer[range];
                Some(Piece::Attachment(Item { place, bytes }))
            }
            Step::Content(range, is_last) => Some(Piece::Content {
                bytes: &self.buffer[range],
                is_last,
            }),
            Step::TooLong(place) => Some(Piece::TooLong(place)),
        })
    }

    /// What is wrong with an item that is too long.
    pub fn too_long(&self, place: Place) -> Error {
        Error::new(
            ErrorKind::LimitExceeded,
            format!("{place} is longer than {} bytes", self.max_item_bytes),
        )
    }

    /// The next step that is more than one on the way.
    fn next_step(&mut self) -> Result<Step> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        loop {
            match self.step() {
                Ok(Step::Again) => {}
                Ok(step) => return Ok(step),
                Err(error) => {
                    self.failure = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// What has been met so far, section by section, in the order of the input.
    pub fn sections(&self) -> &[SectionSummary] {
        &self.sections
    }

    /// The build of the server that wrote a dump, once that has been read.
    pub fn build_version(&self) -> Option<u64> {
        self.build_version
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn step(&mut self) -> Result<Step> {
        match self.state {
            State::Start => self.start(),
            State::InEntry => self.finish_entry(),
            State::InLongEntry => self.pass_entry(),
            State::InContent => self.pass_content(),
            State::InObject => self.finish_object(),
            State::Blob {
                left,
                is_attachment,
            } => self.pass_blob(left, is_attachment),
            State::Line => self.take_line(),
            State::InLongLine => self.pass_line(),
            _ => {
                self.pass_space();
                let Some(byte) = self.buffer.get(self.position).copied() else {
                    return self.hungry();
                };
                self.after_space(byte)
            }
        }
    }

    fn start(&mut self) -> Result<Step> {
        let unread = &self.buffer[self.position..];
        if unread.len() < BOM.len() && BOM.starts_with(unread) && !self.is_finished {
            return Ok(Step::Hungry);
        }
        self.consume(unread.len() - without_bom(unread).len());
        self.state = match self.format {
            Format::JsonLines => State::Line,
            _ => State::Opening,
        };
        if self.format != Format::Dump {
            self.begin_section("Docs".to_owned());
        }
        Ok(Step::Again)
    }

    fn after_space(&mut self, byte: u8) -> Result<Step> {
        let next = match (self.state, byte) {
            (State::Opening, b'{') if self.format == Format::Dump => State::Name { may_end: true },
            (State::Opening, _) if self.format == Format::Dump => {
                return Err(self.unexpected(byte, "the { of a dump"));
            }
            (State::Opening, b'[') => State::Entry { may_end: true },
            (State::Opening, _) => {
                self.after_entry = State::Sequence;
                self.state = State::Sequence;
                return Ok(Step::Again);
            }
            (State::Name { may_end: true } | State::AfterSection, b'}') => State::End,
            (State::Name { .. }, b'"') => return self.take_name(),
            (State::Name { .. }, _) => return Err(self.unexpected(byte, "a section's name")),
            (State::Colon, b':') => State::Content,
            (State::Colon, _) => return Err(self.unexpected(byte, "a colon")),
            (State::Content, b'[') => State::Entry { may_end: true },
            (State::Content, b',' | b'}' | b']' | b':') => {
                return Err(self.unexpected(byte, "what the section holds"));
            }
            (State::Content, b'{') if self.section().section == Section::DatabaseRecord => {
                self.begin_entry();
                self.state = State::InObject;
                return Ok(Step::Again);
            }
            // What it holds would be lost without a word.
            (State::Content, _) if self.section().section.is_read() && byte != b'n' => {
                return Err(self.unexpected(byte, "its items"));
            }
            (State::Content, _) => {
                self.scanner = ValueScanner::new();
                self.state = State::InContent;
                return Ok(Step::Again);
            }
            (State::Entry { may_end: true } | State::AfterEntry, b']') => self.after_array(),
            (State::AfterEntry, b',') => State::Entry { may_end: false },
            (State::AfterEntry, _) => return Err(self.unexpected(byte, "a comma or ]")),
            (State::AfterSection, b',') => State::Name { may_end: false },
            (State::AfterSection, _) => return Err(self.unexpected(byte, "a comma or }")),
            (State::Entry { .. } | State::Sequence, b',' | b']' | b'}' | b':') => {
                return Err(self.unexpected(byte, "an item"));
            }
            (State::Entry { .. } | State::Sequence, _) => {
                self.begin_entry();
                return Ok(Step::Again);
            }
            _ => return Err(self.unexpected(byte, "nothing more")),
        };
        self.consume(1);
        self.state = next;
        Ok(Step::Again)
    }

    fn after_array(&self) -> State {
        if self.format == Format::Dump {
            State::AfterSection
        } else {
            State::End
        }
    }

    fn begin_section(&mut self, name: String) {
        self.sections.push(SectionSummary::new(name));
    }

    fn section(&mut self) -> &mut SectionSummary {
        self.sections
            .last_mut()
            .expect("a section begins before its items")
    }

    fn begin_entry(&mut self) {
        let (section, number) = (self.section().section, self.section().items + 1);
        self.place = Place {
            section,
            number,
            line: self.line,
            offset: self.offset,
        };
        self.scanner = ValueScanner::new();
        self.scanned = self.position;
        self.state = State::InEntry;
    }

    /// Looks for the end of the value at `position`; it must all fit the buffer.
    fn find_end(&mut self) -> Result<Option<usize>> {
        let end = self.scan_value();
        if self.is_too_long() {
            return Err(self.too_long(self.place));
        }
        Ok(end)
    }

    fn is_too_long(&self) -> bool {
        self.scanned - self.position > self.max_item_bytes
    }

    fn scan_value(&mut self) -> Option<usize> {
        let found = self.scanner.scan(&self.buffer[self.scanned..]);
        let end = match found {
            Some(length) => Some(self.scanned + length),
            None if self.is_finished && self.scanner.may_end_here() => Some(self.buffer.len()),
            None => None,
        };
        self.scanned = end.unwrap_or(self.buffer.len());
        end
    }

    fn take_name(&mut self) -> Result<Step> {
        if self.scanned <= self.position {
            self.scanned = self.position;
            self.scanner = ValueScanner::new();
        }
        let Some(end) = self.find_end()? else {
            return self.hungry();
        };
        let name = serde_json::from_slice(&self.buffer[self.position..end])
            .map_err(|reason| self.broken(&format!("a section's name: {reason}")))?;
        self.consume(end - self.position);
        self.begin_section(name);
        self.state = State::Colon;
        Ok(Step::Again)
    }

    fn finish_entry(&mut self) -> Result<Step> {
        let end = self.scan_value();
        if self.is_too_long() {
            let next = end.map_or(State::InLongEntry, |_| self.after_entry);
            return Ok(self.pass_over(self.scanned, next));
        }
        let Some(end) = end else {
            return self.hungry();
        };
        let range = self.position..end;
        self.consume(range.len());
        self.state = self.after_entry;
        self.settle_entry(range)
    }

    /// Counts an item that is too long, and forgets what has been read of it.
    fn pass_over(&mut self, end: usize, next: State) -> Step {
        let length = end - self.position;
        self.consume(length);
        self.state = next;
        let section = self.section();
        section.items += 1;
        section.bytes += length as u64;
        Step::TooLong(self.place)
    }

    fn pass_entry(&mut self) -> Result<Step> {
        let end = self.scan_value();
        let length = self.scanned - self.position;
        self.consume(length);
        self.section().bytes += length as u64;
        if end.is_none() {
            return self.hungry();
        }
        self.state = self.after_entry;
        Ok(Step::Again)
    }

    fn pass_line(&mut self) -> Result<Step> {
        let unread = &self.buffer[self.position..];
        let end = memchr(b'\n', unread);
        let length = end.map_or(unread.len(), |end| end + 1);
        self.consume(length);
        self.section().bytes += length as u64;
        if end.is_none() && !self.is_finished {
            return self.hungry();
        }
        self.state = State::Line;
        Ok(Step::Again)
    }

    /// Counts an item that is complete; hands it out, or passes over it and the bytes behind it.
    fn settle_entry(&mut self, range: Range<usize>) -> Result<Step> {
        let place = self.place;
        let blob = match self.format {
            Format::Dump => blob_behind(place.section, &self.buffer[range.clone()]),
            _ => Blob::None,
        };
        let (left, is_attachment) = match blob {
            Blob::None => (None, false),
            Blob::Unsized => {
                return Err(Error::invalid(format!(
                    "{place} is followed by bytes, but does not tell how many"
                )));
            }
            Blob::Attachment(size) => (Some(size), true),
            Blob::Segment(size) => (Some(size), false),
        };
        let section = self.section();
        match blob {
            Blob::Attachment(_) => section.attachments += 1,
            _ => {
                section.items += 1;
                section.bytes += range.len() as u64;
            }
        }
        if let Some(left) = left {
            section.blob_bytes += left;
            self.state = State::Blob {
                left,
                is_attachment,
            };
            return Ok(match is_attachment {
                true => Step::Attachment(range, place),
                false => Step::Again,
            });
        }
        Ok(if place.section.is_read() {
            Step::Item(range, place)
        } else {
            Step::Again
        })
    }

    /// Hands out an object in the place of a section's array.
    fn finish_object(&mut self) -> Result<Step> {
        let Some(end) = self.find_end()? else {
            return self.hungry();
        };
        let range = self.position..end;
        self.consume(range.len());
        self.state = State::AfterSection;
        let place = self.place;
        let section = self.section();
        section.items += 1;
        section.bytes += range.len() as u64;
        Ok(Step::Item(range, place))
    }

    fn pass_blob(&mut self, left: u64, is_attachment: bool) -> Result<Step> {
        let there = self.buffer.len() - self.position;
        let passed = usize::try_from(left).map_or(there, |left| left.min(there));
        let range = self.position..self.position + passed;
        self.offset += passed as u64;
        self.position += passed;
        self.scanned = self.position;
        let left = left - passed as u64;
        self.state = match left {
            0 => State::AfterEntry,
            _ => State::Blob {
                left,
                is_attachment,
            },
        };
        if left > 0 && passed == 0 {
            return self.hungry();
        }
        Ok(match is_attachment {
            true => Step::Content(range, left == 0),
            false => Step::Again,
        })
    }

    /// Passes over what is no array. Only the build version matters.
    fn pass_content(&mut self) -> Result<Step> {
        let unread = &self.buffer[self.position..];
        let found = match self.scanner.scan(unread) {
            None if self.is_finished && self.scanner.may_end_here() => Some(unread.len()),
            found => found,
        };
        let length = found.unwrap_or(unread.len());
        let room = MAX_VERSION_BYTES.saturating_sub(self.version_text.len());
        self.version_text
            .extend_from_slice(&unread[..length.min(room)]);
        self.consume(length);
        self.section().bytes += length as u64;
        if found.is_none() {
            return self.hungry();
        }
        self.section().items = 1;
        let text = std::mem::take(&mut self.version_text);
        if self.section().name.eq_ignore_ascii_case("BuildVersion") {
            self.build_version = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok());
            self.sections.pop();
        } else if self.section().section.is_read() {
            if text != b"null" {
                return Err(self.broken("it holds no items and is not null"));
            }
            self.section().items = 0;
        }
        self.state = State::AfterSection;
        Ok(Step::Again)
    }

    fn take_line(&mut self) -> Result<Step> {
        if self.scanned <= self.position {
            self.begin_entry();
            self.state = State::Line;
        }
        let unseen = &self.buffer[self.scanned..];
        let (end, next) = match memchr(b'\n', unseen) {
            Some(length) => (self.scanned + length, self.scanned + length + 1),
            None if self.is_finished => (self.buffer.len(), self.buffer.len()),
            None => (self.buffer.len(), usize::MAX),
        };
        self.scanned = end;
        if self.is_too_long() {
            let next = match next {
                usize::MAX => State::InLongLine,
                _ => State::Line,
            };
            return Ok(self.pass_over(end, next));
        }
        if next == usize::MAX {
            return self.hungry();
        }
        let line = &self.buffer[self.position..end];
        let leading = line.len() - line.trim_ascii_start().len();
        let start = self.position + leading;
        let range = start..start + line.trim_ascii().len();
        if next == self.position {
            self.state = State::End;
        }
        self.consume(next - self.position);
        if range.is_empty() {
            return Ok(Step::Again);
        }
        self.settle_entry(range)
    }

    fn pass_space(&mut self) {
        let unread = &self.buffer[self.position..];
        let space = unread.len() - unread.trim_ascii_start().len();
        self.consume(space);
    }

    fn consume(&mut self, length: usize) {
        let end = self.position + length;
        self.line += memchr_iter(b'\n', &self.buffer[self.position..end]).count() as u64;
        self.offset += length as u64;
        self.position = end;
        self.scanned = self.scanned.max(end);
    }

    /// More input is needed: an error if there will be none.
    fn hungry(&mut self) -> Result<Step> {
        let may_end = match self.state {
            State::End | State::Sequence => true,
            State::Start | State::Opening => self.format != Format::Dump,
            _ => false,
        };
        if !self.is_finished || may_end {
            return Ok(Step::Hungry);
        }
        Err(match self.state {
            State::InEntry | State::InLongEntry | State::InObject | State::Blob { .. } => {
                Error::invalid(format!("the input ends inside {}", self.place))
            }
            _ => self.broken("the input ends too early"),
        })
    }

    fn unexpected(&self, byte: u8, expected: &str) -> Error {
        let found = byte.escape_ascii();
        self.broken(&format!("expected {expected}, found '{found}'"))
    }

    fn broken(&self, what: &str) -> Error {
        let at = match self.sections.last() {
            Some(section) => format!(", in {} after item {}", section.name, section.items),
            None => String::new(),
        };
        Error::invalid(format!(
            "line {}, byte {}{at}: {what}",
            self.line, self.offset
        ))
    }
}

/// More than the digits of any build version.
const MAX_VERSION_BYTES: usize = 32;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The text without the mark that some editors put in front of it.
pub(super) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// What follows an item of a dump.
enum Blob {
    None,
    Attachment(u64),
    Segment(u64),
    Unsized,
}

/// Attachments and time series segments stand as raw bytes right behind the item that tells their
/// size. Most items can be told from those without parsing them.
fn blob_behind(section: Section, item: &[u8]) -> Blob {
    const EXPORT_TYPE: &str = "@export-type";
    const BLOB_SIZE: &str = "@raven-blob-size";
    let mentions = |name: &str| memmem::find(item, name.as_bytes()).is_some();
    let may_be_attachment = mentions(EXPORT_TYPE);
    let may_be_segment = section == Section::Other && mentions(BLOB_SIZE);
    if !may_be_attachment && !may_be_segment {
        return Blob::None;
    }
    let Ok(text) = std::str::from_utf8(item) else {
        return Blob::None;
    };
    let size = |name: &str| find_property(text, name)?.parse().ok();
    let export_type =
        find_property(text, "@metadata").and_then(|metadata| find_property(metadata, EXPORT_TYPE));
    if export_type == Some("\"Attachment\"") {
        return size("Size").map_or(Blob::Unsized, Blob::Attachment);
    }
    if may_be_segment && find_property(text, BLOB_SIZE).is_some() {
        return size(BLOB_SIZE).map_or(Blob::Unsized, Blob::Segment);
    }
    Blob::None
}
