//! What results show beside their own document: loaded and included ones, and whole documents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pinyon_core::Result;
use pinyon_core::document::{CollectionName, StoredDocument};
use pinyon_core::host::ManualClock;
use pinyon_core::indexes::{
    CompiledIndex, CompiledMap, IndexCompiler, IndexDefinition, Indexes, Loads, Object, ObjectMap,
    StepLimits,
};
use pinyon_core::query::{Parameters, PreparedQuery, ProjectionBehavior};
use pinyon_core::storage::StoreName;
use serde_json::{Value, json};

use super::order;
use super::story::indexes::{TestIndexes, ask, catch_up, define, ids, open, write};
use super::story::{Story, put};

fn shown(results: Vec<Value>) -> Vec<Value> {
    let without = |mut it: Value| {
        it.as_object_mut().unwrap().remove("@metadata");
        it
    };
    results.into_iter().map(without).collect()
}

async fn includes(indexes: &TestIndexes, text: &str) -> Vec<(String, bool)> {
    let query = PreparedQuery::parse(text, Parameters::new()).unwrap();
    let plan = indexes.plan(&query).await.unwrap();
    catch_up(indexes).await;
    let ready = indexes.ready(plan, &query).await.unwrap();
    let answer = ready.answer(&query, usize::MAX).await.unwrap();
    let includes = answer.includes.into_iter();
    includes.map(|(id, it)| (id, it.is_some())).collect()
}

#[test]
fn loaded_documents_keep_their_places() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let company = |id: &str, name: &str| {
            put(
                id,
                &format!(r#"{{"Name":"{name}","@metadata":{{"@collection":"Companies"}}}}"#),
            )
        };
        write(
            &database,
            vec![
                company("c/1", "One"),
                company("c/2", "Two"),
                order(
                    "o/1",
                    r#"{"Company":"c/1","Other":["c/2","c/9","c/1"],"N":1}"#,
                ),
                order("o/2", r#"{"Company":"c/9","Other":["c/2"],"N":2}"#),
                order("o/3", r#"{"Other":[],"N":3}"#),
            ],
        )
        .await;
        let ask_shown = async |text: &str| shown(ask(&indexes, text).await.unwrap().0);
        let names = "from Orders as o load o.Other[] as os[] select \
                     { names: os.map(x => x ? x.Name : 'none'), n: os.length }";
        assert_eq!(
            ask_shown(names).await,
            [
                json!({ "names": ["Two", "none", "One"], "n": 3 }),
                json!({ "names": ["Two"], "n": 1 }),
                json!({ "names": [], "n": 0 }),
            ]
        );
        let fields = "from Orders as o load o.Company as c, o.Other as os[] \
                      select c.Name as Name, os.Name as Names";
        assert_eq!(
            ask_shown(fields).await,
            [
                json!({ "Name": "One", "Names": ["Two", "One"] }),
                json!({ "Name": null, "Names": ["Two"] }),
                json!({ "Name": null, "Names": [] }),
            ]
        );
        let whole = ask(
            &indexes,
            "from Orders as o load o.Company as c select c as Company, o.N",
        )
        .await;
        assert_eq!(whole.unwrap().0[0]["Company"]["Name"], "One");
        let plain = ask(&indexes, "from Orders as o where o.N = 2 select o")
            .await
            .unwrap()
            .0;
        assert_eq!(
            plain,
            ask(&indexes, "from Orders where N = 2").await.unwrap().0
        );
    });
}

#[test]
fn results_of_groups_load_and_include() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let company = put("c/1", r#"{"Name":"One","@metadata":{"@collection":"Companies"}}"#);
        let orders = [("o/1", "c/1"), ("o/2", "c/1"), ("o/3", "c/9")];
        let orders = orders.map(|(id, company)| order(id, &format!(r#"{{"Company":"{company}"}}"#)));
        write(&database, orders.into_iter().chain([company]).collect()).await;
        define(
            &indexes,
            r#"{"Name":"MR","Maps":["map('Orders', o => ({ Company: o.Company, Count: 1 }))"],
                "Reduce":"groupBy(x => x.Company).aggregate(g => ({ Company: g.key, Count: g.values.reduce((s, x) => s + x.Count, 0) }))"}"#,
        )
        .await
        .unwrap();
        let expected = [json!({ "n": "One", "c": 2 }), json!({ "n": null, "c": 1 })];
        for text in [
            "from index 'MR' as r order by Company load r.Company as c select { n: c ? c.Name : null, c: r.Count }",
            "from index 'MR' as r order by Company load r.Company as c select c.Name as n, r.Count as c",
            "from Orders as o group by Company order by Company load Company as c select c.Name as n, count() as c",
        ] {
            assert_eq!(shown(ask(&indexes, text).await.unwrap().0), expected, "{text}");
        }
        for text in ["from index 'MR' order by Company include Company", "from Orders group by Company order by Company select Company, count() include Company"] {
            let expected = [("c/1".to_owned(), true), ("c/9".to_owned(), false)];
            assert_eq!(includes(&indexes, text).await, expected, "{text}");
        }
    });
}

