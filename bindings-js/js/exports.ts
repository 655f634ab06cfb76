// What the package offers, the same in all environments.

export {
    AdvancedSession,
    type ConditionalLoadResult,
    type EntityInfo,
    type IndexBatchOptions,
    type StartingWithOptions,
} from './advanced_session.js';
export type { QueryResult, QueryStatistics } from './asked_query.js';
export { BulkInsert, type AttachmentsBulkInsert } from './bulk_insert.js';
export { ChangesObservable, DatabaseChanges, type ChangeListener } from './changes.js';
export {
    DeleteCommandData,
    DeletePrefixedCommandData,
    PatchCommandData,
    PutCommandDataBase,
    PutCommandDataWithJson,
    type CommandData,
} from './commands.js';
export type { QueryOperator } from './conditions.js';
export { DocumentConventions, type DocumentType, type EntityClass, type IdConvention } from './conventions.js';
export type { ChangeType, DocumentsChanges } from './document_changes.js';
export type { Metadata } from './entity.js';
export { Conflicts, type Conflict, type ConflictSummary, type ConflictVersion } from './conflicts.js';
export { ConcurrencyError, DocumentConflictError, PinyonError, type ErrorCode } from './errors.js';
export {
    DocumentQuery,
    RawDocumentQuery,
    type NullsOrdering,
    type OrderingType,
    type QueryOptions,
} from './query.js';
export {
    AggregationDocumentQuery,
    Facet,
    FacetBase,
    FacetBuilder,
    FacetOptions,
    GenericRangeFacet,
    RangeBuilder,
    RangeFacet,
    type FacetAggregation,
    type FacetAggregationField,
    type FacetResult,
    type FacetResultObject,
    type FacetTermSortMode,
    type FacetValue,
} from './facets.js';
export { FilterFactory } from './filtering.js';
export { GroupBy, GroupByDocumentQuery, GroupByField } from './grouping.js';
export { Lazy, LazyLoaderWithInclude, LazySessionOperations, type ResponseTimeInformation } from './lazy.js';
export {
    MoreLikeThisBase,
    MoreLikeThisBuilder,
    type MoreLikeThisOptions,
} from './more_like_this.js';
export { QueryData } from './query_data.js';
export { Highlightings, type ExplanationOptions, type Explanations, type HighlightingParameters, type QueryTimings } from './remarks.js';
export {
    DynamicSpatialField,
    PointField,
    SpatialCriteria,
    SpatialCriteriaFactory,
    WktField,
    type SpatialRelation,
    type SpatialUnits,
} from './spatial.js';
export { DocumentResultStream, type StreamQueryStatistics, type StreamResult } from './streams.js';
export {
    SuggestionBase,
    SuggestionBuilder,
    SuggestionDocumentQuery,
    type StringDistanceTypes,
    type SuggestionOptions,
    type SuggestionResult,
    type SuggestionSortMode,
    type SuggestionsResponseObject,
} from './suggestions.js';
export type { WhereParams } from './where.js';
export {
    AbstractJavaScriptIndexCreationTask,
    AbstractJavaScriptMultiMapIndexCreationTask,
    type FieldIndexing,
    type FieldTermVector,
    type IndexDefinition,
    type IndexFieldOptions,
    type IndexGroup,
    type IndexLockMode,
    type IndexPriority,
    type IndexTask,
    type MapFunction,
    type MapUtils,
    type ReduceFunction,
    type ReduceResults,
} from './index_definition.js';
export {
    Indexes,
    type IndexErrors,
    type IndexingError,
    type IndexStatistics,
    type IndexType,
    type StoredIndexDefinition,
} from './indexes.js';
export { Operations, type OperationOptions, type OperationQuery, type OperationResult, type PatchFunction } from './operations.js';
export {
    SessionPatches,
    type JavaScriptArray,
    type JavaScriptMap,
    type JsonPatchOperation,
    type PatchRequest,
} from './session_patches.js';
export type { IncludeBuilder } from './includes.js';
export { Live, LiveDocument, LiveQuery, type LiveDocumentState, type LiveResults, type LiveState } from './live.js';
export type { AttachmentFetch, DocumentChange, PendingDocument, SyncEvent, SyncState } from './protocol.js';
export {
    DocumentSession,
    LoaderWithInclude,
    type EntitiesCollection,
    type LoadOptions,
    type StoreOptions as StoreDocumentOptions,
} from './session.js';
export type { OptimisticConcurrencyMode, SessionOptions } from './session_options.js';
export {
    SessionAttachments,
    type Attachment,
    type AttachmentContent,
    type AttachmentDetails,
    type AttachmentName,
} from './session_attachments.js';
export { SessionRevisions, type RevisionsOptions } from './session_revisions.js';
export {
    DocumentStore,
    Maintenance,
    Smuggler,
    StoreStorage,
    type DatabaseStatistics,
    type ImportReport,
    type RevisionsCollectionConfiguration,
    type SessionEvent,
    type StorageStatus,
    type StoreEventMap,
    type StoreOptions,
} from './store.js';
export { Sync, type SyncEventMap, type SyncRequest, type TokenSource } from './sync.js';
export type * from './official_types.js';
