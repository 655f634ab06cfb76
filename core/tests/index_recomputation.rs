//! Random edits over indexes of every kind, with crashes in between: what was kept up to date step
//! by step equals what a plain computation over the documents says, and a rebuild says.
//!
//! `PINYON_INDEX_EDITS` sets how many edits there are, `PINYON_INDEX_SEED` which.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test may panic, tells one story from end to end, and its numbers are small"
)]

mod story;

use std::collections::{BTreeMap, BTreeSet};

use pinyon_core::ErrorKind;
use pinyon_core::host::{Random as _, SeededRandom};
use pinyon_core::indexes::StepLimits;
use pinyon_core::storage::Fault;
use serde_json::{Value, json};
use story::indexes::{TestIndexes, ask, catch_up, define, ids, open, write};
use story::{Story, delete, json as json_of, put};

const DEFINITIONS: [&str; 9] = [
    r#"{"Name":"Plain","Maps":["from o in docs.Orders select new { o.N, o.T }"],"Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"Lines","Maps":["map('Orders', o => o.L.map(l => ({ P: l.P, Q: l.Q })))"]}"#,
    r#"{"Name":"Both","Maps":["map('Orders', o => ({ T: o.T, Of: 'orders' }))","from o in docs.Others select new { o.T, Of = \"others\" }"],"Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"Statistics","Maps":["from o in docs.Orders from l in o.L select new { l.P, Sum = l.Q, Count = 1, Min = l.Q, Max = l.Q, Average = 0 }"],
        "Reduce":"from r in results group r by r.P into g let sum = g.Sum(x => x.Sum) let count = g.Sum(x => x.Count) select new { P = g.Key, Sum = sum, Count = count, Min = g.Min(x => x.Min), Max = g.Max(x => x.Max), Average = (double)sum / count }"}"#,
    r#"{"Name":"Friends","Maps":["map('Orders', o => ({ Friend: load('o/' + o.N, 'Orders').T }))"],"Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"ByStranger","Maps":["map('Orders', o => ({ T: load('o/' + o.N, 'Others').T, C: 1 }))"],
        "Reduce":"groupBy(x => x.T).aggregate(g => ({ T: g.key, C: g.values.reduce((s, x) => s + x.C, 0) }))"}"#,
    r#"{"Name":"All","Maps":["map('Orders', o => ({ T: o.T, Orders: 1, Others: 0 }))","map('Others', o => ({ T: o.T, Orders: 0, Others: 1 }))"],
        "Reduce":"groupBy(x => x.T).aggregate(g => ({ T: g.key, Orders: g.values.reduce((s, x) => s + x.Orders, 0), Others: g.values.reduce((s, x) => s + x.Others, 0) }))"}"#,
    r#"{"Name":"Totals","Maps":["map('Orders', o => ({ T: o.T, Sum: o.N, Count: 1, Size: 'small' }))"],
        "Reduce":"groupBy(x => x.T).aggregate(g => { const count = g.values.reduce((s, x) => s + x.Count, 0); return { T: g.key, Sum: g.values.reduce((s, x) => s + x.Sum, 0), Count: count, Size: count > 3 ? 'large' : 'small' }; })",
        "OutputReduceToCollection":"Totals","PatternForOutputReduceToCollectionReferences":"sizes/{Size}"}"#,
    r#"{"Name":"Sizes","Maps":["map('Totals', t => ({ Size: t.Size, Sum: t.Sum, Groups: 1 }))"],
        "Reduce":"groupBy(x => x.Size).aggregate(g => ({ Size: g.key, Sum: g.values.reduce((s, x) => s + x.Sum, 0), Groups: g.values.reduce((s, x) => s + x.Groups, 0) }))"}"#,
];
/// Words, facets and places of one index.
const FOUND: &str = r#"{"Name":"Found","Maps":["map('Orders', o => ({ W: o.W, T: o.T, N: o.N, At: createSpatialField(o.Lat, o.Lng) }))"],
    "Fields":{"W":{"Indexing":"Search"}}}"#;
const LETTERS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// Numbers from a seed.
struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) % bound
    }

    fn letter(&self) -> &'static str {
        LETTERS[self.below(LETTERS.len() as u64) as usize]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |it| it.parse().unwrap())
}

