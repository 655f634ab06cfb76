//! Countries: nested documents with references to their neighbours.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{SampleDocument, text};

/// Ids like `countries/SWE`, by both the two-letter and the three-letter code.
pub fn ids_by_code(countries: &[Value]) -> Result<HashMap<String, String>> {
    let mut ids = HashMap::new();
    for country in countries {
        let code = text(country, "cca3")?;
        let id = format!("countries/{code}");
        ids.insert(text(country, "cca2")?.to_owned(), id.clone());
        ids.insert(code.to_owned(), id);
    }
    Ok(ids)
}

/// The countries as they are, but for `borders`, which become ids.
pub fn documents(
    countries: &[Value],
    ids: &HashMap<String, String>,
) -> Result<Vec<SampleDocument>> {
    countries
        .iter()
        .map(|country| {
            let code = text(country, "cca3")?;
            let mut content = country.clone();
            for border in content["borders"].as_array_mut().into_iter().flatten() {
                let neighbour = border.as_str().and_then(|code| ids.get(code));
                *border = neighbour
                    .with_context(|| format!("{code} borders on {border}, which is not listed"))?
                    .as_str()
                    .into();
            }
            let id = format!("countries/{code}");
            Ok(SampleDocument::new(id, "Countries", content))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn borders_become_ids() {
        let countries = [
            json!({ "name": { "common": "Sweden" }, "cca2": "SE", "cca3": "SWE", "borders": ["NOR"] }),
            json!({ "name": { "common": "Norway" }, "cca2": "NO", "cca3": "NOR", "borders": [] }),
        ];
        let ids = ids_by_code(&countries).unwrap();
        let documents = documents(&countries, &ids).unwrap();
        assert_eq!(documents[0].id, "countries/SWE");
        let content = &documents[0].content;
        assert_eq!(content["borders"], json!(["countries/NOR"]));
        assert_eq!(content["name"]["common"], "Sweden");
        assert_eq!(content["@metadata"]["@collection"], "Countries");
    }

    #[test]
    fn a_border_on_nothing_is_an_error() {
        let countries = [json!({ "cca2": "SE", "cca3": "SWE", "borders": ["XXX"] })];
        let ids = ids_by_code(&countries).unwrap();
        let error = documents(&countries, &ids).unwrap_err().to_string();
        assert!(error.contains("XXX"), "{error}");
    }
}
