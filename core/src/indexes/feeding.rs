//! Which indexes feed on the results of which: refused when one would come round to itself.

use super::follow::Followed;
use crate::{Error, Result};

/// What an index reads and writes.
#[derive(Debug, Clone)]
pub struct Feeding {
    /// Its name.
    pub name: String,
    /// What its maps follow and load.
    pub reads: Vec<Followed>,
    /// The keys of the collections that it writes results to.
    pub writes: Vec<String>,
}

impl Feeding {
    /// A collection that this index writes and `other` reads.
    fn feeds(&self, other: &Self) -> Option<&str> {
        let is_read = |it: &&String| {
            other.reads.iter().any(|read| match read {
                Followed::All => true,
                Followed::Collection(key) => key == *it,
            })
        };
        self.writes.iter().find(is_read).map(String::as_str)
    }
}

/// Checks that `new` can stand beside `others`.
///
/// # Errors
/// `InvalidRequest` when another index writes the same collection, or `new` would feed itself.
pub fn check_feeding(new: &Feeding, others: &[Feeding]) -> Result<()> {
    let failed =
        |what: String| Error::invalid(format!("Failed to compile index '{}': {what}", new.name));
    for other in others {
        if let Some(shared) = new.writes.iter().find(|it| other.writes.contains(it)) {
            return Err(failed(format!(
                "the index '{}' writes its results to '{shared}' already",
                other.name
            )));
        }
    }
    let mut visited = vec![false; others.len()];
    let mut path = vec![new];
    match find_way_back(new, others, &mut visited, &mut path) {
        Some(last) => {
            let mut way = String::new();
            for pair in path.windows(2) {
                let collection = pair[0].feeds(pair[1]).unwrap_or_default();
                way += &format!(
                    "'{}' writes '{collection}', which '{}' reads; ",
                    pair[0].name, pair[1].name
                );
            }
            let end = path.last().map_or("", |it| &it.name);
            way += &format!("'{end}' writes '{last}', which '{}' reads", new.name);
            Err(failed(format!("it would feed itself: {way}")))
        }
        None => Ok(()),
    }
}

/// Extends `path` to one whose end feeds `new`; answers by which collection.
fn find_way_back<'a>(
    new: &'a Feeding,
    others: &'a [Feeding],
    visited: &mut [bool],
    path: &mut Vec<&'a Feeding>,
) -> Option<String> {
    let end = *path.last()?;
    if let Some(collection) = end.feeds(new) {
        return Some(collection.to_owned());
    }
    for (number, other) in others.iter().enumerate() {
        if visited[number] || end.feeds(other).is_none() {
            continue;
        }
        visited[number] = true;
        path.push(other);
        if let Some(collection) = find_way_back(new, others, visited, path) {
            return Some(collection);
        }
        path.pop();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn feeding(name: &str, reads: &[&str], writes: &[&str]) -> Feeding {
        Feeding {
            name: name.to_owned(),
            reads: reads.iter().map(|it| Followed::of_cursor(it)).collect(),
            writes: writes.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn chains_are_fine_and_loops_are_told() {
        let days = feeding("Days", &["orders"], &["days"]);
        let months = feeding("Months", &["days"], &["months"]);
        let years = feeding("Years", &["months"], &["years"]);
        let others = [days, months, years];
        let decades = feeding("Decades", &["years"], &["decades"]);
        check_feeding(&decades, &others).unwrap();
        let orders = feeding("Orders", &["years"], &["orders"]);
        let error = check_feeding(&orders, &others).unwrap_err();
        assert_eq!(
            error.message(),
            "Failed to compile index 'Orders': it would feed itself: 'Orders' writes 'orders', \
             which 'Days' reads; 'Days' writes 'days', which 'Months' reads; 'Months' writes \
             'months', which 'Years' reads; 'Years' writes 'years', which 'Orders' reads"
        );
        let all = feeding("All", &["@all_docs"], &["summary"]);
        assert!(
            check_feeding(&all, &[])
                .unwrap_err()
                .message()
                .contains("feed itself")
        );
        let other_days = feeding("Other", &["sales"], &["days"]);
        assert!(
            check_feeding(&other_days, &others)
                .unwrap_err()
                .message()
                .contains("'Days'")
        );
    }
}
