//! What is refused before the server starts.

use pinyon_core::{Error, Result};

use super::{Config, addresses, bounds};

impl Config {
    /// Refuses what cannot work or is not safe.
    ///
    /// # Errors
    /// `InvalidRequest` that names the option.
    pub fn check(&self) -> Result<()> {
        if !self.listen.ip().is_loopback() && !self.unsafe_allow_unauthenticated_network {
            return Err(Error::invalid(format!(
                "--listen {}: beyond this machine anybody could read and change all data; listen \
                 on 127.0.0.1, or give --unsafe-allow-unauthenticated-network if that is meant",
                self.listen
            )));
        }
        if self.unsafe_give_tokens_to_kindergarten_pages && !self.listen.ip().is_loopback() {
            return Err(Error::invalid(format!(
                "--unsafe-give-tokens-to-kindergarten-pages gives anybody a token: it works on \
                 127.0.0.1 only, not with --listen {}",
                self.listen
            )));
        }
        self.check_bounds()?;
        if self.max_buffered_bytes < self.max_request_bytes {
            return Err(Error::invalid(
                "--max-buffered-bytes must not be smaller than --max-request-bytes",
            ));
        }
        if let Some(url) = &self.public_url {
            addresses::check_public_url(url)?;
        }
        self.allowed_origins().try_for_each(addresses::check_origin)
    }

    /// Refuses numbers with which nothing works.
    ///
    /// # Errors
    /// `InvalidRequest` that names the option and its bounds.
    pub fn check_bounds(&self) -> Result<()> {
        bounds::check(self)
    }
}
