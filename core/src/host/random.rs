//! The randomness port.

use std::sync::{Mutex, PoisonError};

use crate::Result;
use crate::storage::{MaybeSend, MaybeSync};

/// The host's source of random bytes.
pub trait Random: MaybeSend + MaybeSync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// `Unavailable` if the host has no randomness to give.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The operating system's unpredictable bytes.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|reason| {
            crate::Error::new(
                crate::ErrorKind::Unavailable,
                format!("no system randomness: {reason}"),
            )
        })
    }
}

/// Reproducible bytes from a seed (SplitMix64), for tests and simulations; never for secrets.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A random (version 4) UUID in its usual text form.
///
/// # Errors
/// As [`Random::fill`].
pub fn random_uuid(random: &dyn Random) -> Result<String> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}
