//! Facets, shapes and words over random documents, against what a plain loop over them finds.

#[cfg(feature = "spatial")]
mod places;
mod words;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::order;
use super::story::indexes::{ask, ask_with, ids, open, write};
use super::story::{Story, delete};
use pinyon_core::query::Parameters;

/// A number as clients may write it.
fn literal(quarters: i32, form: u8) -> String {
    let number = f64::from(quarters) / 4.0;
    match form % 3 {
        0 => json!(number).to_string(),
        1 => format!("{number}"),
        _ => format!("{}e-2", quarters * 25),
    }
}

fn number_of(text: &str) -> f64 {
    text.parse().unwrap()
}

#[derive(Debug, Clone)]
struct Item {
    kind: Option<u8>,
    price: String,
    tags: Vec<u8>,
}

fn any_item() -> impl Strategy<Value = Item> {
    let price = (-40..40i32, any::<u8>()).prop_map(|(quarters, form)| literal(quarters, form));
    let tags = proptest::collection::vec(0..5u8, 0..4);
    (proptest::option::of(0..4u8), price, tags).prop_map(|(kind, price, tags)| Item {
        kind,
        price,
        tags,
    })
}

fn counted(items: &[&Item], terms: impl Fn(&Item) -> Vec<String>) -> BTreeMap<String, (u64, f64)> {
    let mut groups: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for item in items {
        let mut terms = terms(item);
        terms.sort();
        terms.dedup();
        for term in terms {
            let group = groups.entry(term).or_default();
            group.0 += 1;
            group.1 += number_of(&item.price);
        }
    }
    groups
}

