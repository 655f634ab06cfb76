//! Indexes that lost their stores, and objects with more members than an index has room for.

use pinyon_core::indexes::IndexRefusal;
use pinyon_core::storage::{Environment as _, StoreName};
use serde_json::{Value, json};

use super::order;
use super::story::Story;
use super::story::indexes::{ask, catch_up, define, open, write};

#[test]
fn indexes_whose_stores_were_lost_are_named() {
    let story = Story::new();
    let store = story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Lost","Maps":["map('Orders', o => ({ Part: o.Part }))"]}"#;
        define(&indexes, definition).await.unwrap();
        write(&database, vec![order("orders/1", r#"{"Part":1}"#)]).await;
        catch_up(&indexes).await;
        let store = indexes.get("Lost").unwrap().record().store.clone();
        indexes.close().await.unwrap();
        store
    });
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        assert!(indexes.take_rebuilt().is_empty());
        indexes.close().await.unwrap();
    });
    let store = StoreName::new(store).unwrap();
    futures_executor::block_on(story.environment.delete(&store)).unwrap();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        assert_eq!(indexes.take_rebuilt(), ["Lost"]);
        assert!(indexes.take_rebuilt().is_empty());
        let found = ask(&indexes, "from index 'Lost' where Part = 1")
            .await
            .unwrap();
        assert_eq!(found.1, 1);
    });
}

#[test]
fn objects_fill_an_index_with_only_so_many_fields() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let definition = r#"{"Name":"Wide","Maps":["map('Orders', o => ({ Of: o.Of }))"]}"#;
        define(&indexes, definition).await.unwrap();
        let wide: serde_json::Map<String, Value> = (0..2000)
            .map(|it| (format!("k{it:04}"), it.into()))
            .collect();
        let narrow = json!({ "Of": [{ "k0007": 7, "Inner": { "Deep": 1 } }] });
        write(&database, vec![order("orders/2", &narrow.to_string())]).await;
        catch_up(&indexes).await;
        write(
            &database,
            vec![order("orders/1", &json!({ "Of": [wide] }).to_string())],
        )
        .await;
        catch_up(&indexes).await;
        for (condition, total) in [
            ("Of.k0007 = 7", 2),
            ("Of[].Inner.Deep = 1", 1),
            ("Of.k0900 = 900", 1),
        ] {
            let text = format!("from index 'Wide' where {condition}");
            assert_eq!(ask(&indexes, &text).await.unwrap().1, total, "{text}");
        }
        let refused = ask(&indexes, "from index 'Wide' where Of.k1900 = 1900")
            .await
            .unwrap_err();
        assert_eq!(
            refused.details::<IndexRefusal>(),
            Some(&IndexRefusal::UnknownField)
        );
        assert!(
            indexes
                .get("Wide")
                .unwrap()
                .errors()
                .await
                .unwrap()
                .is_empty()
        );
    });
}
