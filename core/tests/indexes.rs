//! Indexes against recomputation: whatever is written, in whatever steps, with crashes in between.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test may panic, and tells one story from end to end"
)]

mod bounds;
mod hostile;
mod oracle;
mod shown;
mod story;

use std::collections::BTreeMap;

use pinyon_core::commands::BatchCommand;
use pinyon_core::indexes::{IdleLimits, IndexDefinition, IndexState, StepLimits};
use pinyon_core::query::{Parameters, PreparedQuery};
use pinyon_core::storage::Fault;
use proptest::prelude::*;
use serde_json::{Value, json};
use story::indexes::{TestIndexes, ask, catch_up, define, ids, open, write};
use story::{Story, delete, put};

fn order(id: &str, body: &str) -> BatchCommand {
    let text = format!(
        "{},\"@metadata\":{{\"@collection\":\"Orders\"}}}}",
        body.trim_end_matches('}')
    );
    put(id, &text)
}

#[test]
fn a_query_makes_its_index_and_finds_what_it_names() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        write(
            &database,
            vec![
                order(
                    "orders/1",
                    r#"{"Company":"companies/1","Freight":4.5,"Tags":["x","y"]}"#,
                ),
                order(
                    "orders/2",
                    r#"{"Company":"Companies/2","Freight":11,"Tags":[]}"#,
                ),
                order(
                    "orders/3",
                    r#"{"Company":null,"Freight":77.0,"Note":"Patched it"}"#,
                ),
                put(
                    "other/1",
                    r#"{"Company":"companies/1","@metadata":{"@collection":"Others"}}"#,
                ),
            ],
        )
        .await;
        for (condition, expected) in [
            ("Company = 'companies/1'", vec!["orders/1"]),
            ("Company = 'COMPANIES/2'", vec!["orders/2"]),
            ("exact(Company = 'COMPANIES/2')", vec![]),
            ("exact(Company = 'Companies/2')", vec!["orders/2"]),
            ("Company = null", vec!["orders/3"]),
            ("Company != null", vec!["orders/1", "orders/2"]),
            ("Note != 'x'", vec!["orders/3"]),
            ("Freight > 4", vec!["orders/1", "orders/2", "orders/3"]),
            ("Freight > 4.5", vec!["orders/2", "orders/3"]),
            ("Freight between 4.5 and 11.0", vec!["orders/1", "orders/2"]),
            ("Freight = 77", vec!["orders/3"]),
            ("Tags = 'Y'", vec!["orders/1"]),
            ("Tags all in ('x','y')", vec!["orders/1"]),
            ("Tags[] in ('q','y')", vec!["orders/1"]),
            ("exists(Tags)", vec!["orders/1", "orders/2"]),
            ("not exists(Tags)", vec!["orders/3"]),
            ("startsWith(Note, 'pat')", vec!["orders/3"]),
            ("endsWith(Note, 'IT')", vec!["orders/3"]),
            ("regex(Note, '^p.*d')", vec!["orders/3"]),
            ("search(Note, 'it patch*')", vec!["orders/3"]),
            ("search(Note, 'unpatched')", vec![]),
            ("lucene(Note, 'patch*')", vec!["orders/3"]),
            (
                "lucene(Note, '\"patched it\" AND NOT nothing')",
                vec!["orders/3"],
            ),
            ("lucene(Note, 'none \"it patched\"')", vec!["orders/3"]),
            ("lucene(Note, 'patched -patched')", vec![]),
            ("lucene(Note, '+patched nothing')", vec!["orders/3"]),
            ("lucene(Note, 'patched AND nothing')", vec![]),
            (
                "lucene(Note, 'nothing OR Freight:[11 TO 77}')",
                vec!["orders/2"],
            ),
            (
                "lucene(Note, '(patched^2 other) AND Freight:{4 TO *]')",
                vec!["orders/3"],
            ),
            (
                "lucene(Company, 'companie/1~0.7')",
                vec!["orders/1", "orders/2"],
            ),
            ("lucene(Company, 'companie/1~1')", vec!["orders/1"]),
            ("lucene(Note, '*')", vec!["orders/3"]),
            ("Freight > 5 and not Company = null", vec!["orders/2"]),
            ("Freight > 5 and id() != 'orders/2'", vec!["orders/3"]),
            ("id() in ('orders/1', 'orders/9')", vec!["orders/1"]),
            (
                "startsWith(id(), 'ORDERS/')",
                vec!["orders/1", "orders/2", "orders/3"],
            ),
            (
                "@metadata.'@collection' = 'Orders' and Freight < 5",
                vec!["orders/1"],
            ),
            ("true", vec!["orders/1", "orders/2", "orders/3"]),
        ] {
            let (results, total, is_stale) =
                ask(&indexes, &format!("from Orders where {condition}"))
                    .await
                    .unwrap();
            assert_eq!(ids(&results), expected, "{condition}");
            assert_eq!(
                (total, is_stale),
                (expected.len() as u64, false),
                "{condition}"
            );
        }
        let autos: Vec<String> = indexes.list().iter().map(|it| it.name()).collect();
        assert_eq!(
            autos.len(),
            1,
            "one index took over what the others did: {autos:?}"
        );
        let (results, ..) = ask(
            &indexes,
            "from Orders order by Freight desc select Company, Freight as F, id() limit 1, 1",
        )
        .await
        .unwrap();
        assert_eq!(results[0]["F"], json!(11));
        assert_eq!(results[0]["id"], "orders/2");
        assert_eq!(results[0]["@metadata"]["@projection"], true);
        let (groups, total, _) = ask(
            &indexes,
            "from Orders group by Tags[] order by count() desc \
             select key() as Tag, count() as Count, sum(Freight) as Sum",
        )
        .await
        .unwrap();
        assert_eq!(total, 2);
        assert_eq!(
            (&groups[0]["Count"], &groups[0]["Sum"]),
            (&json!(1), &json!(4.5))
        );
        assert!(ask(&indexes, "from index 'Nothing'").await.is_err());
    });
}

