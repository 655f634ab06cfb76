//! Tables as Markdown, printed row by row while the figures come in.

/// A table of fixed columns.
#[derive(Debug)]
pub struct Table {
    heads: Vec<String>,
}

impl Table {
    /// A table with these columns.
    pub fn new(heads: &[&str]) -> Self {
        Self {
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
        }
    }

    /// Prints the head.
    pub fn print_head(&self) {
        println!("\n| {} |", self.heads.join(" | "));
        println!("|{}", "---|".repeat(self.heads.len()));
    }

    /// Prints a row, padded to the width of the heads.
    pub fn print_row(&mut self, cells: &[String]) {
        let padded: Vec<String> = cells
            .iter()
            .zip(&self.heads)
            .map(|(cell, head)| format!("{cell:>width$}", width = head.chars().count()))
            .collect();
        println!("| {} |", padded.join(" | "));
    }
}
