//! Configurations, and the steps of the work they ask for.

use pinyon_core::Error;
use pinyon_core::commands::Configure;
use pinyon_core::expiration::{ExpirationConfiguration, RefreshConfiguration};
use pinyon_core::host::Timestamp;
use pinyon_core::revisions::RevisionsConfiguration;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};

impl Database {
    async fn configuration_json(&self) -> Result<String, Error> {
        let read = self.database.read().await?;
        let time = |at: Option<Timestamp>| at.map(Timestamp::unix_ms);
        Ok(json!({
            "Revisions": read.revisions_configuration().await?,
            "Expiration": read.expiration_configuration().await?,
            "Refresh": read.refresh_configuration().await?,
            "NextExpirationMs": time(read.next_expiration().await?),
            "NextRefreshMs": time(read.next_refresh().await?),
        })
        .to_string())
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Replaces the configuration of `revisions`, `expiration` or `refresh`, given as JSON in the
    /// protocol's form.
    pub async fn configure(&self, what: String, configuration: String) -> JsResult<()> {
        let configured = async {
            let configure = match what.as_str() {
                "revisions" => Configure::Revisions(RevisionsConfiguration::parse(&configuration)?),
                "expiration" => {
                    Configure::Expiration(ExpirationConfiguration::parse(&configuration)?)
                }
                "refresh" => Configure::Refresh(RefreshConfiguration::parse(&configuration)?),
                other => {
                    return Err(Error::invalid(format!(
                        "there is no configuration '{other}'"
                    )));
                }
            };
            self.database.configure(configure).await
        };
        configured.await.map_err(to_js)
    }

    /// The configurations, and when something is due next.
    pub async fn configuration(&self) -> JsResult<String> {
        self.configuration_json().await.map_err(to_js)
    }

    /// One step of deleting what expired; how many entries were dealt with.
    #[wasm_bindgen(js_name = sweepExpired)]
    pub async fn sweep_expired(&self, limit: usize) -> JsResult<usize> {
        self.database.sweep_expired_step(limit).await.map_err(to_js)
    }

    /// One step of refreshing what is due; how many entries were dealt with.
    #[wasm_bindgen(js_name = sweepRefreshes)]
    pub async fn sweep_refreshes(&self, limit: usize) -> JsResult<usize> {
        self.database
            .sweep_refreshes_step(limit)
            .await
            .map_err(to_js)
    }

    /// One step of giving back contents that nothing refers to since `older_than_ms`.
    #[wasm_bindgen(js_name = sweepLooseContents)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "dates of JavaScript fit an i64"
    )]
    pub async fn sweep_loose_contents(&self, older_than_ms: f64, limit: usize) -> JsResult<usize> {
        let older_than = Timestamp::from_unix_ms(older_than_ms as i64);
        let step = self.database.sweep_loose_contents_step(older_than, limit);
        step.await.map_err(to_js)
    }
}
