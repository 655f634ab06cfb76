//! Results of indexes as documents: in step with the results, whatever happens in between.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test may panic, and tells one story from end to end"
)]

mod story;

use std::collections::BTreeMap;

use pinyon_core::ErrorKind;
use pinyon_core::commands::Configure;
use pinyon_core::storage::Fault;
use pinyon_core::version::Etag;
use serde_json::{Value, json};
use story::indexes::{TestIndexes, ask, catch_up, define, open, write};
use story::{Story, TestStore, delete, json as json_of, put, write_one};

type Database = pinyon_core::Database<TestStore>;

const DAYS: &str = r#"{"Name":"Days","Maps":["from o in docs.Orders select new { o.Day, Month = o.Day.Substring(0, 7), o.Total, Count = 1 }"],
    "Reduce":"from r in results group r by new { r.Day, r.Month } into g select new { g.Key.Day, g.Key.Month, Total = g.Sum(x => x.Total), Count = g.Sum(x => x.Count) }",
    "OutputReduceToCollection":"DayTotals",
    "PatternForOutputReduceToCollectionReferences":"totals/{Day:yyyy-MM}"}"#;
const MONTHS: &str = r#"{"Name":"Months","Maps":["map('DayTotals', d => ({ Month: d.Month, Total: d.Total, Days: 1 }))"],
    "Reduce":"groupBy(x => x.Month).aggregate(g => ({ Month: g.key, Total: g.values.reduce((s, x) => s + x.Total, 0), Days: g.values.reduce((s, x) => s + x.Days, 0) }))",
    "OutputReduceToCollection":"MonthTotals"}"#;
const YEARS: &str = r#"{"Name":"Years","Maps":["map('MonthTotals', m => ({ Year: m.Month.substring(0, 4), Total: m.Total }))"],
    "Reduce":"groupBy(x => x.Year).aggregate(g => ({ Year: g.key, Total: g.values.reduce((s, x) => s + x.Total, 0) }))"}"#;

fn order(number: u32, day: &str, total: u32) -> pinyon_core::commands::BatchCommand {
    let text = json!({
        "Day": day, "Total": total, "@metadata": { "@collection": "Orders" },
    });
    put(&format!("orders/{number}"), &text.to_string())
}

/// The documents of a collection, without their metadata but for flags, by id.
async fn collection(database: &Database, name: &str) -> BTreeMap<String, Value> {
    let tx = database.read().await.unwrap();
    let mut found = BTreeMap::new();
    for document in tx.newest_documents(0, 1000).await.unwrap() {
        if document.collection() == name {
            let mut text = Vec::new();
            document.write_json(&mut text);
            let mut json: Value = serde_json::from_slice(&text).unwrap();
            let flags = json["@metadata"]["@flags"].take();
            json.as_object_mut().unwrap().remove("@metadata");
            assert_eq!(flags, "Artificial, FromIndex");
            found.insert(document.id().to_owned(), json);
        }
    }
    found
}

async fn values(database: &Database, name: &str) -> Vec<Value> {
    let mut values: Vec<Value> = collection(database, name).await.into_values().collect();
    values.sort_by_key(Value::to_string);
    values
}

async fn last_etag(database: &Database) -> Etag {
    let tx = database.read().await.unwrap();
    tx.state().await.unwrap().last_etag
}