#[test]
fn fields_come_from_the_index_or_from_the_document() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        write(&database, vec![order("o/1", r#"{"Freight":2,"Company":"c/1"}"#)]).await;
        define(
            &indexes,
            r#"{"Name":"Calculated","Maps":["map('Orders', o => ({ Company: 'c/x', Calc: o.Freight * 2 }))"],
                "Fields":{"__all_fields":{"Storage":"Yes"}}}"#,
        )
        .await
        .unwrap();
        let ask_as = async |select: &str, behavior: ProjectionBehavior| {
            let text = format!("from index 'Calculated' as o select {select}");
            let mut query = PreparedQuery::parse(&text, Parameters::new()).unwrap();
            query.projection_behavior = behavior;
            let plan = indexes.plan(&query).await.unwrap();
            catch_up(&indexes).await;
            let ready = indexes.ready(plan, &query).await.unwrap();
            let answer = ready.answer(&query, usize::MAX).await.map_err(|it| it.message().to_owned())?;
            let mut json = Vec::new();
            answer.results[0].write_json(&mut json);
            Ok::<_, String>(shown(vec![serde_json::from_slice(&json).unwrap()]).remove(0))
        };
        use ProjectionBehavior::{Default, FromDocument, FromDocumentOrThrow, FromIndex, FromIndexOrThrow};
        for select in ["Company, Calc, Freight", "{ Company: o.Company, Calc: o.Calc, Freight: o.Freight }"] {
            for (behavior, expected) in [
                (Default, json!({ "Company": "c/x", "Calc": 4, "Freight": 2 })),
                (FromIndex, json!({ "Company": "c/x", "Calc": 4, "Freight": null })),
                (FromDocument, json!({ "Company": "c/1", "Calc": null, "Freight": 2 })),
            ] {
                let mut found = ask_as(select, behavior).await.unwrap();
                for name in ["Company", "Calc", "Freight"] {
                    found.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
                }
                assert_eq!(found, expected, "{select} {behavior:?}");
            }
        }
        assert!(ask_as("Company, Calc", FromIndexOrThrow).await.is_ok());
        let refused = ask_as("Freight", FromIndexOrThrow).await.unwrap_err();
        assert!(refused.contains("'Freight' cannot be taken from the index"), "{refused}");
        let refused = ask_as("Calc", FromDocumentOrThrow).await.unwrap_err();
        assert!(refused.contains("'Calc' cannot be taken from the document"), "{refused}");
    });
}

#[cfg(feature = "spatial")]
#[test]
fn what_lies_nowhere_is_near_nothing() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let orders = [("o/1", "{\"N\":1}"), ("o/2", r#"{"lat":1,"lng":1}"#), ("o/3", r#"{"lat":5,"lng":5}"#)];
        let orders = orders.map(|(id, body)| order(id, body));
        write(&database, orders.into()).await;
        for (direction, expected) in [("", ["o/3", "o/2", "o/1"]), ("desc", ["o/2", "o/3", "o/1"])] {
            let text = format!(
                "from Orders order by spatial.distance(spatial.point(lat, lng), spatial.point(6, 6)) {direction}"
            );
            assert_eq!(ids(&ask(&indexes, &text).await.unwrap().0), expected);
        }
    });
}

#[test]
fn pieces_of_lists_stay_within_a_value() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        write(
            &database,
            vec![order("o/1", r#"{"W":["alpha beta","gamma beta","delta"]}"#)],
        )
        .await;
        define(
            &indexes,
            r#"{"Name":"Words","Maps":["map('Orders', o => ({ W: o.W }))"],
                "Fields":{"W":{"Indexing":"Search","Storage":"Yes"}}}"#,
        )
        .await
        .unwrap();
        for source in ["index 'Words'", "Orders"] {
            let text = format!("from {source} where search(W, 'beta') include highlight(W, 20, 5)");
            let query = PreparedQuery::parse(&text, Parameters::new()).unwrap();
            let plan = indexes.plan(&query).await.unwrap();
            catch_up(&indexes).await;
            let ready = indexes.ready(plan, &query).await.unwrap();
            let answer = ready.answer(&query, usize::MAX).await.unwrap();
            let pieces = answer.highlights["W"]["o/1"]
                .iter()
                .map(|it| it.replace(char::is_whitespace, " "));
            let pieces: Vec<String> = pieces.collect();
            assert_eq!(pieces.len(), 2, "{pieces:?}");
            assert!(
                pieces[0].starts_with("alpha ") && pieces[1].starts_with("gamma "),
                "{pieces:?}"
            );
        }
    });
}

/// A map that takes its time: until it may go on, and a millisecond by the story's clock.
struct SlowMap {
    mapped: Arc<AtomicUsize>,
    may_go_on: Arc<AtomicBool>,
    clock: Arc<ManualClock>,
}