/// An order, or something else, as the test knows it.
#[derive(Debug, Clone)]
struct Known {
    is_order: bool,
    n: i64,
    t: &'static str,
    lines: Vec<(&'static str, i64)>,
}

impl Known {
    fn random(dice: &Dice, documents: u64) -> Self {
        let lines = (0..dice.below(4)).map(|_| (dice.letter(), dice.below(41) as i64 - 20));
        Self {
            is_order: dice.below(5) > 0,
            n: dice.below(documents) as i64,
            t: dice.letter(),
            lines: lines.collect(),
        }
    }

    fn text(&self) -> String {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|(p, q)| json!({ "P": p, "Q": q }))
            .collect();
        let collection = if self.is_order { "Orders" } else { "Others" };
        let (latitude, longitude) = self.place();
        json!({ "N": self.n, "T": self.t, "L": lines, "W": self.words(), "Lat": latitude,
            "Lng": longitude, "@metadata": { "@collection": collection } })
        .to_string()
    }
}

impl Known {
    /// A letter alone may be no word.
    fn words(&self) -> String {
        let words: Vec<String> = self.lines.iter().map(|(p, _)| format!("{p}{p}")).collect();
        words.join(" ")
    }

    fn place(&self) -> (i64, i64) {
        (self.n % 160 - 80, self.n * 7 % 340 - 170)
    }

    fn has_word(&self, letter: &str) -> bool {
        self.is_order && self.lines.iter().any(|(p, _)| *p == letter)
    }
}

type Model = BTreeMap<u64, Known>;

/// A flat object as text, its members in order and its numbers in one form.
fn canonical(object: &Value) -> String {
    let members: BTreeMap<&String, String> = object
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "@metadata")
        .map(|(name, value)| match value.as_f64() {
            Some(number) => (name, format!("{number:.6}")),
            None => (name, value.to_string()),
        })
        .collect();
    format!("{members:?}")
}

fn sorted(objects: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut all: Vec<String> = objects.into_iter().map(|it| canonical(&it)).collect();
    all.sort();
    all
}

async fn shown(indexes: &TestIndexes, query: &str) -> Vec<String> {
    sorted(ask(indexes, query).await.unwrap().0)
}

/// What each query must answer, computed from the documents alone.
fn expected(model: &Model) -> Vec<(&'static str, Vec<String>)> {
    let orders = || model.iter().filter(|(_, it)| it.is_order);
    let find = |n: i64, is_order: bool| {
        let found = model.get(&(n as u64));
        found.filter(|it| it.is_order == is_order).map(|it| it.t)
    };
    let id = |number: &u64| format!("o/{number}");
    let plain = orders().map(|(at, it)| json!({ "id": id(at), "N": it.n, "T": it.t }));
    let both = model.iter().map(|(at, it)| {
        let from = if it.is_order { "orders" } else { "others" };
        json!({ "id": id(at), "T": it.t, "Of": from })
    });
    let friends = orders().map(|(at, it)| json!({ "id": id(at), "Friend": find(it.n, true) }));
    let mut statistics: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut strangers: BTreeMap<Option<&str>, i64> = BTreeMap::new();
    let mut all: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for it in model.values() {
        let counts = all.entry(it.t).or_default();
        if !it.is_order {
            counts.1 += 1;
            continue;
        }
        counts.0 += 1;
        *strangers.entry(find(it.n, false)).or_default() += 1;
        for (p, q) in &it.lines {
            statistics.entry(p).or_default().push(*q);
        }
    }
    let statistics = statistics.into_iter().map(|(p, values)| {
        let (sum, count): (i64, usize) = (values.iter().sum(), values.len());
        json!({
            "P": p, "Sum": sum, "Count": count, "Min": values.iter().min(),
            "Max": values.iter().max(), "Average": sum as f64 / count as f64,
        })
    });
    let totals = totals(model);
    let mut sizes: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (_, sum, count) in &totals {
        let size = sizes.entry(size(*count)).or_default();
        *size = (size.0 + sum, size.1 + 1);
    }
    vec![
        ("from index 'Plain' select id() as id, N, T", sorted(plain)),
        ("from index 'Both' select id() as id, T, Of", sorted(both)),
        ("from index 'Friends' select id() as id, Friend", sorted(friends)),
        ("from index 'Statistics'", sorted(statistics)),
        (
            "from index 'ByStranger'",
            sorted(strangers.iter().map(|(t, c)| json!({ "T": t, "C": c }))),
        ),
        (
            "from index 'All'",
            sorted(all.iter().map(|(t, it)| json!({ "T": t, "Orders": it.0, "Others": it.1 }))),
        ),
        (
            "from index 'Sizes'",
            sorted(sizes.iter().map(|(s, it)| json!({ "Size": s, "Sum": it.0, "Groups": it.1 }))),
        ),
        (
            // The documents themselves, by their collection.
            "from Totals",
            sorted(totals.iter().map(|(t, sum, count)| {
                json!({ "T": t, "Sum": sum, "Count": count, "Size": size(*count) })
            })),
        ),
    ]
}