#[test]
fn days_become_months_become_years() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        for definition in [YEARS, MONTHS, DAYS] {
            define(&indexes, definition).await.unwrap();
        }
        let orders = [
            order(1, "2026-01-05", 10),
            order(2, "2026-01-05", 5),
            order(3, "2026-01-06", 1),
            order(4, "2026-02-01", 100),
        ];
        write(&database, orders.to_vec()).await;
        catch_up(&indexes).await;
        assert_eq!(
            values(&database, "DayTotals").await,
            [
                json!({ "Day": "2026-01-05", "Month": "2026-01", "Total": 15, "Count": 2 }),
                json!({ "Day": "2026-01-06", "Month": "2026-01", "Total": 1, "Count": 1 }),
                json!({ "Day": "2026-02-01", "Month": "2026-02", "Total": 100, "Count": 1 }),
            ]
        );
        assert_eq!(
            values(&database, "MonthTotals").await,
            [
                json!({ "Month": "2026-01", "Total": 16, "Days": 2 }),
                json!({ "Month": "2026-02", "Total": 100, "Days": 1 }),
            ]
        );
        let years =
            async || ask(&indexes, "from index 'Years'").await.unwrap().0[0]["Total"].clone();
        assert_eq!(years().await, 116);

        // Lists of results stand under ids that can be told beforehand.
        let january = json_of(&database, "totals/2026-01").await.unwrap();
        assert_eq!(january["@metadata"]["@collection"], "DayTotals/References");
        let listed = january["ReduceOutputs"].as_array().unwrap().len();
        assert_eq!(listed, 2);
        let february = json_of(&database, "totals/2026-02").await.unwrap();
        let day = february["ReduceOutputs"][0].as_str().unwrap();
        assert_eq!(json_of(&database, day).await.unwrap()["Total"], 100);

        // One order moves: only what it concerns changes.
        let before = last_etag(&database).await;
        write(&database, vec![order(4, "2026-01-06", 7)]).await;
        catch_up(&indexes).await;
        assert_eq!(values(&database, "DayTotals").await.len(), 2);
        assert_eq!(
            values(&database, "MonthTotals").await,
            [json!({ "Month": "2026-01", "Total": 23, "Days": 2 })]
        );
        assert_eq!(years().await, 23);
        assert!(json_of(&database, "totals/2026-02").await.is_none());
        // The order, a day changed, one gone with its list, a month changed, one gone.
        let written = last_etag(&database).await.number() - before.number();
        assert!(written <= 8, "{written} writes");

        // Nothing to do is nothing written.
        let before = last_etag(&database).await;
        for name in ["Days", "Months"] {
            indexes.reset(name).await.unwrap();
        }
        catch_up(&indexes).await;
        assert_eq!(
            last_etag(&database).await,
            before,
            "a reset writes nothing anew"
        );
        assert_eq!(years().await, 23);
        write(
            &database,
            (1..=4).map(|it| delete(&format!("orders/{it}"))).collect(),
        )
        .await;
        catch_up(&indexes).await;
        assert!(values(&database, "DayTotals").await.is_empty());
        assert!(values(&database, "MonthTotals").await.is_empty());
        assert!(
            ask(&indexes, "from index 'Years'")
                .await
                .unwrap()
                .0
                .is_empty()
        );
        indexes.close().await.unwrap();
    });
}

#[test]
fn results_are_the_indexs_own() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let revisions = r#"{"Default":{"MinimumRevisionsToKeep":5}}"#;
        let configure = Configure::Revisions(serde_json::from_str(revisions).unwrap());
        database.configure(configure).await.unwrap();
        define(&indexes, DAYS).await.unwrap();
        for total in [1, 2] {
            write(&database, vec![order(1, "2026-01-05", total)]).await;
            catch_up(&indexes).await;
        }
        let ids: Vec<String> = collection(&database, "DayTotals")
            .await
            .into_keys()
            .collect();
        let [id] = ids.as_slice() else {
            panic!("one day, not {ids:?}")
        };
        let tx = database.read().await.unwrap();
        assert_eq!(tx.revision_count("orders/1").await.unwrap(), 2);
        assert_eq!(
            tx.revision_count(id).await.unwrap(),
            0,
            "results have no revisions"
        );
        // No other replica hears of them.
        let streamed = tx
            .stream_to_server(Etag::ZERO, &Default::default())
            .await
            .unwrap();
        let sent: Vec<&str> = streamed.states.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(sent, ["orders/1"]);
        drop(tx);
        let text = r#"{"Total":7,"@metadata":{"@collection":"DayTotals"}}"#;
        let refused = write_one(&database, put(id, text)).await.unwrap_err();
        assert!(
            refused.message().contains("is a result of an index"),
            "{refused}"
        );
        // Deletions of results are not sent either.
        write(&database, vec![delete("orders/1")]).await;
        catch_up(&indexes).await;
        let tx = database.read().await.unwrap();
        let streamed = tx
            .stream_to_server(Etag::ZERO, &Default::default())
            .await
            .unwrap();
        let sent: Vec<&str> = streamed.states.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(sent, ["orders/1"]);
    });
}