impl SlowMap {
    fn again(&self) -> Self {
        Self {
            mapped: Arc::clone(&self.mapped),
            may_go_on: Arc::clone(&self.may_go_on),
            clock: Arc::clone(&self.clock),
        }
    }
}

impl ObjectMap for SlowMap {
    fn collection(&self) -> Option<&CollectionName> {
        None
    }

    fn map(&self, _: &StoredDocument, _: &mut Loads) -> Result<Vec<Object>> {
        self.mapped.fetch_add(1, Ordering::SeqCst);
        while !self.may_go_on.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        self.clock.advance_ms(1);
        Ok(Vec::new())
    }
}

impl IndexCompiler for SlowMap {
    fn compile(&self, _: &IndexDefinition) -> Result<CompiledIndex> {
        Ok(CompiledIndex {
            maps: vec![CompiledMap::Objects(Arc::new(self.again()))],
            reduce: None,
        })
    }
}

#[test]
fn who_deletes_an_index_does_not_wait_for_all_of_its_documents() {
    const COUNT: usize = 20;
    const SLOW: &str = r#"{"Name":"Slow","Maps":["map('Orders', o => ({}))"]}"#;
    if cfg!(target_family = "wasm") {
        // Somebody has to delete it while another thread maps, and there is one thread only.
        return;
    }
    let story = Story::new();
    story.run(async |database| {
        let map = SlowMap {
            mapped: Arc::default(),
            may_go_on: Arc::default(),
            clock: Arc::clone(&story.clock),
        };
        let (mapped, may_go_on) = (Arc::clone(&map.mapped), Arc::clone(&map.may_go_on));
        let store = StoreName::new("documents").unwrap();
        let environment = story.environment.clone();
        let opening = Indexes::open(environment, database.clone(), &store, Arc::new(map));
        let indexes = opening.await.unwrap();
        let orders = (0..COUNT).map(|it| order(&format!("o/{it}"), "{\"N\":1}"));
        write(&database, orders.collect()).await;
        define(&indexes, SLOW).await.unwrap();
        let index = indexes.get("Slow").unwrap();
        let (stepping, followed) = (Arc::clone(&index), database.clone());
        let step = std::thread::spawn(move || {
            futures_executor::block_on(stepping.step(&followed, StepLimits::default()))
        });
        while mapped.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let mut deleting = Box::pin(indexes.delete("Slow"));
        let done = futures_util::future::poll_immediate(deleting.as_mut()).await;
        assert!(done.is_none());
        may_go_on.store(true, Ordering::SeqCst);
        assert!(deleting.await.unwrap());
        assert_eq!(step.join().unwrap().unwrap().processed, 0);
        assert_eq!(mapped.load(Ordering::SeqCst), 1);

        // One that takes long commits in between.
        let limits = StepLimits {
            time_ms: 0,
            ..StepLimits::default()
        };
        define(&indexes, SLOW).await.unwrap();
        let index = indexes.get("Slow").unwrap();
        mapped.store(0, Ordering::SeqCst);
        let mut processed = 0;
        loop {
            let report = index.step(&database, limits).await.unwrap();
            processed += report.processed;
            if !report.has_more {
                break;
            }
        }
        assert_eq!((processed, mapped.load(Ordering::SeqCst)), (COUNT, COUNT));
        assert!(index.view().await.unwrap().progress.batches >= COUNT as u64);
    });
}

#[test]
fn results_show_what_functions_make_and_load() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let commands = vec![
            order("orders/1", r#"{"Line":{"Sum":3},"Company":"companies/1","Freight":4.5}"#),
            order("orders/2", r#"{"Company":"companies/9","Freight":2}"#),
            put("companies/1", r#"{"Name":"Acme","Boss":"people/1"}"#),
            put("people/1", r#"{"Name":"Ann"}"#),
        ];
        write(&database, commands).await;
        let acme = json!({ "Name": "Acme", "Boss": "Ann", "Cost": 7.5 });
        for (select, expected) in [
            ("{ Name: load(o.Company).Name, Boss: load(load(o.Company).Boss).Name, Cost: o.Freight + o.Line.Sum }", acme.clone()),
            ("show(o, o.Line)", acme),
        ] {
            let function = if select.starts_with("show") {
                "declare function show(o, line) { const company = load(o.Company); \
                 return { Name: company.Name, Boss: load(company.Boss).Name, Cost: o.Freight + line.Sum }; } "
            } else {
                ""
            };
            let text = format!("{function}from Orders as o where o.Freight > 4 select {select}");
            let (mut results, ..) = ask(&indexes, &text).await.unwrap();
            results[0].as_object_mut().unwrap().remove("@metadata");
            assert_eq!(results, [expected], "{select}");
        }
        let loop_text = "declare function f(o) { while (true) {} } from Orders as o select f(o)";
        let error = ask(&indexes, loop_text).await.unwrap_err();
        assert!(error.message().contains("needs a script engine"), "{}", error.message());
    });
}