fn size(count: i64) -> &'static str {
    if count > 3 { "large" } else { "small" }
}

fn totals(model: &Model) -> Vec<(&'static str, i64, i64)> {
    let mut totals: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for it in model.values().filter(|it| it.is_order) {
        let total = totals.entry(it.t).or_default();
        *total = (total.0 + it.n, total.1 + 1);
    }
    let totals = totals.into_iter();
    totals.map(|(t, (sum, count))| (t, sum, count)).collect()
}

async fn check(indexes: &TestIndexes, model: &Model, place: &str) {
    for index in indexes.list() {
        let errors = index.errors().await.unwrap();
        assert!(errors.is_empty(), "{place}: {}: {errors:?}", index.name());
    }
    for (query, expected) in expected(model) {
        assert_eq!(shown(indexes, query).await, expected, "{place}: {query}");
    }
    for letter in LETTERS {
        let query = format!("from index 'Lines' where P = '{letter}'");
        let mut found = ids(&ask(indexes, &query).await.unwrap().0);
        found.sort();
        let has = |it: &Known| it.is_order && it.lines.iter().any(|(p, _)| *p == letter);
        let documents = model.iter().filter(|(_, it)| has(it));
        let mut expected: Vec<String> = documents.map(|(at, _)| format!("o/{at}")).collect();
        expected.sort();
        assert_eq!(found, expected, "{place}: {query}");
    }
    check_found(indexes, model, place).await;
    let lines = indexes.get("Lines").unwrap().view().await.unwrap();
    let orders = model.values().filter(|it| it.is_order);
    let count: usize = orders.map(|it| it.lines.len()).sum();
    assert_eq!(
        lines.progress.entry_count, count as u64,
        "{place}: entries of lines"
    );
    for wanted in ["large", "small"] {
        let list = json_of(indexes.database(), &format!("sizes/{wanted}")).await;
        let mut letters = BTreeSet::new();
        for id in list
            .iter()
            .flat_map(|it| it["ReduceOutputs"].as_array().unwrap())
        {
            let result = json_of(indexes.database(), id.as_str().unwrap()).await;
            letters.insert(result.unwrap()["T"].as_str().unwrap().to_owned());
        }
        let totals = totals(model).into_iter().filter(|it| size(it.2) == wanted);
        let expected: BTreeSet<String> = totals.map(|it| it.0.to_owned()).collect();
        assert_eq!(letters, expected, "{place}: the list of {wanted} groups");
    }
}

