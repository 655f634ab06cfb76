//! Queries a second on indexes that are ready, and GETs by id in the same run.

use std::sync::Arc;

use anyhow::{Result, ensure};
use fastrand::Rng;
use serde_json::json;

use super::documents::{CITIES, id, text_words};
use super::{DATABASE, IndexPlan, ask, index_of, put_index, wait_until_ready};
use crate::connection::Connection;
use crate::load::{Measured, Times, run_load};
use crate::process::{cpu_time_of_tree, memory};
use crate::table::Table;
use crate::target::Target;
use crate::workload::{Length, Requests, request};

/// Different requests of each kind.
const VARIANTS: usize = 512;
pub(super) const PAGE: usize = 25;

/// A kind of question.
struct Question {
    label: &'static str,
    text: fn(&IndexPlan, &mut Rng) -> String,
    /// Results that each answer has at least, of a database of a million.
    least: usize,
    aim: &'static str,
}

const QUESTIONS: [Question; 7] = [
    Question {
        label: "point query, 1 document",
        text: |plan, random| {
            let number = random.usize(0..plan.documents);
            format!("from Orders where Number = {number}")
        },
        least: 1,
        aim: "time ≤ 2 GETs",
    },
    Question {
        label: "10 whole results",
        text: |plan, random| {
            let key = random.usize(0..plan.keys);
            format!("from Orders where Company = 'companies/{key}-A' limit 10")
        },
        least: 10,
        aim: "4 × RavenDB: ≥ 38,000/s of 16",
    },
    Question {
        label: "range, page of 25",
        text: |plan, random| {
            let from = random.usize(0..plan.documents - plan.documents / 10);
            let to = from + plan.documents / 100;
            format!("from Orders where Number between {from} and {to} limit {PAGE}")
        },
        least: PAGE,
        aim: "",
    },
    Question {
        label: "sorted page of 25",
        text: |_, random| {
            let city = random.usize(0..CITIES);
            format!(
                "from Orders where City = 'city-{city}' order by Total as double desc limit {PAGE}"
            )
        },
        least: 1,
        aim: "",
    },
    Question {
        label: "whole collection sorted, page of 25",
        text: |_, random| {
            let skipped = random.usize(0..40) * PAGE;
            format!("from Orders order by Total as double limit {skipped}, {PAGE}")
        },
        least: 1,
        aim: "",
    },
    Question {
        label: "full text, 2 words, page of 25",
        text: |_, random| {
            let words = text_words(random);
            format!("from Orders where search(Notes, '{words}') limit {PAGE}")
        },
        least: 1,
        aim: "",
    },
    Question {
        label: "aggregate of one key",
        text: |plan, random| {
            let key = random.usize(0..plan.keys);
            format!("from index 'OrdersByCompany' where Company = 'companies/{key}-A'")
        },
        least: 1,
        aim: "one lookup",
    },
];

/// A server that is asked, with what it is asked.
pub(super) struct Asked<'t> {
    target: &'t Target,
    gets: Prebuilt,
    questions: Vec<(&'static str, &'static str, Prebuilt)>,
}

/// Builds what the questions need, and asks each of them once in full.
pub(super) async fn prepare<'t>(plan: &IndexPlan, target: &'t Target) -> Result<Asked<'t>> {
    put_index(target, DATABASE, super::building::by_company()).await?;
    wait_until_ready(target, DATABASE, "OrdersByCompany").await?;
    let is_wanted = |label: &str| {
        let mut only = plan.only.iter();
        plan.only.is_empty() || only.any(|it| label.contains(it.as_str()))
    };
    let wanted = || QUESTIONS.into_iter().filter(|it| is_wanted(it.label));
    let mut random = Rng::with_seed(1);
    for question in wanted() {
        let answer = ask(target, &(question.text)(plan, &mut random)).await?;
        wait_until_ready(target, DATABASE, &index_of(&answer)?).await?;
    }
    let mut all = Vec::new();
    for question in wanted() {
        let requests = questions(plan, target, &question).await?;
        all.push((question.label, question.aim, requests));
    }
    Ok(Asked {
        target,
        gets: gets(plan, target).await?,
        questions: all,
    })
}

