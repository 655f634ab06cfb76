//! How far a long command is, on standard error when that is a terminal, and nowhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing when nobody looks.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of a number of bytes; of unknown length when `total` is `None`.
    pub fn of_bytes(what: &str, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "{spinner} {msg} {bytes} {bytes_per_sec} {elapsed}",
        };
        Self::new(what, total, template)
    }

    /// Of a number of things; of unknown length when `total` is `None`.
    pub fn of_items(what: &str, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta}",
            None => "{spinner} {msg} {human_pos} {per_sec} {elapsed}",
        };
        Self::new(what, total, template)
    }

    fn new(what: &str, total: Option<u64>, template: &str) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        let bar = ProgressBar::with_draw_target(total, target).with_style(style);
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// Says how much is done.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Says how much is done, and of how much.
    pub fn set_of(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Says what is being done.
    pub fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }
}

impl Drop for Progress {
    /// The bar leaves no trace on the terminal; the command says what came of it.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