/// Words, what is counted beside them, and places.
async fn check_found(indexes: &TestIndexes, model: &Model, place: &str) {
    let id = |number: &u64| format!("o/{number}");
    let sorted_ids = async |query: &str| {
        let mut found = ids(&ask(indexes, query).await.unwrap().0);
        found.sort();
        found
    };
    for letter in LETTERS {
        let with = || model.iter().filter(|(_, it)| it.has_word(letter));
        let mut expected: Vec<String> = with().map(|(at, _)| id(at)).collect();
        expected.sort();
        let condition = format!("search(W, '{letter}{letter}')");
        let query = format!("from index 'Found' where {condition}");
        assert_eq!(sorted_ids(&query).await, expected, "{place}: {query}");
        let mut groups: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (_, it) in with() {
            let group = groups.entry(it.t).or_default();
            *group = (group.0 + 1, group.1 + it.n);
        }
        let query = format!("from index 'Found' where {condition} select facet(T, sum(N))");
        let facets = ask(indexes, &query).await.unwrap().0;
        let shown: BTreeMap<&str, (i64, i64)> = facets[0]["Values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let sum = it["Sum"].as_f64().unwrap() as i64;
                (
                    it["Range"].as_str().unwrap(),
                    (it["Count"].as_i64().unwrap(), sum),
                )
            })
            .collect();
        assert_eq!(shown, groups, "{place}: {query}");
    }
    let spot = |it: &Known| {
        let (latitude, longitude) = it.place();
        it.is_order && (-30..=30).contains(&latitude) && (-60..=80).contains(&longitude)
    };
    let mut expected: Vec<String> = model
        .iter()
        .filter(|(_, it)| spot(it))
        .map(|(at, _)| id(at))
        .collect();
    expected.sort();
    let shape = "spatial.wkt('POLYGON((-60 -30, 80 -30, 80 30, -60 30, -60 -30))')";
    let query = format!("from index 'Found' where spatial.within(At, {shape})");
    assert_eq!(sorted_ids(&query).await, expected, "{place}: {query}");
}

#[test]
fn any_edits_and_crashes_leave_what_the_documents_say() {
    let edits = setting("PINYON_INDEX_EDITS", 400);
    let seed = setting("PINYON_INDEX_SEED", 1);
    // Groups grow beyond one page of their trees when there are many edits.
    let documents = (edits / 10).clamp(30, 300);
    let dice = Dice(SeededRandom::new(seed));
    let story = Story::new();
    let mut model = Model::new();
    let mut edited = 0;
    let mut life = 0;
    let mut next_check = edits / 4;
    while edited < edits {
        life += 1;
        story.run_seeded(seed.wrapping_mul(1000) + life, async |database| {
            let indexes = open(&story, &database).await;
            for definition in DEFINITIONS.into_iter().chain([FOUND]) {
                define(&indexes, definition).await.unwrap();
            }
            loop {
                let mut commands = Vec::new();
                for _ in 0..=dice.below(4) {
                    let number = dice.below(documents);
                    let id = format!("o/{number}");
                    edited += 1;
                    if dice.below(4) == 0 {
                        model.remove(&number);
                        commands.push(delete(&id));
                        continue;
                    }
                    let known = Known::random(&dice, documents);
                    let old = model.insert(number, known.clone());
                    // Only a document that was deleted comes back in another collection.
                    if old.is_some_and(|it| it.is_order != known.is_order) {
                        commands.push(delete(&id));
                    }
                    commands.push(put(&id, &known.text()));
                }
                write(&database, commands).await;
                for index in indexes.list() {
                    if dice.below(3) == 0 {
                        let limits = StepLimits {
                            documents: 1 + dice.below(6) as usize,
                            bytes: 1 + dice.below(2000) as usize,
                            ..StepLimits::default()
                        };
                        index.step(&database, limits).await.unwrap();
                    }
                }
                if edited >= next_check || edited >= edits {
                    next_check = edited + edits / 4;
                    catch_up(&indexes).await;
                    let place = format!("seed {seed}, after {edited} edits in life {life}");
                    check(&indexes, &model, &place).await;
                    if edited >= edits {
                        for index in indexes.list() {
                            indexes.reset(&index.name()).await.unwrap();
                        }
                        catch_up(&indexes).await;
                        check(&indexes, &model, &format!("{place}, rebuilt")).await;
                        break;
                    }
                }
                if dice.below(20) == 0 {
                    let fault = match dice.below(2) {
                        0 => Fault::AppliedThenClosed,
                        _ => Fault::Error(ErrorKind::Closed),
                    };
                    story.plan.fail_at(1 + dice.below(120), fault);
                    for index in indexes.list() {
                        // It may well fail; what counts is what is there afterwards.
                        let _ = index.step(&database, StepLimits::default()).await;
                    }
                    story.plan.heal();
                    break;
                }
            }
            // The stores may be closed by a fault already.
            let _ = indexes.close().await;
        });
    }
    println!("{edited} edits in {life} lives, seed {seed}");
}
