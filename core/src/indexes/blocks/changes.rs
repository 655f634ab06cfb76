//! Changes of many small records, gathered in one buffer.

/// Records to be put or deleted.
#[derive(Default)]
pub struct Changes {
    bytes: Vec<u8>,
    list: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    /// The first bytes of the key, which decide most comparisons.
    start: u64,
    from: usize,
    key_bytes: u32,
    value_bytes: u32,
    is_put: bool,
}

impl Changes {
    /// Puts a record whose key is made of parts.
    pub fn put(&mut self, key: &[&[u8]], value: &[u8]) {
        self.add(key, value, true);
    }

    /// Deletes a record.
    pub fn delete(&mut self, key: &[&[u8]]) {
        self.add(key, &[], false);
    }

    fn add(&mut self, key: &[&[u8]], value: &[u8], is_put: bool) {
        let from = self.bytes.len();
        key.iter().for_each(|it| self.bytes.extend_from_slice(it));
        let key_bytes = self.bytes.len() - from;
        let mut start = [0; 8];
        let count = key_bytes.min(8);
        start[..count].copy_from_slice(&self.bytes[from..from + count]);
        self.bytes.extend_from_slice(value);
        let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        self.list.push(Place {
            start: u64::from_be_bytes(start),
            from,
            key_bytes: short(key_bytes),
            value_bytes: short(value.len()),
            is_put,
        });
    }

    /// How many bytes are held.
    pub fn byte_count(&self) -> usize {
        self.bytes.len() + self.list.len() * size_of::<Place>()
    }

    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// By key; of several changes of one key the last counts.
    pub(super) fn sort(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by(|a, b| {
            let by_start = a.start.cmp(&b.start);
            by_start.then_with(|| self.key_of(a).cmp(self.key_of(b)))
        });
        list.reverse();
        list.dedup_by(|a, b| a.start == b.start && self.key_of(a) == self.key_of(b));
        list.reverse();
        self.list = list;
    }

    fn key_of(&self, place: &Place) -> &[u8] {
        &self.bytes[place.from..place.from + place.key_bytes as usize]
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        self.key_of(&self.list[at])
    }

    /// What the key is to have; `None` for a deletion.
    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        let place = &self.list[at];
        let from = place.from + place.key_bytes as usize;
        place
            .is_put
            .then(|| &self.bytes[from..from + place.value_bytes as usize])
    }

    /// From `at` on, the first change that is not in front of `end`.
    pub(super) fn first_behind(&self, at: usize, end: Option<&[u8]>) -> usize {
        match end {
            None => self.list.len(),
            Some(end) => at + self.list[at..].partition_point(|it| self.key_of(it) < end),
        }
    }
}