/// Measures each line on all servers in turn.
pub(super) async fn run(plan: &IndexPlan, servers: &[Asked<'_>]) -> Result<()> {
    println!("\n{} documents:", plan.documents);
    let mut table = Table::new(&[
        "request",
        "server",
        "connections",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
        "time ÷ GET",
        "CPU ÷ GET",
        "aim",
    ]);
    table.print_head();
    for connections in &plan.connections {
        let gets: Vec<_> = servers.iter().map(|it| (it.target, &it.gets)).collect();
        let gets = measure(plan, &gets, *connections).await?;
        for (server, get) in servers.iter().zip(&gets) {
            let label = ("GET by id", server.target.name.as_str(), "");
            print(&mut table, label, *connections, get, None);
        }
        for place in 0..servers.first().map_or(0, |it| it.questions.len()) {
            let asked: Vec<_> = servers
                .iter()
                .map(|it| (it.target, &it.questions[place].2))
                .collect();
            let measured = measure(plan, &asked, *connections).await?;
            for ((server, get), measured) in servers.iter().zip(&gets).zip(&measured) {
                let (label, aim, _) = &server.questions[place];
                let label = (*label, server.target.name.as_str(), *aim);
                print(&mut table, label, *connections, measured, Some(get));
            }
        }
    }
    for server in servers {
        println!(
            "\nmemory of {}: {} MB, at most {} MB",
            server.target.name,
            memory(server.target.process, "VmRSS")? >> 20,
            memory(server.target.process, "VmHWM")? >> 20
        );
    }
    Ok(())
}

type Prebuilt = Arc<Vec<(Vec<u8>, Length)>>;

async fn gets(plan: &IndexPlan, target: &Target) -> Result<Prebuilt> {
    let mut random = Rng::with_seed(2);
    let mut connection = Connection::open(target.address).await?;
    let mut all = Vec::with_capacity(VARIANTS);
    for _ in 0..VARIANTS {
        let id = id(random.usize(0..plan.documents));
        let path = format!("/databases/{DATABASE}/docs?id={id}");
        let bytes = request("GET", &path, None, "");
        let answer = connection.exchange(&bytes).await?;
        ensure!(answer.status == 200, "{id} was answered {}", answer.status);
        all.push((bytes, Length::Exactly(answer.length)));
    }
    Ok(Arc::new(all))
}

/// Requests that were each sent once and answered with what they ask for, from an index that is
/// not behind.
async fn questions(plan: &IndexPlan, target: &Target, question: &Question) -> Result<Prebuilt> {
    let mut random = Rng::with_seed(3);
    let mut connection = Connection::open(target.address).await?;
    let path = format!("/databases/{DATABASE}/queries");
    let mut all = Vec::with_capacity(VARIANTS);
    for _ in 0..VARIANTS {
        let text = (question.text)(plan, &mut random);
        let body = json!({ "Query": text }).to_string();
        let bytes = request("POST", &path, None, &body);
        let (status, _, body) = connection.exchange_whole(&bytes).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let count = answer["Results"].as_array().map_or(0, Vec::len);
        let is_right = status == 200 && answer["IsStale"] == false && count >= question.least;
        ensure!(is_right, "{text}: {status} {answer}");
        // The time that it took is written in the answer, with more or fewer digits.
        all.push((bytes, Length::AtLeast(body.len().saturating_sub(64))));
    }
    Ok(Arc::new(all))
}

/// Measures requests of several servers in turn; of each the median by rate counts.
async fn measure(
    plan: &IndexPlan,
    servers: &[(&Target, &Prebuilt)],
    connections: usize,
) -> Result<Vec<Measured>> {
    let mut all: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds.max(1) {
        for ((target, requests), measured) in servers.iter().zip(&mut all) {
            let sources = (0..connections)
                .map(|number| Requests::Fixed {
                    all: Arc::clone(requests),
                    random: Rng::with_seed((round * connections + number) as u64),
                })
                .collect();
            let times = Times {
                warm_up: plan.measured / 10,
                measured: plan.measured,
            };
            let process = target.process;
            let cpu_time = || cpu_time_of_tree(process);
            measured.push(run_load(target.address, 200, sources, times, cpu_time).await?);
        }
    }
    let median = |mut of_one: Vec<Measured>| {
        of_one.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
        of_one.swap_remove(of_one.len() / 2)
    };
    Ok(all.into_iter().map(median).collect())
}

fn print(
    table: &mut Table,
    (label, server, aim): (&str, &str, &str),
    connections: usize,
    measured: &Measured,
    get: Option<&Measured>,
) {
    let ratio = |of: fn(&Measured) -> f64| match get {
        Some(get) => format!("{:.2}", of(measured) / of(get)),
        None => String::new(),
    };
    table.print_row(&[
        label.to_owned(),
        server.to_owned(),
        connections.to_string(),
        format!("{:.0}", measured.rate()),
        format!("{:.0}", measured.latency_us(50.0)),
        format!("{:.0}", measured.latency_us(99.0)),
        format!("{:.1}", measured.cpu_us()),
        ratio(|it| 1.0 / it.rate().max(f64::MIN_POSITIVE)),
        ratio(Measured::cpu_us),
        aim.to_owned(),
    ]);
}
