//! From where to where each number may go.
//!
//! A bound is what the code below can take (a list that is made ahead, a sum of moments), never a
//! matter of taste.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use pinyon_core::{Error, Result};

use super::Config;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// More memory than a machine has, and little enough to be added up.
const TIB: u64 = 1 << 40;
/// A hundred years: more would overflow the clock.
const LONGEST_S: u64 = 3_153_600_000;
const LONGEST_MS: u64 = LONGEST_S * 1000;

type Bound = (&'static str, u64, RangeInclusive<u64>);

/// Refuses numbers with which nothing works.
///
/// # Errors
/// `InvalidRequest` that names the option and its bounds.
pub fn check(config: &Config) -> Result<()> {
    let bounds = counts(config).into_iter().chain(sizes(config));
    for (flag, value, range) in bounds.chain(times(config)) {
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            return Err(Error::invalid(format!(
                "{flag} {value}: it must be from {least} to {most}"
            )));
        }
    }
    Ok(())
}

fn counts(it: &Config) -> [Bound; 11] {
    let count = |flag, count: usize, most| (flag, count as u64, 1..=most);
    let threads = it.worker_threads.map_or(1, NonZeroUsize::get);
    [
        count("--worker-threads", threads, 1024),
        count("--max-connections", it.max_connections, 1_000_000),
        // A map of headers has no room for more than 24,576.
        count("--max-headers", it.max_headers, 10_000),
        count(
            "--max-multi-get-requests",
            it.max_multi_get_requests,
            1_000_000,
        ),
        // Our reader of JSON calls itself for each level.
        count("--max-json-depth", it.max_json_depth, 120),
        count("--max-batch-commands", it.max_batch_commands, 100_000_000),
        // Each database makes room for all of them when it is opened.
        count("--max-queued-operations", it.max_queued_operations, 65_536),
        count("--max-sync-connections", it.max_sync_connections, 1_000_000),
        count(
            "--max-sync-connections-of-user",
            it.max_sync_connections_of_user,
            1_000_000,
        ),
        count("--max-sync-batch", it.max_sync_batch, 1_000_000),
        (
            "--max-sync-writes-per-s",
            it.max_sync_writes_per_s.into(),
            1..=u32::MAX.into(),
        ),
    ]
}

fn sizes(it: &Config) -> [Bound; 14] {
    let size = |flag, bytes: usize, range| (flag, bytes as u64, range);
    let (output, stack) = (it.max_script_output_bytes, it.max_script_stack_bytes);
    [
        size("--max-head-bytes", it.max_head_bytes, 8 * KIB..=16 * MIB),
        size("--max-request-bytes", it.max_request_bytes, 1..=TIB),
        size("--max-buffered-bytes", it.max_buffered_bytes, 1..=TIB),
        size("--max-response-bytes", it.max_response_bytes, 1..=TIB),
        // The journal has four bytes for a length.
        size("--max-document-bytes", it.max_document_bytes, 1..=GIB),
        size("--max-id-bytes", it.max_id_bytes, 1..=64 * KIB),
        size("--max-queued-bytes", it.max_queued_bytes, 1..=TIB),
        (
            "--max-script-memory-bytes",
            it.max_script_memory_bytes.into(),
            MIB..=2 * GIB,
        ),
        // Less than this and nothing runs; more than the other and the stack has no room for it.
        (
            "--max-script-stack-bytes",
            stack.into(),
            64 * KIB..=16 * MIB,
        ),
        size("--max-script-output-bytes", output, 1..=2 * GIB),
        size("--cache-bytes", it.cache_bytes, 0..=TIB),
        size("--value-cache-bytes", it.value_cache_bytes, 0..=TIB),
        size(
            "--max-sync-frame-bytes",
            it.max_sync_frame_bytes,
            4 * KIB..=GIB,
        ),
        (
            "--max-attachment-bytes",
            it.max_attachment_bytes,
            0..=KIB * TIB,
        ),
    ]
}

fn times(it: &Config) -> [Bound; 11] {
    let ms = |flag, ms| (flag, ms, 1..=LONGEST_MS);
    let seconds = |flag, seconds| (flag, seconds, 0..=LONGEST_S);
    [
        ms("--head-timeout-ms", it.head_timeout_ms),
        ms("--stall-timeout-ms", it.stall_timeout_ms),
        ms("--request-timeout-ms", it.request_timeout_ms),
        ms("--script-timeout-ms", it.script_timeout_ms),
        ms("--sync-silence-timeout-ms", it.sync_silence_timeout_ms),
        (
            "--shutdown-timeout-ms",
            it.shutdown_timeout_ms,
            0..=LONGEST_MS,
        ),
        seconds("--idle-database-timeout-s", it.idle_database_timeout_s),
        seconds(
            "--tombstone-cleanup-interval-s",
            it.tombstone_cleanup_interval_s,
        ),
        seconds(
            "--loose-content-sweep-interval-s",
            it.loose_content_sweep_interval_s,
        ),
        seconds("--loose-content-retention-s", it.loose_content_retention_s),
        (
            "--tombstone-retention-h",
            it.tombstone_retention_h.into(),
            0..=LONGEST_S / 3600,
        ),
    ]
}
