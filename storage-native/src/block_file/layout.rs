//! Where blocks and their checksums are: two header copies, then groups of one block of checksums
//! and 512 blocks.

use std::io;

pub(super) const BLOCK: usize = 4096;
pub(super) const BLOCK_BYTES: u64 = BLOCK as u64;
/// Checksums in a checksum block, and so blocks in a group.
pub(super) const GROUP: u64 = BLOCK_BYTES / 8;
/// Physical blocks before the first group.
pub(super) const HEADERS: u64 = 2;

/// The place of logical block `number` (1 and up; block 0 is the header).
pub(super) fn physical_block(number: u64) -> u64 {
    let data = number - 1;
    HEADERS + (data / GROUP) * (GROUP + 1) + 1 + data % GROUP
}

/// The place of the checksums of a group.
pub(super) fn checksum_block(group: u64) -> u64 {
    HEADERS + group * (GROUP + 1)
}

/// The group of a logical block, and where in the group's block its checksum is.
pub(super) fn group_of(number: u64) -> (u64, usize) {
    let data = number - 1;
    let slot = usize::try_from(data % GROUP).expect("a remainder below 512");
    (data / GROUP, slot * 8)
}

/// The length of a file that holds `logical` bytes.
pub(super) fn physical_len(logical: u64) -> u64 {
    match logical.div_ceil(BLOCK_BYTES) {
        0 => 0,
        1 => HEADERS * BLOCK_BYTES,
        blocks => (physical_block(blocks - 1) + 1) * BLOCK_BYTES,
    }
}

/// The bytes that a file of this length holds.
pub(super) fn logical_len(physical: u64) -> u64 {
    let blocks = physical / BLOCK_BYTES;
    if blocks == 0 {
        return 0;
    }
    let rest = blocks.saturating_sub(HEADERS);
    let data = (rest / (GROUP + 1)) * GROUP + (rest % (GROUP + 1)).saturating_sub(1);
    (data + 1) * BLOCK_BYTES
}

/// The runs of blocks, within one group each, that make up a range behind the header.
pub(super) fn runs(offset: u64, len: usize) -> io::Result<impl Iterator<Item = (u64, usize)>> {
    if offset == 0 || !offset.is_multiple_of(BLOCK_BYTES) || !len.is_multiple_of(BLOCK) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("access to {len} bytes at {offset} is not in whole blocks"),
        ));
    }
    let mut number = offset / BLOCK_BYTES;
    let mut rest = len / BLOCK;
    Ok(std::iter::from_fn(move || {
        let in_group = GROUP - (number - 1) % GROUP;
        let count = rest.min(usize::try_from(in_group).unwrap_or(usize::MAX));
        let run = (number, count * BLOCK);
        number += count as u64;
        rest -= count;
        (count > 0).then_some(run)
    }))
}
