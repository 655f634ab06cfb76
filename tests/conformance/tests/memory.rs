//! The memory backend keeps the storage contract, bare and behind the fault wrapper.

use pinyon_conformance::Harness;
use pinyon_core::storage::{FaultEnvironment, FaultPlan, MemoryEnvironment};

#[derive(Default)]
struct Memory(MemoryEnvironment);

impl Harness for Memory {
    type Environment = MemoryEnvironment;

    async fn open(&mut self) -> MemoryEnvironment {
        self.0.clone()
    }
}

#[derive(Default)]
struct FaultFree(MemoryEnvironment);

impl Harness for FaultFree {
    type Environment = FaultEnvironment<MemoryEnvironment>;

    async fn open(&mut self) -> Self::Environment {
        FaultEnvironment::new(self.0.clone(), FaultPlan::new())
    }
}

mod bare {
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        super::Memory::default()
    );
}

mod wrapped {
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        super::FaultFree::default()
    );
}
