// What the package offers, the same in all environments.

export { AdvancedSession, type StartingWithOptions } from './advanced_session.js';
export { BulkInsert, type AttachmentsBulkInsert } from './bulk_insert.js';
export { ChangesObservable, DatabaseChanges, type ChangeListener } from './changes.js';
export { DocumentConventions, type DocumentType, type EntityClass } from './conventions.js';
export type { ChangeType, DocumentsChanges } from './document_changes.js';
export type { Metadata } from './entity.js';
export { Conflicts, type Conflict, type ConflictSummary, type ConflictVersion } from './conflicts.js';
export { ConcurrencyError, DocumentConflictError, PinyonError, type ErrorCode } from './errors.js';
export {
    DocumentQuery,
    RawDocumentQuery,
    type OrderingType,
    type QueryOptions,
    type QueryStatistics,
} from './query.js';
export {
    AbstractJavaScriptIndexCreationTask,
    AbstractJavaScriptMultiMapIndexCreationTask,
    type FieldIndexing,
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
    type SessionOptions,
    type StoreOptions as StoreDocumentOptions,
} from './session.js';
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
