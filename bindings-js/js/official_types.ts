// The official client's names of interfaces, for code that moves: they are the classes of this package.
//
// Only what exists here has a name; types say no more than what runs.

import type { AdvancedSession } from './advanced_session.js';
import type { AttachmentsBulkInsert } from './bulk_insert.js';
import type { ChangesObservable, DatabaseChanges } from './changes.js';
import type { EntityClass } from './conventions.js';
import type { Metadata } from './entity.js';
import type { AggregationDocumentQuery, FacetBuilder } from './facets.js';
import type { FilterFactory } from './filtering.js';
import type { GroupByDocumentQuery } from './grouping.js';
import type { IncludeBuilder } from './includes.js';
import type { LazyLoaderWithInclude, LazySessionOperations } from './lazy.js';
import type { DocumentQuery, QueryOptions, RawDocumentQuery } from './query.js';
import type { DocumentSession, EntitiesCollection, LoaderWithInclude } from './session.js';
import type { SessionAttachments } from './session_attachments.js';
import type { SessionRevisions } from './session_revisions.js';
import type { DocumentStore } from './store.js';

export type IDocumentStore = DocumentStore;
export type IDocumentSession = DocumentSession;
export type IAdvancedSessionOperations = AdvancedSession;
export type IAttachmentsSessionOperations = SessionAttachments;
export type IRevisionsSessionOperations = SessionRevisions;
export type ILoaderWithInclude = LoaderWithInclude;
export type ILazySessionOperations = LazySessionOperations;
export type ILazyLoaderWithInclude = LazyLoaderWithInclude;
export type IIncludeBuilder = IncludeBuilder;
export type IMetadataDictionary = Metadata;
export type IDocumentQuery<T extends object> = DocumentQuery<T>;
export type IRawDocumentQuery<T extends object> = RawDocumentQuery<T>;
export type IGroupByDocumentQuery<T extends object> = GroupByDocumentQuery<T>;
export type IAggregationDocumentQuery = AggregationDocumentQuery;
export type IFacetBuilder = FacetBuilder;
export type IFilterFactory = FilterFactory;
export type IDatabaseChanges = DatabaseChanges;
export type IChangesObservable = ChangesObservable;
export type IAttachmentsBulkInsert = AttachmentsBulkInsert;
export type DocumentQueryOptions<T extends object> = QueryOptions<T>;
export type EntitiesCollectionObject<T> = EntitiesCollection<T>;
export type ClassConstructor<T extends object = object> = EntityClass<T>;
