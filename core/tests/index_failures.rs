//! Maps that fail: which documents an index does without, and when it stops for good.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::fmt::Write as _;

use pinyon_core::indexes::IndexState;
use story::indexes::{TestIndexes, ask, catch_up, define, open, write};
use story::{Story, delete, put};

/// Fails for documents without parts.
const PARTS: &str =
    r#"{"Name":"Parts","Maps":["map('Orders', o => o.Parts.map(p => ({ Part: p })))"]}"#;

fn order(number: usize, is_good: bool) -> pinyon_core::commands::BatchCommand {
    let parts = if is_good { "[1]" } else { "{\"no\":\"list\"}" };
    let text = format!(r#"{{"Parts":{parts},"@metadata":{{"@collection":"Orders"}}}}"#);
    put(&format!("orders/{number}"), &text)
}

async fn found(indexes: &TestIndexes) -> usize {
    let answer = ask(indexes, "from index 'Parts' where Part = 1").await;
    answer.unwrap().0.len()
}

#[test]
fn one_bad_document_among_few_is_listed_and_the_index_goes_on() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        define(&indexes, PARTS).await.unwrap();
        let orders = (0..5).map(|it| order(it, it != 2)).collect();
        write(&database, orders).await;
        catch_up(&indexes).await;
        let index = indexes.get("Parts").unwrap();
        assert_eq!(index.state().await.unwrap(), IndexState::Normal);
        let errors = index.errors().await.unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].document.as_deref(), Some("orders/2"));
        assert_eq!(found(&indexes).await, 4);
        // It is mended, and others come.
        write(&database, vec![delete("orders/2"), order(5, true)]).await;
        catch_up(&indexes).await;
        assert_eq!(found(&indexes).await, 5);
    });
}

#[test]
fn an_index_of_which_too_much_fails_stops_and_a_reset_lets_it_begin_again() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        define(&indexes, PARTS).await.unwrap();
        let orders = (0..9).map(|it| order(it, it >= 4)).collect();
        write(&database, orders).await;
        catch_up(&indexes).await;
        assert_eq!(
            indexes.get("Parts").unwrap().state().await.unwrap(),
            IndexState::Error
        );
        let asked = ask(&indexes, "from index 'Parts' where Part = 1").await;
        assert!(asked.unwrap_err().message().contains("failed 4 times of 9"));
        write(&database, (0..4).map(|it| order(it, true)).collect()).await;
        indexes.reset("Parts").await.unwrap();
        catch_up(&indexes).await;
        assert_eq!(
            indexes.get("Parts").unwrap().state().await.unwrap(),
            IndexState::Normal
        );
        assert_eq!(found(&indexes).await, 9);
    });
}

#[test]
fn a_map_that_fails_for_all_stops_though_they_are_two() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        define(&indexes, PARTS).await.unwrap();
        write(&database, vec![order(0, false), order(1, false)]).await;
        catch_up(&indexes).await;
        let state = indexes.get("Parts").unwrap().state().await;
        assert_eq!(state.unwrap(), IndexState::Error);
    });
}

#[test]
fn a_document_with_more_fields_than_an_index_may_have_is_named() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Wide","Maps":["map('Orders', o => ({ N: 1, _: o.Names.map(n => createField(n, 1)) }))"]}"#;
        define(&indexes, definition).await.unwrap();
        let mut names = String::new();
        for number in 0..=65_536 {
            write!(names, r#""f{number}","#).unwrap();
        }
        let text = format!(
            r#"{{"Names":[{}],"@metadata":{{"@collection":"Orders"}}}}"#,
            names.trim_end_matches(',')
        );
        let small = r#"{"Names":["f1"],"@metadata":{"@collection":"Orders"}}"#;
        write(&database, vec![put("orders/1", small), put("orders/2", &text)]).await;
        catch_up(&indexes).await;
        let errors = indexes.get("Wide").unwrap().errors().await.unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].document.as_deref(), Some("orders/2"));
        assert!(errors[0].error.contains("at most 65536 fields"), "{errors:?}");
        let (results, ..) = ask(&indexes, "from index 'Wide' where f1 = 1").await.unwrap();
        assert_eq!(results.len(), 1);
        // It has taken no fields from others.
        let another = r#"{"Names":["another"],"@metadata":{"@collection":"Orders"}}"#;
        write(&database, vec![put("orders/3", another)]).await;
        catch_up(&indexes).await;
        let text = "from index 'Wide' where another = 1";
        assert_eq!(ask(&indexes, text).await.unwrap().0.len(), 1);
    });
}
