//! The collections that indexes write: who may, and what is left when one writes no more.
//!
//! An index that is deleted leaves its documents as they are, since they may be all that is left of
//! what they were computed from; whoever writes the collection next takes them over.

use std::collections::BTreeSet;

use super::catalog::Indexes;
use super::definition::{IndexDefinition, REPLACEMENT_PREFIX, to_name_key};
use super::feeding::{Feeding, check_feeding};
use super::follow::Followed;
use super::index::Index;
use super::map::CompiledIndex;
use super::output::Output;
use crate::commands::{Operation, OutputDocument, WriteOutputs};
use crate::document::DocumentId;
use crate::schema::documents::DocumentFlags;
use crate::storage::{Environment, Store};
use crate::{Error, Result};

/// Documents looked at in one go.
const CHUNK: usize = 256;

/// The collections that `old` writes and `new` does not.
pub(super) fn abandoned<S: Store>(old: &Index<S>, new: &Index<S>) -> Vec<String> {
    let kept: BTreeSet<&str> = new.output.iter().flat_map(Output::collections).collect();
    let written = old.output.iter().flat_map(Output::collections);
    let own = old.record().abandoned_outputs.clone();
    let mut left: Vec<String> = written
        .map(str::to_owned)
        .chain(own)
        .filter(|it| !kept.contains(it.as_str()))
        .collect();
    left.sort();
    left.dedup();
    left
}

impl<E: Environment> Indexes<E> {
    /// Refuses an index that would feed itself, write where another one does, or write among
    /// documents that are not results.
    pub(super) async fn check_output(
        &self,
        definition: &IndexDefinition,
        compiled: &CompiledIndex,
    ) -> Result<()> {
        let output = Output::of_definition(definition)?;
        let writes = |output: Option<&Output>| -> Vec<String> {
            let keys = output.into_iter().flat_map(Output::collections);
            keys.map(str::to_owned).collect()
        };
        let maps = compiled.maps.iter();
        let new = Feeding {
            name: definition.name.clone(),
            reads: maps.map(|it| Followed::of(it.collection())).collect(),
            writes: writes(output.as_ref()),
        };
        let own = to_name_key(&definition.name);
        let own_replacement = to_name_key(&format!("{REPLACEMENT_PREFIX}{}", definition.name));
        let mut others = Vec::new();
        let mut written_before = Vec::new();
        for index in self.list() {
            let key = to_name_key(&index.name());
            if key == own || key == own_replacement {
                written_before.extend(writes(index.output.as_ref()));
                continue;
            }
            let mut reads = index.followed().to_vec();
            reads.extend(Index::<E::Store>::referenced(&index.view().await?.progress));
            others.push(Feeding {
                name: index.name(),
                reads,
                writes: writes(index.output.as_ref()),
            });
        }
        check_feeding(&new, &others)?;
        for collection in &new.writes {
            if !written_before.contains(collection) {
                self.check_holds_only_results(&new.name, collection).await?;
            }
        }
        Ok(())
    }

    async fn check_holds_only_results(&self, index: &str, collection: &str) -> Result<()> {
        let tx = self.database().read().await?;
        let followed = Followed::Collection(collection.to_owned());
        let mut after = 0;
        loop {
            let found = followed.documents_after(&tx, after, CHUNK).await?;
            let keys = found.items.iter().map(|(_, key)| key.clone()).collect();
            for document in tx.documents_by_key(keys).await?.into_iter().flatten() {
                if !document.flags().contains(DocumentFlags::ARTIFICIAL) {
                    return Err(Error::invalid(format!(
                        "Failed to compile index '{index}': the collection '{}' holds documents \
                         that are no results, such as '{}'; results are written to a collection \
                         of their own",
                        document.collection(),
                        document.id()
                    )));
                }
            }
            if !found.has_more {
                return Ok(());
            }
            after = found.last_etag()?;
        }
    }

    /// Deletes the results in collections that an index has ceased to write.
    pub(super) async fn sweep_abandoned(&self, index: &Index<E::Store>) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut record = (*index.record()).clone();
        let written: BTreeSet<String> = self
            .list()
            .iter()
            .flat_map(|it| it.output.clone())
            .flat_map(|it| {
                let keys = it.collections();
                keys.into_iter().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        for collection in &record.abandoned_outputs {
            if !written.contains(collection) {
                self.delete_results(collection).await?;
            }
        }
        record.abandoned_outputs.clear();
        self.change(index, record).await
    }

    async fn delete_results(&self, collection: &str) -> Result<()> {
        let followed = Followed::Collection(collection.to_owned());
        let mut after = 0;
        loop {
            let tx = self.database().read().await?;
            let found = followed.documents_after(&tx, after, CHUNK).await?;
            let keys = found.items.iter().map(|(_, key)| key.clone()).collect();
            let documents = tx.documents_by_key(keys).await?;
            drop(tx);
            let gone = documents.into_iter().flatten();
            let documents = gone
                .map(|it| {
                    Ok(OutputDocument {
                        id: DocumentId::new(it.id(), usize::MAX)?,
                        document: None,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            let write = Operation::WriteOutputs(WriteOutputs { documents });
            self.database().execute(write).await?;
            if !found.has_more {
                return Ok(());
            }
            after = found.last_etag()?;
        }
    }
}
