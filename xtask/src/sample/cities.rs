//! Cities: small documents, many of them, each with a reference to its country.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::{Number, Value, json};

use super::{SampleDocument, text};

/// Cities with ids like `cities/SE/17`: numbered within their country, in the list's order.
pub fn documents(
    cities: &[Value],
    regions: &[Value],
    country_ids: &HashMap<String, String>,
) -> Result<Vec<SampleDocument>> {
    let mut region_names = HashMap::new();
    for region in regions {
        region_names.insert(text(region, "code")?, text(region, "name")?);
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    cities
        .iter()
        .map(|city| {
            let country = text(city, "country")?;
            let country_id = country_ids
                .get(country)
                .with_context(|| format!("no country '{country}' for {city}"))?;
            let region = format!("{country}.{}", text(city, "admin1")?);
            let number = counts.entry(country).or_default();
            *number += 1;
            let content = json!({
                "name": text(city, "name")?,
                "country": country_id,
                "region": region_names.get(region.as_str()),
                "location": {
                    "latitude": number_in(city, "lat")?,
                    "longitude": number_in(city, "lng")?,
                },
            });
            let id = format!("cities/{country}/{number}");
            Ok(SampleDocument::new(id, "Cities", content))
        })
        .collect()
}

/// The number that the package writes as text.
fn number_in(city: &Value, field: &str) -> Result<Number> {
    text(city, field)?
        .parse()
        .with_context(|| format!("'{field}' is no number in {city}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country_ids() -> HashMap<String, String> {
        HashMap::from([("SE".to_owned(), "countries/SWE".to_owned())])
    }

    #[test]
    fn a_city_refers_to_its_country() {
        let city = json!({
            "name": "Uppsala", "lat": "59.85882", "lng": "17.63889", "country": "SE", "admin1": "21",
        });
        let regions = [json!({ "code": "SE.21", "name": "Uppsala County" })];
        let documents = documents(&[city.clone(), city], &regions, &country_ids()).unwrap();
        assert_eq!(documents[1].id, "cities/SE/2");
        let expected = json!({
            "name": "Uppsala",
            "country": "countries/SWE",
            "region": "Uppsala County",
            "location": { "latitude": 59.85882, "longitude": 17.63889 },
            "@metadata": { "@collection": "Cities" },
        });
        assert_eq!(documents[0].content, expected);
    }

    #[test]
    fn an_unknown_country_is_an_error() {
        let city =
            json!({ "name": "Nowhere", "lat": "0", "lng": "0", "country": "ZZ", "admin1": "" });
        assert!(documents(&[city], &[], &country_ids()).is_err());
    }
}
