//! The native backend keeps the storage contract, on real files.

use pinyon_conformance::Harness;
use pinyon_storage_native::{NativeEnvironment, NativeOptions};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the system has room for temporary files"))
    }
}

impl Harness for Files {
    type Environment = NativeEnvironment;

    async fn open(&mut self) -> NativeEnvironment {
        NativeEnvironment::open(self.0.path(), NativeOptions::default())
            .expect("the earlier environment was dropped")
    }
}

pinyon_conformance::for_each_case!(pinyon_conformance::block_on_tests, Files::new());
