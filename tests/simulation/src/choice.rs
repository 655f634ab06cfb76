//! Every choice of a run, from its seed.

use pinyon_core::host::{Random, SeededRandom};

/// A source of choices.
pub(crate) struct Choice {
    random: SeededRandom,
}

impl Choice {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes).expect("a seed never runs dry");
        u64::from_le_bytes(bytes)
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.number() % end.max(1) as u64).expect("it is below a usize")
    }

    /// Whether something with this chance of a thousand happens.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        self.number() % 1000 < per_mille
    }
}