#[test]
fn what_cannot_come_to_rest_is_refused() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        define(&indexes, DAYS).await.unwrap();
        define(&indexes, MONTHS).await.unwrap();
        let why = async |definition: &str| {
            let refused = define(&indexes, definition).await.unwrap_err();
            refused.message().to_owned()
        };
        let circle = MONTHS
            .replace("\"Months\"", "\"Circle\"")
            .replace("'DayTotals'", "'MonthTotals'")
            .replace("\"MonthTotals\"", "\"Orders\"");
        assert_eq!(
            why(&circle).await,
            "Failed to compile index 'Circle': it would feed itself: 'Circle' writes 'orders', \
             which 'Days' reads; 'Days' writes 'daytotals', which 'Months' reads; 'Months' writes \
             'monthtotals', which 'Circle' reads"
        );
        let twin = DAYS.replace("\"Days\"", "\"Twin\"");
        assert!(
            why(&twin)
                .await
                .contains("the index 'Days' writes its results to 'daytotals' already")
        );
        let other = |changes: [(&str, &str); 2]| {
            let named = DAYS
                .replace("\"Days\"", "\"Other\"")
                .replace("DayTotals", "OtherTotals");
            changes
                .iter()
                .fold(named, |text, (from, to)| text.replace(from, to))
        };
        write(
            &database,
            vec![put("o/1", r#"{"@metadata":{"@collection":"OtherTotals"}}"#)],
        )
        .await;
        assert!(
            why(&other([("", ""), ("", "")]))
                .await
                .contains("such as 'o/1'")
        );
        write(&database, vec![delete("o/1")]).await;
        for (changes, reason) in [
            ([("docs.Orders", "docs"), ("", "")], "feed itself"),
            ([("{Day:yyyy-MM}", "{Day:MMM}"), ("", "")], "format 'MMM'"),
            ([("{Day:yyyy-MM}", "all"), ("", "")], "names no field"),
            ([("\"Reduce\"", "\"Reduced\""), ("", "")], "needs a reduce"),
            (
                [("\"OtherTotals\"", "\"\""), ("", "")],
                "needs OutputReduceToCollection",
            ),
        ] {
            let why = why(&other(changes)).await;
            assert!(why.contains(reason), "{why}");
        }
        // What a map loads shows only when it runs.
        let loading = MONTHS
            .replace("\"Months\"", "\"Loading\"")
            .replace("MonthTotals", "LoadedTotals")
            .replace(
                "'DayTotals', d => ({ Month: d.Month",
                "'Orders', d => ({ Month: load(d.Of, 'LoadedTotals').Month",
            );
        define(&indexes, &loading).await.unwrap();
        write(
            &database,
            vec![put(
                "orders/1",
                r#"{"Day":"2026-01-01","Total":1,"Of":"x/1","@metadata":{"@collection":"Orders"}}"#,
            )],
        )
        .await;
        catch_up(&indexes).await;
        let errors = indexes.get("Loading").unwrap().errors().await.unwrap();
        assert!(
            errors[0].error.contains("which this index itself writes"),
            "{errors:?}"
        );
        assert_eq!(errors[0].document.as_deref(), Some("orders/1"));
    });
}

