//! SQLite on the same documents, for reference: its own program `sqlite3` in a process of its own,
//! without a server, a protocol or a client in between.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::IndexPlan;
use super::documents::{CITIES, id, order, text_words};
use super::queries::PAGE;
use crate::table::Table;

/// Statements of one kind that are run in one process.
const STATEMENTS: usize = 500;
const SETTINGS: &str = "pragma journal_mode = wal; pragma synchronous = full; \
                        pragma cache_size = -65536; pragma temp_store = memory;";
/// Stands in none of the documents.
const SEPARATOR: char = '\u{1f}';

/// A database in a directory that goes with it.
struct Reference {
    place: tempfile::TempDir,
}

/// Builds what the server's indexes are, and asks what it is asked if `asks`.
///
/// # Errors
/// The program fails.
pub(super) fn run(plan: &IndexPlan, directory: &Path, asks: bool) -> Result<()> {
    let Ok(version) = Command::new("sqlite3").arg("--version").output() else {
        println!("\nSQLite: the program sqlite3 is not installed");
        return Ok(());
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    let reference = Reference {
        place: tempfile::tempdir_in(directory).context("make a directory")?,
    };
    reference.fill(plan)?;
    println!("\nSQLite {version}, the program itself, one thread, without HTTP:");
    let mut table = Table::new(&["SQLite index", "documents", "seconds", "documents/s"]);
    table.print_head();
    for (label, script) in BUILDS {
        let took = reference.run(script)?.as_secs_f64();
        table.print_row(&[
            label.to_owned(),
            plan.documents.to_string(),
            format!("{took:.1}"),
            format!("{:.0}", plan.documents as f64 / took),
        ]);
    }
    if asks {
        reference.ask_all(plan)?;
    }
    Ok(())
}

const BUILDS: [(&str, &str); 3] = [
    (
        "JSON table, 3 indexed fields",
        "begin; create index company on orders(json_extract(body, '$.Company'));\
         create index city on orders(json_extract(body, '$.City'), json_extract(body, '$.Total'));\
         create index number on orders(json_extract(body, '$.Number')); commit;",
    ),
    (
        "FTS5, 1 field",
        "begin; create virtual table notes using fts5(text, content='');\
         insert into notes(rowid, text) select rowid, json_extract(body, '$.Notes') from orders;\
         commit;",
    ),
    (
        "sums by company, once",
        "create table sums as select json_extract(body, '$.Company') as company, count(*) as count,\
         sum(json_extract(body, '$.Total')) as total from orders group by 1;\
         create unique index by_company on sums(company);",
    ),
];

type Question = (&'static str, fn(&IndexPlan, &mut Rng) -> String);

const QUESTIONS: [Question; 6] = [
    ("point query, 1 document", |plan, random| {
        let number = random.usize(0..plan.documents);
        format!("select body from orders where json_extract(body, '$.Number') = {number};")
    }),
    ("10 whole results", |plan, random| {
        let key = random.usize(0..plan.keys);
        format!(
            "select body from orders where json_extract(body, '$.Company') = 'companies/{key}-A' \
             limit 10;"
        )
    }),
    ("range, page of 25, with the count", |plan, random| {
        let from = random.usize(0..plan.documents - plan.documents / 10);
        let to = from + plan.documents / 100;
        let range = format!("where json_extract(body, '$.Number') between {from} and {to}");
        format!(
            "select count(*) from orders {range}; select body from orders {range} limit {PAGE};"
        )
    }),
    ("sorted page of 25", |_, random| {
        let city = random.usize(0..CITIES);
        format!(
            "select body from orders where json_extract(body, '$.City') = 'city-{city}' \
             order by json_extract(body, '$.Total') desc limit {PAGE};"
        )
    }),
    ("full text, 2 words, best 25", |_, random| {
        let words = text_words(random).replace(' ', " OR ");
        format!(
            "select body from notes join orders on orders.rowid = notes.rowid \
             where notes match '{words}' order by rank limit {PAGE};"
        )
    }),
    ("aggregate of one key", |plan, random| {
        let key = random.usize(0..plan.keys);
        format!("select * from sums where company = 'companies/{key}-A';")
    }),
];

impl Reference {
    fn fill(&self, plan: &IndexPlan) -> Result<()> {
        let path = self.place.path().join("orders.txt");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        for number in 0..plan.documents {
            let text = order(number, plan.keys);
            writeln!(file, "{}{SEPARATOR}{text}", id(number))?;
        }
        file.flush()?;
        let path = path.display();
        self.run(&format!(
            "create table orders(id text primary key, body text not null);\n\
             .mode list\n.separator {SEPARATOR} \\n\n.import '{path}' orders\n"
        ))?;
        std::fs::remove_file(self.place.path().join("orders.txt"))?;
        Ok(())
    }

    /// Runs a script in a process of its own; answers how long that took.
    fn run(&self, script: &str) -> Result<Duration> {
        let began = Instant::now();
        let mut child = Command::new("sqlite3")
            .args(["-batch", "-bail"])
            .arg(self.place.path().join("orders.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("start sqlite3")?;
        let mut input = child.stdin.take().context("sqlite3 has an input")?;
        write!(input, "{SETTINGS}\n{script}\n")?;
        drop(input);
        let status = child.wait()?;
        ensure!(status.success(), "sqlite3 ended with {status}");
        Ok(began.elapsed())
    }

    fn ask_all(&self, plan: &IndexPlan) -> Result<()> {
        let nothing = self.run("")?;
        let mut table = Table::new(&["SQLite query", "queries/s", "µs each"]);
        table.print_head();
        for (label, text) in QUESTIONS {
            let mut random = Rng::with_seed(3);
            let script: Vec<String> = (0..STATEMENTS).map(|_| text(plan, &mut random)).collect();
            let took = self.run(&script.join("\n"))?.saturating_sub(nothing);
            let each = took.as_secs_f64() / STATEMENTS as f64;
            table.print_row(&[
                label.to_owned(),
                format!("{:.0}", 1.0 / each.max(f64::MIN_POSITIVE)),
                format!("{:.0}", each * 1e6),
            ]);
        }
        Ok(())
    }
}
