//! Results as clients read them.

use bytes::Bytes;

use crate::document::StoredDocument;

/// What an index says of a document that it found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Marks {
    /// How well it matches, if words were searched.
    pub score: Option<f32>,
    /// How far it is and where, if results are ordered by that.
    pub nearest: Option<Nearest>,
}

/// The nearest place of a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Kilometres from what results are ordered by.
    pub distance_km: f64,
    /// Degrees north of its middle.
    pub latitude: f64,
    /// Degrees east of its middle.
    pub longitude: f64,
}

impl Marks {
    /// Appends what there is to metadata that has its last member.
    fn write_json(&self, json: &mut Vec<u8>) {
        if let Some(score) = self.score {
            json.extend_from_slice(b",\"@index-score\":");
            serde_json::to_writer(&mut *json, &score).expect("a Vec takes any number");
        }
        if let Some(nearest) = self.nearest {
            let members = serde_json::json!({
                "Distance": nearest.distance_km,
                "Latitude": nearest.latitude,
                "Longitude": nearest.longitude,
            });
            json.extend_from_slice(b",\"@spatial\":");
            serde_json::to_writer(&mut *json, &members).expect("a Vec takes any number");
        }
    }
}

/// A result.
pub enum QueryResult {
    /// A whole document, and what the index says of it.
    Document(StoredDocument, Marks),
    /// A document's projection: properties without braces.
    Projection(Vec<u8>, StoredDocument),
    /// The result of a group: properties without braces.
    Group {
        /// The properties.
        fields: Vec<u8>,
        /// Whether it is projected.
        is_projection: bool,
        /// The key of its entry.
        source: Bytes,
    },
    /// What was computed over all that was found, as JSON.
    Computed(Vec<u8>),
}

impl QueryResult {
    /// The document behind the result.
    pub fn document(&self) -> Option<&StoredDocument> {
        match self {
            Self::Document(document, _) | Self::Projection(_, document) => Some(document),
            Self::Group { .. } | Self::Computed(_) => None,
        }
    }

    /// The key of what is behind it in its index: of the document, or of the group.
    pub(super) fn source(&self) -> Option<&Bytes> {
        match self {
            Self::Document(document, _) | Self::Projection(_, document) => Some(document.key()),
            Self::Group { source, .. } => Some(source),
            Self::Computed(_) => None,
        }
    }

    /// The result of a group as JSON, if it is one's.
    pub(super) fn group_json(&self) -> Option<String> {
        let Self::Group { fields, .. } = self else {
            return None;
        };
        let fields = std::str::from_utf8(fields).ok()?;
        Some(format!("{{{fields}}}"))
    }

    /// What two results have in common when they count as the same.
    pub(super) fn identity(&self) -> Vec<u8> {
        match self {
            Self::Document(document, _) => document.key().to_vec(),
            Self::Projection(json, _) | Self::Group { fields: json, .. } | Self::Computed(json) => {
                json.clone()
            }
        }
    }

    /// About how many bytes the result's JSON has.
    pub fn byte_count(&self) -> usize {
        match self {
            Self::Document(document, _) => document.byte_count() + 192,
            Self::Projection(json, _) | Self::Group { fields: json, .. } | Self::Computed(json) => {
                json.len() + 256
            }
        }
    }

    /// Appends the result as clients read it.
    pub fn write_json(&self, json: &mut Vec<u8>) {
        match self {
            Self::Document(document, marks) if *marks == Marks::default() => {
                document.write_json(json);
            }
            Self::Document(document, marks) => {
                document.write_json(json);
                // The metadata stands last.
                json.truncate(json.len() - 2);
                marks.write_json(json);
                json.extend_from_slice(b"}}");
            }
            Self::Projection(fields, document) => {
                json.push(b'{');
                json.extend_from_slice(fields);
                let comma: &[u8] = if fields.is_empty() { b"" } else { b"," };
                json.extend_from_slice(comma);
                json.extend_from_slice(
                    b"\"@metadata\":{\"@projection\":true,\"@change-vector\":\"",
                );
                json.extend_from_slice(document.change_vector().as_bytes());
                json.extend_from_slice(b"\",\"@id\":");
                serde_json::to_writer(&mut *json, document.id()).expect("a Vec takes any text");
                json.extend_from_slice(b",\"@last-modified\":\"");
                json.extend_from_slice(&document.last_modified().to_ascii());
                json.extend_from_slice(b"\"}}");
            }
            Self::Computed(text) => json.extend_from_slice(text),
            Self::Group {
                fields,
                is_projection,
                ..
            } => {
                json.push(b'{');
                json.extend_from_slice(fields);
                let comma: &[u8] = if fields.is_empty() { b"" } else { b"," };
                json.extend_from_slice(comma);
                json.extend_from_slice(if *is_projection {
                    b"\"@metadata\":{\"@projection\":true,\"@change-vector\":null}}"
                } else {
                    b"\"@metadata\":{\"@change-vector\":null}}"
                });
            }
        }
    }

    /// Appends the result with its metadata only.
    pub fn write_metadata_json(&self, json: &mut Vec<u8>) {
        match self.document() {
            Some(document) => document.write_metadata_json(json),
            None => self.write_json(json),
        }
    }
}
