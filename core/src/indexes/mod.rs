//! Indexes: what documents are found and counted by, kept beside them (decision 6).
//!
//! Invariants:
//! - an index has a store of its own; documents are written without waiting for it;
//! - its entries and the cursors that say how far it came are one commit;
//! - an index can be lost: it is built again from the documents.

mod analyzer;
mod auto;
mod auto_reduce;
mod batch_record;
pub(crate) mod blocks;
mod catalog;
mod compile;
mod created_field;
mod definition;
mod entry_builder;
mod entry_writer;
mod feeding;
mod field_path;
mod follow;
mod found_sets;
mod idle;
mod index;
mod map;
mod number;
mod output;
mod output_catalog;
mod output_pattern;
mod output_writer;
mod portable;
mod progress;
mod records;
mod reduce;
mod references;
mod source_cache;
mod spatial_field;
mod step;
pub(crate) mod tables;
mod term;
mod term_kinds;
mod terms;

pub use analyzer::{Analyzer, Word};
pub use auto::{Aggregation, AutoDefinition, GroupField, Grouping};
pub use auto_reduce::result_name;
pub use batch_record::BatchRecord;
pub use catalog::Indexes;
pub use compile::{FormulaCompiler, TranslatedParts};
pub use definition::{
    FieldKey, FieldKind, FieldOptions, IndexDefinition, IndexRecord, IndexSource, IndexState,
    LockMode, Priority, REPLACEMENT_PREFIX, to_name_key,
};
pub use entry_builder::{FieldForm, FieldForms};
pub(crate) use entry_builder::{decode_frequency, decode_positions, values_of_json};
pub use field_path::{FieldPath, FieldReader};
pub use follow::{ALL_DOCUMENTS, Followed};
pub use found_sets::FoundSets;
pub use idle::IdleLimits;
pub use index::{Index, IndexInError, IndexRefusal, IndexView, IndexingError, Waiter};
pub use map::{
    CompiledIndex, CompiledMap, FieldsMap, IndexCompiler, LoadedTexts, Loads, NoCompiler, Object,
    ObjectMap, ObjectReduce,
};
pub use number::Number;
pub use output::Output;
pub use portable::PortableIndex;
pub use progress::CollectionProgress;
pub use records::rewrite_record;
pub use spatial_field::SpatialPaths;
pub use step::{StepLimits, StepReport};
pub use tables::{Cursor, FieldState, Progress};
pub use term::{FieldValue, MAX_TEXT_BYTES, Term, fold_case};
pub use term_kinds::TermKinds;