#[test]
fn an_index_says_exactly_when_it_is_behind() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        write(&database, vec![order("orders/1", r#"{"A":1}"#)]).await;
        let query = PreparedQuery::parse("from Orders where A = 1", Parameters::new()).unwrap();
        let is_stale = async || {
            let plan = indexes.plan(&query).await.unwrap();
            indexes.ready(plan, &query).await.unwrap().is_stale()
        };
        assert!(is_stale().await, "it was just made");
        catch_up(&indexes).await;
        assert!(!is_stale().await);
        let plan = indexes.plan(&query).await.unwrap();
        let etag = indexes.ready(plan, &query).await.unwrap().etag();
        write(
            &database,
            vec![put("x/1", r#"{"@metadata":{"@collection":"X"}}"#)],
        )
        .await;
        assert!(
            !is_stale().await,
            "another collection is none of its business"
        );
        let plan = indexes.plan(&query).await.unwrap();
        assert_eq!(indexes.ready(plan, &query).await.unwrap().etag(), etag);
        write(&database, vec![delete("orders/1")]).await;
        assert!(is_stale().await, "a deletion counts");
        catch_up(&indexes).await;
        assert!(!is_stale().await);
        // A document that leaves the collection leaves the index.
        write(&database, vec![order("orders/2", r#"{"A":1}"#)]).await;
        catch_up(&indexes).await;
        let moved = put("orders/2", r#"{"A":1,"@metadata":{"@collection":"X"}}"#);
        write(&database, vec![delete("orders/2"), moved]).await;
        assert!(is_stale().await, "a departure counts");
        let (results, ..) = ask(&indexes, "from Orders where A = 1").await.unwrap();
        assert!(results.is_empty(), "{results:?}");
    });
}

#[test]
fn an_automatic_index_that_nobody_asks_rests_and_goes() {
    const MINUTE_MS: i64 = 60_000;
    let story = Story::new();
    let rest = async |indexes: &TestIndexes| {
        indexes.rest_unused(&IdleLimits::default()).await.unwrap();
    };
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        write(&database, vec![order("orders/1", r#"{"A":1,"B":1}"#)]).await;
        define(&indexes, DEFINED[0]).await.unwrap();
        ask(&indexes, "from Orders where A = 1").await.unwrap();
        let name = "Auto/Orders/ByA";
        let state = async || indexes.get(name).unwrap().state().await.unwrap();
        story.clock.advance_ms(29 * MINUTE_MS);
        rest(&indexes).await;
        assert_eq!(state().await, IndexState::Normal);
        ask(&indexes, "from Orders where A = 1").await.unwrap();
        story.clock.advance_ms(29 * MINUTE_MS);
        rest(&indexes).await;
        assert_eq!(state().await, IndexState::Normal, "it was asked since");
        story.clock.advance_ms(MINUTE_MS);
        rest(&indexes).await;
        assert_eq!(state().await, IndexState::Idle);
        // It stands still, and takes no part in what other queries need.
        write(&database, vec![order("orders/2", r#"{"A":1,"B":2}"#)]).await;
        catch_up(&indexes).await;
        let index = indexes.get(name).unwrap();
        assert_eq!(index.view().await.unwrap().progress.entry_count, 1);
        ask(&indexes, "from Orders where B = 2").await.unwrap();
        assert!(indexes.find("Auto/Orders/ByB").is_some());
        assert!(indexes.find("Auto/Orders/ByAAndB").is_none());
        // A query that nothing else answers wakes it.
        let (results, ..) = ask(&indexes, "from Orders where A = 1").await.unwrap();
        assert_eq!(ids(&results), ["orders/1", "orders/2"]);
        assert_eq!(state().await, IndexState::Normal);
        story.clock.advance_ms(31 * MINUTE_MS);
        rest(&indexes).await;
        indexes.close().await.unwrap();
    });
    story.run_seeded(8, async |database| {
        let indexes = open(&story, &database).await;
        let names = || -> Vec<String> { indexes.list().iter().map(|it| it.name()).collect() };
        let index = indexes.get("Auto/Orders/ByA").unwrap();
        assert_eq!(
            index.state().await.unwrap(),
            IndexState::Idle,
            "also in another life"
        );
        drop(index);
        story.clock.advance_ms((72 * 60 - 32) * MINUTE_MS);
        rest(&indexes).await;
        assert_eq!(names().len(), 3);
        story.clock.advance_ms(MINUTE_MS);
        rest(&indexes).await;
        assert_eq!(names(), ["Lines"], "a client's own index stays");
        let (results, ..) = ask(&indexes, "from Orders where A = 1").await.unwrap();
        assert_eq!(results.len(), 2, "and comes back with the query");
        indexes.close().await.unwrap();
    });
}

/// A change of the property test.
#[derive(Debug, Clone)]
enum Edit {
    Put(u8, bool, Value),
    Delete(u8),
    Step,
    /// The same database in another process; before it, perhaps, a commit that is applied while
    /// the process dies.
    Reopen(Option<u8>),
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        (-2..3i64).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!(9007199254740993u64)),
        prop::sample::select(vec!["a", "B", "ab", "1", "Ab c", ""]).prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ];
    prop_oneof![
        4 => scalar.clone(),
        1 => proptest::collection::vec(scalar, 0..4).prop_map(Value::from),
    ]
}

fn any_body() -> impl Strategy<Value = Value> {
    let field = || prop::option::of(any_value());
    let lines = proptest::collection::vec((any_value(), -3..4i64), 0..3);
    (field(), field(), lines).prop_map(|(n, t, lines)| {
        let mut body = serde_json::Map::new();
        body.extend(n.map(|n| ("N".to_owned(), n)));
        body.extend(t.map(|t| ("T".to_owned(), t)));
        let lines = lines.into_iter().map(|(p, q)| json!({ "P": p, "Q": q }));
        body.insert("L".to_owned(), lines.collect());
        body.into()
    })
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..14u8, prop::bool::weighted(0.8), any_body())
            .prop_map(|(id, here, body)| Edit::Put(id, here, body)),
        3 => (0..14u8).prop_map(Edit::Delete),
        3 => Just(Edit::Step),
        1 => prop::option::of(1..40u8).prop_map(Edit::Reopen),
    ]
}

#[derive(Debug, Clone)]
enum Asked {
    Equal(&'static str, Value),
    Differs(&'static str, Value),
    Above(&'static str, Value, bool),
    Below(&'static str, Value, bool),
    StartsWith(&'static str, String),
    Exists(&'static str),
    Not(Box<Asked>),
    And(Box<Asked>, Box<Asked>),
    Or(Box<Asked>, Box<Asked>),
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let field = || prop::sample::select(vec!["N", "T", "L[].P"]);
    let value = || {
        prop_oneof![
            (-2..3i64).prop_map(Value::from),
            Just(json!(1.5)),
            prop::sample::select(vec!["a", "B", "ab", "1"]).prop_map(Value::from),
        ]
    };
    let leaf = prop_oneof![
        (field(), prop_oneof![value(), Just(Value::Null)]).prop_map(|(f, v)| Asked::Equal(f, v)),
        (field(), value()).prop_map(|(f, v)| Asked::Differs(f, v)),
        (field(), value(), any::<bool>()).prop_map(|(f, v, e)| Asked::Above(f, v, e)),
        (field(), value(), any::<bool>()).prop_map(|(f, v, e)| Asked::Below(f, v, e)),
        (field(), prop::sample::select(vec!["a", "A", "ab", ""]))
            .prop_map(|(f, p)| Asked::StartsWith(f, p.to_owned())),
        field().prop_map(Asked::Exists),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Asked::Not(Box::new(it))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Asked::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Asked::Or(Box::new(a), Box::new(b))),
        ]
    })
}

impl Asked {
    fn to_rql(&self) -> String {
        let text = |value: &Value| value.to_string().replace('"', "'");
        match self {
            Self::Equal(field, value) => format!("{field} = {}", text(value)),
            Self::Differs(field, value) => format!("{field} != {}", text(value)),
            Self::Above(field, value, true) => format!("{field} >= {}", text(value)),
            Self::Above(field, value, false) => format!("{field} > {}", text(value)),
            Self::Below(field, value, true) => format!("{field} <= {}", text(value)),
            Self::Below(field, value, false) => format!("{field} < {}", text(value)),
            Self::StartsWith(field, prefix) => format!("startsWith({field}, '{prefix}')"),
            Self::Exists(field) => format!("exists({field})"),
            Self::Not(inner) => format!("not ({})", inner.to_rql()),
            Self::And(a, b) => format!("({}) and ({})", a.to_rql(), b.to_rql()),
            Self::Or(a, b) => format!("({}) or ({})", a.to_rql(), b.to_rql()),
        }
    }

    fn holds(&self, body: &Value) -> bool {
        let folded = |value: &Value| match value {
            Value::String(text) => Some(text.to_lowercase()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        };
        let equal = |field: &str, wanted: &Value| {
            values(body, field)
                .iter()
                .any(|value| match (value, wanted) {
                    (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
                    (Value::Null, Value::Null) => true,
                    (Value::Null | Value::Array(_), _) | (_, Value::Null) => false,
                    (Value::Number(a), b) => Some(a.to_string()) == folded(b),
                    (a, Value::Number(b)) => folded(a) == Some(b.to_string()),
                    (a, b) => folded(a) == folded(b),
                })
        };
        let compare = |field: &str, wanted: &Value, test: &dyn Fn(std::cmp::Ordering) -> bool| {
            values(body, field)
                .iter()
                .any(|value| match (value, wanted) {
                    (Value::Number(a), Value::Number(b)) => {
                        test(a.as_f64().partial_cmp(&b.as_f64()).unwrap())
                    }
                    (a, b) => match (folded(a), folded(b)) {
                        (Some(a), Some(b)) => test(a.cmp(&b)),
                        _ => false,
                    },
                })
        };
        match self {
            Self::Equal(field, value) => equal(field, value),
            Self::Differs(field, value) => !values(body, field).is_empty() && !equal(field, value),
            Self::Above(field, value, true) => compare(field, value, &|it| it.is_ge()),
            Self::Above(field, value, false) => compare(field, value, &|it| it.is_gt()),
            Self::Below(field, value, true) => compare(field, value, &|it| it.is_le()),
            Self::Below(field, value, false) => compare(field, value, &|it| it.is_lt()),
            Self::StartsWith(field, prefix) => values(body, field).iter().any(|value| {
                folded(value).is_some_and(|it| it.starts_with(&prefix.to_lowercase()))
            }),
            Self::Exists(field) => !values(body, field).is_empty(),
            Self::Not(inner) => !inner.holds(body),
            Self::And(a, b) => a.holds(body) && b.holds(body),
            Self::Or(a, b) => a.holds(body) || b.holds(body),
        }
    }
}

/// The values of a field; an empty list is one of its own kind.
fn values(body: &Value, field: &str) -> Vec<Value> {
    fn push(value: &Value, values: &mut Vec<Value>) {
        match value {
            Value::Array(items) if items.is_empty() => values.push(json!([])),
            Value::Array(items) => items.iter().for_each(|it| push(it, values)),
            other => values.push(other.clone()),
        }
    }
    let mut found = Vec::new();
    match field.split_once("[].") {
        None => {
            if let Some(value) = body.get(field) {
                push(value, &mut found);
            }
        }
        Some((list, field)) => {
            for item in body[list].as_array().into_iter().flatten() {
                if let Some(value) = item.get(field) {
                    push(value, &mut found);
                }
            }
        }
    }
    found
}

const GROUPED: [&str; 2] = [
    "from Orders group by T select key() as K, count() as C, sum(L[].Q) as S",
    "from Orders group by L[].P select key() as K, count() as C, sum(L[].Q) as S",
];

/// Definitions of every kind: fan-out, loads of documents that come and go, groups, several maps.
const DEFINED: [&str; 5] = [
    r#"{"Name":"Lines","Maps":["from o in docs.Orders from l in o.L select new { l.P, o.N }"],
        "Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"Friends","Maps":["map('Orders', o => ({ Friend: load('o/' + o.N, 'Orders').T, N: o.N }))"],
        "Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"Strangers","Maps":["map('Orders', o => ({ Other: load('o/' + o.L.length, 'Others').T }))"],
        "Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
    r#"{"Name":"Sums","Maps":["map('Orders', o => o.L.map(l => ({ P: l.P, Q: l.Q, C: 1 })))"],
        "Reduce":"groupBy(x => x.P).aggregate(g => ({ P: g.key, Q: g.values.reduce((s, x) => s + x.Q, 0), C: g.values.reduce((s, x) => s + x.C, 0) }))"}"#,
    r#"{"Name":"Everything","Maps":["map('Orders', o => ({ K: 'order', C: 1 }))",
        "map('Others', o => ({ K: 'other', C: 1 }))"],
        "Reduce":"groupBy(x => x.K).aggregate(g => ({ K: g.key, C: g.values.reduce((s, x) => s + x.C, 0) }))"}"#,
];
/// What shows all that the indexes of [`DEFINED`] hold.
const SHOWN: [&str; 5] = [
    "from index 'Lines' select id() as id, P, N",
    "from index 'Friends' select id() as id, Friend, N",
    "from index 'Strangers' select id() as id, Other",
    "from index 'Sums'",
    "from index 'Everything'",
];

async fn shown(indexes: &TestIndexes, query: &str) -> Vec<String> {
    let (results, ..) = ask(indexes, query).await.unwrap();
    let mut shown: Vec<String> = results
        .into_iter()
        .map(|mut it| {
            it.as_object_mut().unwrap().remove("@metadata");
            it.to_string()
        })
        .collect();
    shown.sort();
    shown
}

/// What [`GROUPED`] must answer, by the key's text.
fn groups(model: &BTreeMap<u8, (bool, Value)>, by_item: bool) -> BTreeMap<String, (i64, i64)> {
    let mut groups: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut add = |key: &Value, sum: i64| {
        let group = groups.entry(key.to_string()).or_default();
        group.0 += 1;
        group.1 += sum;
    };
    for (here, body) in model.values() {
        let lines = body["L"].as_array().unwrap();
        if !here {
            continue;
        }
        if by_item {
            lines
                .iter()
                .for_each(|it| add(&it["P"], it["Q"].as_i64().unwrap()));
        } else {
            let sum = lines.iter().map(|it| it["Q"].as_i64().unwrap()).sum();
            add(&body["T"], sum);
        }
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_indexed_step_by_step_is_what_the_documents_say(
        edits in proptest::collection::vec(any_edit(), 1..40),
        asked in proptest::collection::vec(any_asked(), 1..6),
    ) {
        let story = Story::new();
        let mut model: BTreeMap<u8, (bool, Value)> = BTreeMap::new();
        let mut rounds = edits.split_inclusive(|it| matches!(it, Edit::Reopen(_))).peekable();
        // Random names are other ones in another life.
        let mut seed = 7;
        while let Some(edits) = rounds.next() {
            let is_last = rounds.peek().is_none();
            seed += 1;
            let checked = story.run_seeded(seed, async |database| {
                let indexes = open(&story, &database).await;
                // From the first round on, so that every edit is followed by something.
                for query in GROUPED.into_iter().chain(["from Orders where N = 1 and T = 1 and L[].P = 1"]) {
                    let query = PreparedQuery::parse(query, Parameters::new()).unwrap();
                    indexes.plan(&query).await.unwrap();
                }
                for definition in DEFINED {
                    indexes.put(IndexDefinition::parse(definition).unwrap()).await.unwrap();
                }
                for edit in edits {
                    match edit {
                        Edit::Put(id, here, body) => {
                            let (bare, mut body) = (body.clone(), body.clone());
                            let collection = if *here { "Orders" } else { "Others" };
                            body["@metadata"] = json!({ "@collection": collection });
                            // Only a document that was deleted comes back in another collection.
                            let moves = model.get(id).is_some_and(|(was, _)| was != here);
                            model.insert(*id, (*here, bare));
                            let name = format!("o/{id}");
                            let mut commands = vec![put(&name, &body.to_string())];
                            if moves {
                                commands.insert(0, delete(&name));
                            }
                            write(&database, commands).await;
                        }
                        Edit::Delete(id) => {
                            model.remove(id);
                            write(&database, vec![delete(&format!("o/{id}"))]).await;
                        }
                        Edit::Step => {
                            let limits = StepLimits { documents: 2, bytes: 200, ..StepLimits::default() };
                            for index in indexes.list() {
                                index.step(&database, limits).await.unwrap();
                            }
                        }
                        Edit::Reopen(None) => {}
                        Edit::Reopen(Some(nth)) => {
                            story.plan.fail_at((*nth).into(), Fault::AppliedThenClosed);
                            for index in indexes.list() {
                                // It may well fail; what counts is what is there afterwards.
                                let _ = index.step(&database, StepLimits::default()).await;
                            }
                            story.plan.heal();
                        }
                    }
                }
                let checked = if is_last { check(&indexes, &model, &asked).await } else { Ok(()) };
                indexes.close().await.unwrap();
                checked
            });
            checked?;
        }
    }
}

async fn check(
    indexes: &TestIndexes,
    model: &BTreeMap<u8, (bool, Value)>,
    asked: &[Asked],
) -> std::result::Result<(), TestCaseError> {
    for asked in asked {
        let text = format!("from Orders where {}", asked.to_rql());
        let (results, total, is_stale) = ask(indexes, &text).await.unwrap();
        let mut found = ids(&results);
        found.sort();
        let mut expected: Vec<String> = model
            .iter()
            .filter(|(_, (here, body))| *here && asked.holds(body))
            .map(|(id, _)| format!("o/{id}"))
            .collect();
        expected.sort();
        prop_assert_eq!(total, expected.len() as u64, "{}", &text);
        prop_assert_eq!(found, expected, "{}", &text);
        prop_assert!(!is_stale);
    }
    for (query, by_item) in GROUPED.into_iter().zip([false, true]) {
        let (results, ..) = ask(indexes, query).await.unwrap();
        let found: BTreeMap<String, (i64, i64)> = results
            .iter()
            .map(|it| {
                let sums = (it["C"].as_i64().unwrap(), it["S"].as_i64().unwrap());
                (it["K"].to_string(), sums)
            })
            .collect();
        prop_assert_eq!(&found, &groups(model, by_item), "{}", query);
    }
    for (definition, query) in DEFINED.into_iter().zip(SHOWN) {
        let name = IndexDefinition::parse(definition).unwrap().name;
        let incremental = shown(indexes, query).await;
        for index in indexes.list() {
            prop_assert!(index.errors().await.unwrap().is_empty());
        }
        indexes.reset(&name).await.unwrap();
        let anew = shown(indexes, query).await;
        prop_assert_eq!(incremental, anew, "{}", query);
    }
    let (sums, ..) = ask(indexes, "from index 'Sums'").await.unwrap();
    let found: BTreeMap<String, (i64, i64)> = sums
        .iter()
        .map(|it| {
            let sums = (it["C"].as_i64().unwrap(), it["Q"].as_i64().unwrap());
            (it["P"].to_string(), sums)
        })
        .collect();
    prop_assert_eq!(&found, &groups(model, true));
    Ok(())
}

#[test]
fn lucene_finds_the_terms_of_a_definition_s_fields() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Terms","Maps":["map('Orders', o => ({ N: o.N, Note: o.Note }))"],
            "Fields":{"Note":{"Indexing":"Search"}}}"#;
        define(&indexes, &definition.replace('\n', " ")).await.unwrap();
        let orders = [
            order("orders/1", r#"{"N":3,"Note":"The quick brown fox"}"#),
            order("orders/2", r#"{"N":4.5,"Note":"a lazy dog"}"#),
            order("orders/3", r#"{"N":"3","Note":null}"#),
        ];
        write(&database, orders.into()).await;
        for (condition, expected) in [
            ("lucene(N, '3')", vec!["orders/1", "orders/3"]),
            ("lucene(Note, 'N:4.5')", vec!["orders/2"]),
            ("lucene(Note, 'N:\"4.5\" OR N:7')", vec!["orders/2"]),
            ("lucene(Note, 'quik~')", vec!["orders/1"]),
            ("lucene(Note, 'dig~1 AND N:4.5')", vec!["orders/2"]),
            ("lucene(Note, 'bron~0.7 AND quick')", vec!["orders/1"]),
            ("lucene(Note, 'qxxx~0.7')", vec![]),
            ("fuzzy(Note = 'Quik', 0.6)", vec!["orders/1"]),
            ("Note = 'Quick'", vec!["orders/1"]),
            ("Note in ('quick', 'dog')", vec!["orders/1", "orders/2"]),
            ("Note = 'the quick brown fox'", vec!["orders/1"]),
            ("Note = 'quick brown'", vec![]),
            ("Note = null", vec!["orders/3"]),
            ("not Note = 'quick'", vec!["orders/2", "orders/3"]),
            ("startsWith(Note, 'bro')", vec!["orders/1"]),
            ("endsWith(Note, 'azy')", vec!["orders/2"]),
            ("regex(Note, '^la.y$')", vec!["orders/2"]),
            ("Note between 'quick' and 'quicz'", vec!["orders/1"]),
            ("exact(Note = 'quick')", vec![]),
            ("N = 3", vec!["orders/1", "orders/3"]),
        ] {
            let text = format!("from index 'Terms' where {condition}");
            let (results, ..) = ask(&indexes, &text).await.unwrap();
            assert_eq!(ids(&results), expected, "{condition}");
        }
        let (sorted, ..) = ask(&indexes, "from index 'Terms' order by Note desc limit 1").await.unwrap();
        assert_eq!(ids(&sorted), ["orders/1"]);
        let index = indexes.get("Terms").unwrap();
        let terms = index.terms("Note", None, 9).await.unwrap();
        assert_eq!(terms, ["brown", "dog", "fox", "lazy", "quick"]);
        assert_eq!(index.terms("Note", Some("dog"), 1).await.unwrap(), ["fox"]);
    });
}

#[test]
fn created_fields_have_options_of_their_own() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Created","Maps":["map('Orders', o => ({
            _: o.Parts.map(p => createField(p.Name, p.Value, { storage: p.Kept, indexing: p.Way, termVector: 'Yes' })),
            Plain: 1 }))"]}"#;
        define(&indexes, &definition.replace('\n', " ")).await.unwrap();
        let part = |name: &str, value: &str, kept: bool, way: &str| {
            json!({ "Name": name, "Value": value, "Kept": kept, "Way": way })
        };
        let parts = json!({ "Parts": [
            part("Words", "The Quick Fox", true, "Search"),
            part("Words", "lazy dog", true, "Search"),
            part("Code", "aBc", false, "Exact"),
            part("Kept", "only kept", true, "No"),
        ] });
        write(&database, vec![order("orders/1", &parts.to_string())]).await;
        let found = async |condition: &str| {
            let text = format!("from index 'Created' where {condition}");
            ask(&indexes, &text).await.unwrap().0.len()
        };
        for (condition, count) in [
            ("search(Words, 'fox dog', and)", 1),
            ("Words = 'the quick fox'", 1),
            ("Words = 'lazy dog'", 1),
            ("search(Code, 'aBc')", 0),
            ("Code = 'aBc'", 1),
            ("exact(Code = 'aBc')", 1),
            ("Code = 'abc'", 0),
            ("Kept = 'only kept'", 0),
            ("exists(Kept)", 0),
            ("Plain = 1", 1),
        ] {
            assert_eq!(found(condition).await, count, "{condition}");
        }
        let (shown, ..) = ask(&indexes, "from index 'Created' select Words, Code, Kept").await.unwrap();
        assert_eq!(shown[0]["Words"], json!(["The Quick Fox", "lazy dog"]));
        assert_eq!((&shown[0]["Code"], &shown[0]["Kept"]), (&Value::Null, &json!("only kept")));

        write(&database, vec![order("orders/2", &json!({ "Parts": [part("A", "b", true, "Sideways")] }).to_string())]).await;
        catch_up(&indexes).await;
        let errors = indexes.get("Created").unwrap().errors().await.unwrap();
        assert!(errors[0].error.contains("'Sideways' is no way to index a field"), "{errors:?}");
    });
}

#[test]
fn an_index_tells_what_its_latest_batches_did() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Parts","Maps":["map('Orders', o => o.Parts.map(p => ({ Part: p, Half: createField('Half', p, { indexing: o.Way }) })))"]}"#;
        define(&indexes, definition).await.unwrap();
        let good: Vec<_> = (0..20).map(|it| order(&format!("orders/{it}"), r#"{"Parts":[1,2,3],"Way":"Exact"}"#)).collect();
        write(&database, good).await;
        catch_up(&indexes).await;
        write(&database, vec![order("orders/20", r#"{"Parts":[1],"Way":"Sideways"}"#), delete("orders/1")]).await;
        catch_up(&indexes).await;
        let batches = indexes.get("Parts").unwrap().latest_batches();
        let [first, second] = &batches[..] else {
            panic!("{batches:?}");
        };
        assert_eq!((first.inputs, first.outputs, first.failures), (20, 60, 0));
        assert_eq!((second.inputs, second.outputs, second.failures), (2, 0, 1));
        assert!(first.number < second.number);
        for batch in &batches {
            assert!(batch.started_at <= batch.mapped_at && batch.mapped_at <= batch.completed_at);
        }
    });
}

#[test]
fn groups_are_searched_by_their_keys() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let commands = ["Quick Fox", "quick dog", "Lazy Dog", "Lazy Dog"].iter().enumerate();
        let commands = commands.map(|(at, name)| {
            order(&format!("orders/{at}"), &json!({ "Name": name, "Price": at }).to_string())
        });
        write(&database, commands.collect()).await;
        let ask_groups = async |rest: &str| {
            let text = format!("from Orders group by Name {rest}");
            ask(&indexes, &text).await.unwrap().0
        };
        let counts = |groups: &[Value]| {
            let mut counts: Vec<u64> = groups.iter().map(|it| it["Count"].as_u64().unwrap()).collect();
            counts.sort_unstable();
            counts
        };
        let select = "select key(), count()";
        assert_eq!(counts(&ask_groups(&format!("where search(Name, 'dog') {select}")).await), [1, 2]);
        assert_eq!(counts(&ask_groups(&format!("where search(Name, 'quick') and count() > 0 {select}")).await), [1, 1]);
        assert_eq!(counts(&ask_groups(&format!("where lucene(Name, 'la* AND dog') {select}")).await), [2]);
        assert_eq!(counts(&ask_groups(&format!("where Name = 'lazy dog' {select}")).await), [2]);
        assert!(ask_groups(&format!("where exact(Name = 'lazy dog') {select}")).await.is_empty());
        assert_eq!(counts(&ask_groups(&format!("where exact(Name = 'Lazy Dog') {select}")).await), [2]);
        let error = ask(&indexes, "from Orders group by Name where search(Price, '1') select key()").await.unwrap_err();
        assert!(error.message().contains("'Price' is nothing of that"), "{}", error.message());
        let error = ask(&indexes, "from Orders group by Name where spatial.within(spatial.point(A, B), spatial.circle(1, 1, 1)) select key()").await.unwrap_err();
        assert!(error.message().contains("groups lie nowhere"), "{}", error.message());

        // An average keeps more than it shows.
        ask(&indexes, "from Orders group by Name select avg(Price)").await.unwrap();
        let whole = ask_groups("where Name = 'lazy dog'").await;
        assert_eq!(whole[0]["avg(Price)"], json!(2.5));
        let names: Vec<&str> = whole[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(names.iter().all(|it| !it.contains(".sum") && !it.contains(".count")), "{names:?}");
    });
}
