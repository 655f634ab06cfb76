//! What replication keeps: conflicts, the ledger, and what an edge has pending.

use bytes::Bytes;

use super::table_scan::{Presence, Reference, TableScan};
use super::{Verification, VerifyProgress};
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::edge::{self, EdgeStateKind, PendingWrite};
use crate::schema::etags::{self, ItemKind};
use crate::schema::ledger::{self, Fact, ReplicaRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    CONFLICTS, EDGE_STATES, ETAGS, LEDGER, PENDING, PENDING_ORDER, REPLICAS, TOMBSTONES,
};
use crate::storage::Snapshot;
use crate::version::Siblings;

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_replication(&mut self) {
        self.check_conflicts().await;
        self.check_ledger().await;
        self.check_pending().await;
    }

    async fn check_conflicts(&mut self) {
        let mut scan = TableScan::new(CONFLICTS);
        while let Some(page) = self.next_page(&mut scan).await {
            let keys: Vec<Bytes> = page.iter().map(|(key, _)| key.clone()).collect();
            let tombstones = self.get_many(TOMBSTONES, &keys).await;
            for ((key, value), tombstone) in page.into_iter().zip(tombstones) {
                let set = match conflicts::decode(&value) {
                    Ok(set) => set,
                    Err(error) => {
                        self.records_are_complete = false;
                        self.add_problem(CONFLICTS, &key, error.message());
                        continue;
                    }
                };
                for live in &set.live {
                    self.add_references_of(&live.value.attachments);
                    if !set.context.contains(live.dot) {
                        self.add_problem(CONFLICTS, &key, "its context lacks a live version");
                    }
                }
                if !set.is_conflict() {
                    self.add_problem(CONFLICTS, &key, "it holds fewer than two versions");
                }
                let tombstone = tombstone.and_then(|value| Tombstone::decode(&value).ok());
                if !tombstone.is_some_and(|it| it.is_conflict() && it.context == set.context) {
                    self.add_problem(CONFLICTS, &key, "its tombstone does not tell of it");
                }
            }
        }
    }

    async fn check_ledger(&mut self) {
        let mut scan = TableScan::new(LEDGER);
        while let Some(page) = self.next_page(&mut scan).await {
            let mut of_etags = Vec::new();
            for (key, value) in page {
                let fact = Fact::from_key(&key).and_then(|_| ledger::decode_value(&value));
                match fact {
                    Ok((etag, _)) => of_etags.push(Reference {
                        key: key.clone(),
                        entry: etags::key(etag),
                        expected: Some(etags::value(ItemKind::Fact, &key)),
                    }),
                    Err(error) => self.add_problem(LEDGER, &key, error.message()),
                }
            }
            self.check_references(LEDGER, ETAGS, of_etags).await;
        }
        let mut scan = TableScan::new(REPLICAS);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                if let Err(error) = ReplicaRecord::decode(&value) {
                    self.add_problem(REPLICAS, &key, error.message());
                }
            }
        }
    }

    async fn check_pending(&mut self) {
        let mut scan = TableScan::new(PENDING);
        while let Some(page) = self.next_page(&mut scan).await {
            let mut in_order = Vec::new();
            for (key, value) in page {
                match PendingWrite::decode(&value) {
                    Ok(pending) => in_order.push(Presence {
                        entry: edge::order_key(pending.origin.sequence),
                        key,
                    }),
                    Err(error) => self.add_problem(PENDING, &key, error.message()),
                }
            }
            self.check_presence(PENDING, PENDING_ORDER, in_order).await;
        }
        let mut scan = TableScan::new(PENDING_ORDER);
        while let Some(page) = self.next_page(&mut scan).await {
            let keys: Vec<Bytes> = page.iter().map(|(_, key)| key.clone()).collect();
            let writes = self.get_many(PENDING, &keys).await;
            for ((order, _), write) in page.into_iter().zip(writes) {
                let write = write.and_then(|value| PendingWrite::decode(&value).ok());
                let sequence = edge::decode_order_key(&order).ok();
                if write.map(|it| it.origin.sequence) != sequence {
                    self.add_problem(PENDING_ORDER, &order, "it belongs to no pending write");
                }
            }
        }
        let mut scan = TableScan::new(EDGE_STATES);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                if key.first() == Some(&(EdgeStateKind::Met as u8)) {
                    continue;
                }
                match conflicts::decode(&value) {
                    Ok(set) => set
                        .live
                        .iter()
                        .for_each(|live| self.add_references_of(&live.value.attachments)),
                    Err(error) => {
                        self.records_are_complete = false;
                        self.add_problem(EDGE_STATES, &key, error.message());
                    }
                }
            }
        }
    }

    /// Every set of versions outside the documents themselves.
    pub(super) async fn sets_of_versions(&mut self) -> Vec<Siblings<DocumentVersion>> {
        let mut sets = Vec::new();
        for space in [CONFLICTS, EDGE_STATES] {
            let mut scan = TableScan::new(space);
            while let Some(page) = self.next_page(&mut scan).await {
                let is_mark = |key: &Bytes| {
                    space == EDGE_STATES && key.first() == Some(&(EdgeStateKind::Met as u8))
                };
                let found = page.iter().filter(|(key, _)| !is_mark(key));
                sets.extend(found.filter_map(|(_, value)| conflicts::decode(value).ok()));
            }
        }
        sets
    }
}
