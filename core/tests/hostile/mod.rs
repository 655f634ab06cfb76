//! Queries that ask for too much, nest too deep, or are none: each is answered or refused, and
//! what comes after is answered as ever.

use pinyon_core::ErrorKind;

use super::order;
use super::story::Story;
use super::story::indexes::{ask, ids, open, write};

const QUERIES: &str = include_str!("queries.rql");

/// The queries, with `@5{ab}@` written out.
fn queries() -> Vec<String> {
    let lines = QUERIES.lines().filter(|it| !it.starts_with("// "));
    lines.map(written_out).collect()
}

fn written_out(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        let Some((count, inner)) = after.split_once('{') else {
            text.push('@');
            rest = after;
            continue;
        };
        let Ok(count) = count.parse::<usize>() else {
            text.push('@');
            rest = after;
            continue;
        };
        let (inner, after) = inner.split_once("}@").expect("what is opened is closed");
        text.push_str(&inner.repeat(count));
        rest = after;
    }
    text + rest
}

#[test]
fn hostile_queries_are_answered_or_refused() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        let body = |at: u32| {
            format!(
                r#"{{"Kind":"aaaaaaaaaaaaaaaaaaaaaaaaaaab","Price":{at},"Text":"fox and dog","Lat":1,"Lng":{at}}}"#
            )
        };
        let orders = (0..9).map(|at| order(&format!("items/{at}"), &body(at)));
        write(&database, orders.collect()).await;
        let (mut answered, mut refused, mut long) = (0, 0, Vec::new());
        for query in queries() {
            let shown: String = query.chars().take(90).collect();
            println!("{shown}");
            match ask(&indexes, &query).await {
                Ok(_) => answered += 1,
                Err(error) => {
                    let is_refusal = matches!(
                        error.kind(),
                        ErrorKind::InvalidRequest
                            | ErrorKind::Unsupported
                            | ErrorKind::LimitExceeded
                            | ErrorKind::NotFound
                    );
                    assert!(is_refusal, "{shown}: {error:?}");
                    if error.message().len() > 2000 {
                        long.push(format!("{shown}: {:.90}", error.message()));
                    }
                    refused += 1;
                }
            }
        }
        assert!(long.is_empty(), "refused at length: {long:#?}");
        assert!(answered > 20 && refused > 20, "{answered} answered, {refused} refused");
        let (found, ..) = ask(&indexes, "from Orders where Price = 3").await.unwrap();
        assert_eq!(ids(&found), ["items/3"]);
        // Nothing was left behind that cannot be opened again.
        indexes.close().await.unwrap();
        let again = open(&story, &database).await;
        assert_eq!(ask(&again, "from Orders where Price = 3").await.unwrap().1, 1);
    });
}