#[test]
fn a_changed_index_takes_its_documents_over() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        define(&indexes, DAYS).await.unwrap();
        let orders = [order(1, "2026-01-05", 10), order(2, "2026-02-05", 5)];
        write(&database, orders.to_vec()).await;
        catch_up(&indexes).await;
        let days = collection(&database, "DayTotals").await;
        assert_eq!(days.len(), 2);
        // Built beside the old one, it writes nothing before it is in its place.
        let doubled = DAYS.replace("o.Total,", "Total = o.Total * 2,");
        define(&indexes, &doubled).await.unwrap();
        let replacement = indexes.get("ReplacementOf/Days").unwrap();
        replacement
            .step(&database, Default::default())
            .await
            .unwrap();
        assert_eq!(collection(&database, "DayTotals").await, days);
        catch_up(&indexes).await;
        let totals = async |name: &str| -> Vec<Value> {
            let found = values(&database, name).await;
            found.into_iter().map(|it| it["Total"].clone()).collect()
        };
        assert_eq!(totals("DayTotals").await, [20, 10]);
        let ids: Vec<String> = collection(&database, "DayTotals")
            .await
            .into_keys()
            .collect();
        assert!(
            ids.iter().eq(days.keys()),
            "the same groups have the same ids"
        );
        // Groups of another kind leave nothing of the old ones.
        let by_month = doubled.replace("o.Day,", "Day = o.Day.Substring(0, 4),");
        define(&indexes, &by_month).await.unwrap();
        catch_up(&indexes).await;
        assert_eq!(values(&database, "DayTotals").await.len(), 2);
        assert!(
            collection(&database, "DayTotals")
                .await
                .keys()
                .all(|it| !ids.contains(it))
        );
        // Another collection: the old one is cleared.
        define(&indexes, &doubled.replace("DayTotals", "Daily"))
            .await
            .unwrap();
        catch_up(&indexes).await;
        assert!(values(&database, "DayTotals").await.is_empty());
        assert!(values(&database, "DayTotals/References").await.is_empty());
        assert_eq!(totals("Daily").await, [20, 10]);
        // A deleted index leaves its documents, and who comes next takes them over.
        assert!(indexes.delete("Days").await.unwrap());
        write(&database, vec![delete("orders/2")]).await;
        catch_up(&indexes).await;
        assert_eq!(totals("Daily").await, [20, 10]);
        define(&indexes, &DAYS.replace("DayTotals", "Daily"))
            .await
            .unwrap();
        catch_up(&indexes).await;
        assert_eq!(totals("Daily").await, [10]);
        assert!(json_of(&database, "totals/2026-02").await.is_none());
        indexes.close().await.unwrap();
    });
}

/// Every commit of a life in turn fails, or is applied while the process dies.
#[test]
fn a_crash_at_any_commit_loses_no_document() {
    for fault in [Fault::AppliedThenClosed, Fault::Error(ErrorKind::Closed)] {
        for nth in 1..24 {
            let story = Story::new();
            story.run(async |database| {
                let indexes = open(&story, &database).await;
                define(&indexes, DAYS).await.unwrap();
                define(&indexes, MONTHS).await.unwrap();
                let orders = [order(1, "2026-01-05", 10), order(2, "2026-02-05", 5)];
                write(&database, orders.to_vec()).await;
                catch_up(&indexes).await;
                write(&database, vec![order(1, "2026-03-05", 9)]).await;
                story.plan.fail_at(nth, fault);
                crash(&indexes).await;
                story.plan.heal();
                let _ = indexes.close().await;
            });
            story.run_seeded(8, async |database| {
                let indexes = open(&story, &database).await;
                catch_up(&indexes).await;
                let days = values(&database, "DayTotals").await;
                let days: Vec<&str> = days.iter().filter_map(|it| it["Day"].as_str()).collect();
                assert_eq!(days, ["2026-02-05", "2026-03-05"], "{fault:?} at {nth}");
                assert_eq!(values(&database, "MonthTotals").await.len(), 2);
                assert!(json_of(&database, "totals/2026-01").await.is_none());
                assert!(json_of(&database, "totals/2026-03").await.is_some());
                indexes.close().await.unwrap();
            });
        }
    }
}

/// Steps until something fails or nothing is left.
async fn crash(indexes: &TestIndexes) {
    loop {
        let mut processed = 0;
        for index in indexes.list() {
            match index.step(indexes.database(), Default::default()).await {
                Ok(report) => processed += report.processed,
                Err(_) => return,
            }
        }
        if processed == 0 {
            return;
        }
    }
}
