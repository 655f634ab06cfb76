//! Document ids and the patterns over them.

use pinyon_core::document::{DocumentId, IdPattern, IdRequest, to_id_key};
use pinyon_core::version::Etag;

use crate::two_texts;

const MAX_BYTES: usize = 512;

/// Ids: what is accepted keeps the rules, and so does whatever the database makes of it.
pub fn document_id(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let id = match IdRequest::parse(text, MAX_BYTES) {
        Err(_) => return,
        Ok(IdRequest::Random) => {
            assert!(text.is_empty(), "only no id means any id");
            return;
        }
        Ok(IdRequest::Semantic(id)) => {
            assert_eq!(id.as_str(), text, "an id is kept as given");
            id
        }
        Ok(IdRequest::ServerSide(prefix)) => {
            // Nobody writes more often than this: clients hold etags as signed numbers.
            let last = Etag::new(i64::MAX as u64);
            let made = IdRequest::server_side_id(&prefix, last, "ZZZZ");
            assert!(made.starts_with(text), "'{made}' lacks its prefix");
            DocumentId::new(made, MAX_BYTES).expect("the database can make an id of it")
        }
        Ok(IdRequest::Identity(name)) => {
            let made = IdRequest::identity_id(&name, i64::MAX);
            DocumentId::new(made, MAX_BYTES).expect("the database can make an id of it")
        }
    };
    assert!(id.as_str().len() <= MAX_BYTES && !id.as_str().ends_with(['/', '|']));
    let key = std::str::from_utf8(id.key()).expect("a key is text");
    assert_eq!(to_id_key(key), *id.key(), "a key is the key of itself");
    // Of long ids only some prefixes, so that they do not slow the others down.
    let text = id.as_str();
    for (end, _) in text.char_indices().take(40) {
        assert!(
            id.key().starts_with(&to_id_key(&text[..end])),
            "the key of '{}' is no prefix",
            &text[..end]
        );
    }
}

/// Patterns: the matcher agrees with the plain definition of a pattern.
pub fn id_pattern(input: &[u8]) {
    let Some((pattern, text)) = two_texts(input) else {
        return;
    };
    if pattern.len() > 64 || text.len() > 64 {
        return;
    }
    let lower = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    let expected = pattern
        .split('|')
        .any(|alternative| matches(&lower(alternative), &lower(text)));
    assert_eq!(
        IdPattern::parse(pattern).matches(text),
        expected,
        "'{pattern}' on '{text}'"
    );
}

/// `reachable[t]`: whether the pattern so far matches the first `t` characters.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        for (t, _) in reachable.iter().enumerate().filter(|(_, it)| **it) {
            match wanted {
                '*' => next[t..].fill(true),
                '?' if t < text.len() => next[t + 1] = true,
                letter if text.get(t) == Some(letter) => next[t + 1] = true,
                _ => {}
            }
        }
        reachable = next;
    }
    reachable[text.len()]
}
