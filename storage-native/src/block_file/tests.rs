//! Checked blocks: what is written is read, and what is damaged is named.

use super::*;
use crate::disk::{Directory, Fault, SimulatedDisk};

fn file(disk: &SimulatedDisk) -> Arc<dyn DiskFile> {
    disk.open("data").unwrap()
}

#[test]
fn lengths_map_both_ways() {
    for blocks in (0..1_600).chain([100_000, 5_000_001]) {
        let logical = blocks * BLOCK_BYTES;
        assert_eq!(logical_len(physical_len(logical)), logical);
    }
    // Places do not overlap with each other nor with checksums.
    let mut places: Vec<u64> = (1..2_000).map(physical_block).collect();
    places.extend((0..4).map(checksum_block));
    places.extend(0..HEADERS);
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn blocks_come_back_and_every_flipped_bit_is_noticed() {
    let disk = SimulatedDisk::default();
    let blocks = BlockFile::create(file(&disk), 77);
    blocks.set_len(1_200 * BLOCK_BYTES).unwrap();
    let data: Vec<u8> = (0..600 * BLOCK).map(|at| (at / 7) as u8).collect();
    blocks.write(0, b"header").unwrap();
    // A run over a group's border.
    blocks.write(300 * BLOCK_BYTES, &data).unwrap();
    blocks.sync_data().unwrap();
    for open_again in [false, true] {
        let blocks = match open_again {
            true => &BlockFile::open(file(&disk)).unwrap(),
            false => &blocks,
        };
        assert_eq!(blocks.len().unwrap(), 1_200 * BLOCK_BYTES);
        let mut found = vec![0; data.len()];
        blocks.read(300 * BLOCK_BYTES, &mut found).unwrap();
        assert!(found == data);
        let mut header = [1; 8];
        blocks.read(0, &mut header).unwrap();
        assert_eq!(&header, b"header\0\0");
    }
    let start = usize::try_from(physical_block(400)).unwrap() * BLOCK;
    for at in (start..start + BLOCK).step_by(97) {
        let damaged = disk.copy();
        damaged.with_bytes("data", |bytes| bytes[at] ^= 4);
        let blocks = BlockFile::open(file(&damaged)).unwrap();
        let mut found = vec![0; BLOCK];
        blocks.read(399 * BLOCK_BYTES, &mut found).unwrap();
        let error = blocks.read(400 * BLOCK_BYTES, &mut found).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(blocks.damage().unwrap().contains("block 400"));
    }
}

#[test]
fn a_block_in_the_wrong_place_is_noticed() {
    let disk = SimulatedDisk::default();
    let blocks = BlockFile::create(file(&disk), 77);
    blocks.set_len(100 * BLOCK_BYTES).unwrap();
    blocks.write(0, b"header").unwrap();
    for number in 1..100_u64 {
        let block = vec![number as u8; BLOCK];
        blocks.write(number * BLOCK_BYTES, &block).unwrap();
    }
    blocks.sync_data().unwrap();
    // Both the block and its checksum land at the neighbour's place.
    disk.with_bytes("data", |bytes| {
        let (from, to) = ((2 + 1 + 4) * BLOCK, (2 + 1 + 5) * BLOCK);
        bytes.copy_within(from..from + BLOCK, to);
        let sums = 2 * BLOCK;
        bytes.copy_within(sums + 4 * 8..sums + 5 * 8, sums + 5 * 8);
    });
    let blocks = BlockFile::open(file(&disk)).unwrap();
    let mut found = vec![0; BLOCK];
    blocks.read(5 * BLOCK_BYTES, &mut found).unwrap();
    assert!(blocks.read(6 * BLOCK_BYTES, &mut found).is_err());
}

#[test]
fn one_damaged_copy_of_the_header_leaves_the_other() {
    let disk = SimulatedDisk::default();
    let blocks = BlockFile::create(file(&disk), 77);
    blocks.set_len(10 * BLOCK_BYTES).unwrap();
    for text in [b"one", b"two"] {
        blocks.write(0, text).unwrap();
        blocks.sync_data().unwrap();
    }
    let read = |disk: &SimulatedDisk| {
        let mut found = [0; 3];
        BlockFile::open(file(disk))?.read(0, &mut found)?;
        Ok::<_, io::Error>(found)
    };
    assert_eq!(&read(&disk).unwrap(), b"two");
    disk.with_bytes("data", |bytes| bytes[BLOCK + 50] ^= 1);
    assert_eq!(&read(&disk).unwrap(), b"one");
    disk.with_bytes("data", |bytes| bytes[50] ^= 1);
    let error = read(&disk).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn writes_that_find_the_disk_full_wait_in_memory() {
    let disk = SimulatedDisk::default();
    let blocks = BlockFile::create(file(&disk), 77);
    blocks.set_len(100 * BLOCK_BYTES).unwrap();
    blocks.write(0, b"header").unwrap();
    blocks.reserve(4 * BLOCK_BYTES, true).unwrap();
    disk.fail_at(1, Fault::Full);
    assert!(blocks.reserve(1 << 30, true).is_err());
    let far = 99 * BLOCK_BYTES + 700 * BLOCK_BYTES;
    blocks.set_len(far + BLOCK_BYTES).unwrap();
    blocks.write(far, &[9; BLOCK]).unwrap();
    assert!(blocks.is_waiting());
    let mut found = [0; BLOCK];
    blocks.read(far, &mut found).unwrap();
    assert_eq!(found, [9; BLOCK]);
    assert!(blocks.sync_data().is_err(), "it is not all on disk");
    assert!(blocks.reserve(0, false).is_err());
    disk.heal();
    blocks.reserve(0, false).unwrap();
    assert!(!blocks.is_waiting());
    blocks.sync_data().unwrap();
    let blocks = BlockFile::open(file(&disk)).unwrap();
    blocks.read(far, &mut found).unwrap();
    assert_eq!(found, [9; BLOCK]);
}