fn shown(facet: &Value) -> BTreeMap<String, (u64, f64)> {
    let values = facet["Values"].as_array().unwrap().iter();
    values
        .map(|it| {
            let range = it["Range"].as_str().unwrap().to_owned();
            (
                range,
                (it["Count"].as_u64().unwrap(), it["Sum"].as_f64().unwrap()),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn facets_count_as_a_loop_does(
        items in proptest::collection::vec(any_item(), 0..60),
        (least, from, to) in (-40..40i32, -40..40i32, -40..40i32),
        forms: [u8; 3],
    ) {
        let story = Story::new();
        story.run(async |database| {
            let indexes = open(&story, &database).await;
            write(&database, commands(&items)).await;
            let (least_text, from_text) = (literal(least, forms[0]), literal(from, forms[1]));
            let to_text = literal(to, forms[2]);
            let text = format!(
                "from Orders where Price >= {least_text} select facet(Kind, sum(Price)), \
                 facet(Tags, sum(Price)), facet(Price < $from, Price between {from_text} and {to_text}, \
                 Price > {to_text}, sum(Price)) as Ranges, facet(sum(Price), min(Price), max(Price), avg(Price))"
            );
            let mut parameters = Parameters::new();
            parameters.insert("from".to_owned(), serde_json::from_str(&from_text).unwrap());
            let (results, ..) = ask_with(&indexes, &text, parameters).await.unwrap();
            let (least, from, to) = (number_of(&least_text), number_of(&from_text), number_of(&to_text));
            let found: Vec<&Item> = items.iter().filter(|it| number_of(&it.price) >= least).collect();

            let kinds = counted(&found, |it| {
                vec![it.kind.map_or("NULL_VALUE".to_owned(), |kind| format!("kind {kind}"))]
            });
            assert_eq!(shown(&results[0]), kinds);
            let tags = counted(&found, |it| match it.tags.as_slice() {
                [] => vec!["EMPTY_LIST".to_owned()],
                tags => tags.iter().map(|it| format!("t{it}")).collect(),
            });
            assert_eq!(shown(&results[1]), tags);
            assert_eq!(results[2]["Name"], "Ranges");
            let sums = results[2]["Values"].as_array().unwrap();
            let inside = [
                &(|it: f64| it < from) as &dyn Fn(f64) -> bool,
                &|it| it >= from && it <= to,
                &|it| it > to,
            ];
            for (range, is_inside) in sums.iter().zip(inside) {
                let prices: Vec<f64> = found
                    .iter()
                    .map(|it| number_of(&it.price))
                    .filter(|it| is_inside(*it))
                    .collect();
                assert_eq!(range["Count"].as_u64().unwrap(), prices.len() as u64, "{range}");
                assert_eq!(range["Sum"].as_f64().unwrap(), prices.iter().sum::<f64>(), "{range}");
            }
            let all = &results[3]["Values"][0];
            let prices: Vec<f64> = found.iter().map(|it| number_of(&it.price)).collect();
            assert_eq!(results[3]["Name"], "@AllResults");
            assert_eq!(all["Min"].as_f64(), prices.iter().copied().reduce(f64::min));
            assert_eq!(all["Max"].as_f64(), prices.iter().copied().reduce(f64::max));
            #[allow(clippy::cast_precision_loss)]
            let average = (!prices.is_empty()).then(|| prices.iter().sum::<f64>() / prices.len() as f64);
            match (all["Average"].as_f64(), average) {
                // serde_json reads doubles to the last digit but one.
                (Some(shown), Some(average)) => assert!((shown - average).abs() < 1e-9),
                (shown, average) => assert_eq!(shown, average),
            }
        });
    }

    #[test]
    fn a_filter_finds_what_an_index_finds(
        items in proptest::collection::vec(any_item(), 0..40),
        conditions in proptest::collection::vec((0..20usize, 0..6u8), 1..4),
        (least, form) in (-40..40i32, any::<u8>()),
    ) {
        let one = |which: usize| match which {
            0 => format!("Price >= {}", literal(least, form)),
            1 => format!("Price < {}", literal(least, form)),
            2 => format!("Price between {} and 5", literal(least, form)),
            3 => format!("Price = {}", literal(least, form)),
            4 => "Kind = 'kind 1'".to_owned(),
            5 => "exact(Kind = 'kind 1')".to_owned(),
            6 => "exact(Kind = 'Kind 1')".to_owned(),
            7 => "Kind = null".to_owned(),
            8 => "Kind != null".to_owned(),
            9 => "Kind > 'kind 0'".to_owned(),
            10 => "Tags in ('T1', 't2')".to_owned(),
            11 => "Tags all in ('T1', 't2')".to_owned(),
            12 => "startsWith(Kind, 'KIND')".to_owned(),
            13 => "endsWith(Kind, ' 2')".to_owned(),
            14 => "regex(Kind, '^kind [12]')".to_owned(),
            15 => "exists(Nothing)".to_owned(),
            16 => "id() > 'items/2'".to_owned(),
            17 => "id() between 'items/1' and 'items/3'".to_owned(),
            18 => "startsWith(id(), 'items/1')".to_owned(),
            _ => "exists(Tags)".to_owned(),
        };
        let mut condition = String::new();
        for (which, join) in conditions {
            let (not, join) = (if join % 2 == 0 { "" } else { "not " }, ["and", "or", "and"][usize::from(join) / 2]);
            let next = format!("{not}{}", one(which));
            condition = if condition.is_empty() { next } else { format!("({condition}) {join} {next}") };
        }
        let story = Story::new();
        story.run(async |database| {
            let indexes = open(&story, &database).await;
            write(&database, commands(&items)).await;
            let (found, total, _) = ask(&indexes, &format!("from Orders where {condition}")).await.unwrap();
            let (passed, count, _) = ask(&indexes, &format!("from Orders filter {condition}")).await.unwrap();
            let sorted = |found: &[Value]| {
                let mut ids = ids(found);
                ids.sort();
                ids
            };
            assert_eq!(sorted(&found), sorted(&passed), "{condition}");
            assert_eq!(total, count, "{condition}");
            // Over an index, page by page, and no further than the limit.
            let text = format!("from Orders where exists(Price) filter {condition} order by Price limit 1, 3");
            let (page, count, _) = ask(&indexes, &text).await.unwrap();
            assert_eq!(count, total, "{condition}");
            assert_eq!(page.len() as u64, total.saturating_sub(1).min(3));
            let text = format!("from Orders filter {condition} filter_limit 5");
            let (few, ..) = ask(&indexes, &text).await.unwrap();
            assert!(few.len() <= 5 && few.iter().all(|it| found.contains(it)), "{condition}");
        });
    }

    #[test]
    fn groups_have_their_extremes_and_averages(
        items in proptest::collection::vec(any_item(), 0..40),
        gone in proptest::collection::vec(0..40usize, 0..8),
    ) {
        let story = Story::new();
        story.run(async |database| {
            let indexes = open(&story, &database).await;
            write(&database, commands(&items)).await;
            let text = "from Orders group by Kind select key() as Key, count() as Count, \
                        min(Price) as Least, max(Price) as Greatest, avg(Price) as Average, sum(Price) as Sum";
            ask(&indexes, text).await.unwrap();
            let mut left: BTreeMap<usize, &Item> = items.iter().enumerate().collect();
            let deletions = gone.iter().filter(|it| left.remove(it).is_some());
            let deletions: Vec<_> = deletions.map(|it| delete(&format!("items/{it}"))).collect();
            write(&database, deletions).await;
            let (results, ..) = ask(&indexes, text).await.unwrap();
            let mut groups: BTreeMap<Option<u8>, Vec<f64>> = BTreeMap::new();
            for item in left.values() {
                groups.entry(item.kind).or_default().push(number_of(&item.price));
            }
            assert_eq!(results.len(), groups.len());
            for result in &results {
                let kind = result["Key"].as_str().map(|it| it["Kind ".len()..].parse().unwrap());
                let prices = &groups[&kind];
                #[allow(clippy::cast_precision_loss)]
                let average = prices.iter().sum::<f64>() / prices.len() as f64;
                assert_eq!(result["Count"].as_u64(), Some(prices.len() as u64));
                assert_eq!(result["Least"].as_f64(), prices.iter().copied().reduce(f64::min));
                assert_eq!(result["Greatest"].as_f64(), prices.iter().copied().reduce(f64::max));
                assert_eq!(result["Sum"].as_f64(), Some(prices.iter().sum()));
                assert!((result["Average"].as_f64().unwrap() - average).abs() < 1e-9, "{result}");
            }
            let (few, ..) = ask(&indexes, "from Orders group by Kind filter count() > 3 select key(), count()").await.unwrap();
            let expected = groups.values().filter(|it| it.len() > 3).count();
            assert_eq!(few.len(), expected);
        });
    }
}

fn commands(items: &[Item]) -> Vec<pinyon_core::commands::BatchCommand> {
    let command = |(at, item): (usize, &Item)| {
        let kind = json!(item.kind.map(|it| format!("Kind {it}")));
        let tags: Vec<String> = item.tags.iter().map(|it| format!("T{it}")).collect();
        let tags = json!(tags);
        order(
            &format!("items/{at}"),
            &format!(r#"{{"Kind":{kind},"Price":{},"Tags":{tags}}}"#, item.price),
        )
    };
    items.iter().enumerate().map(command).collect()
}
