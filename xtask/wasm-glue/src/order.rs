//! Names the functions of a module by the order in which they compress best.
//!
//! gzip finds what it has seen within 32 KiB, so functions that are alike must lie together. Which
//! are is seen from the short runs of bytes that they share: the next function is always the one
//! that has most of its runs in common with what lies right before it. wasm-opt can order
//! functions by their names, and knows all that has to follow; so the place is put before the name.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use anyhow::{Result, anyhow};
use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// What gzip looks back at, a little less: it does not cut where functions end.
const WINDOW_BYTES: usize = 28_000;
/// Bytes of a run.
const RUN_BYTES: usize = 6;
/// What stands in more functions than this is everywhere, and says nothing.
const MOST_FUNCTIONS: usize = 400;
/// Keeps tiny functions, which have everything in common with anything, from coming first.
const LEAST_RUNS: f64 = 8.0;

/// Answers `module` with names that begin with the place of the function.
pub fn name_by_place(module: &[u8]) -> Result<Vec<u8>> {
    let parts = Parts::read(module)?;
    let mut places = vec![0; parts.bodies.len()];
    for (place, function) in order(&parts.bodies).into_iter().enumerate() {
        places[function] = place;
    }
    let mut names = NameMap::new();
    for function in 0..parts.imported {
        if let Some(name) = parts.names.get(&function) {
            names.append(function, name);
        }
    }
    for (at, place) in places.into_iter().enumerate() {
        let function = parts.imported + u32::try_from(at)?;
        let name = parts.names.get(&function).copied().unwrap_or_default();
        names.append(function, &format!("{place:06} {name}"));
    }
    let mut named = Module::new();
    for (id, range) in parts.sections {
        named.section(&RawSection {
            id,
            data: &module[range],
        });
    }
    let mut section = NameSection::new();
    section.functions(&names);
    named.section(&section);
    Ok(named.finish())
}

/// What a module is made of.
#[derive(Default)]
struct Parts<'a> {
    /// All but the names.
    sections: Vec<(u8, Range<usize>)>,
    imported: u32,
    names: HashMap<u32, &'a str>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(module: &'a [u8]) -> Result<Self> {
        let mut parts = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match &payload {
                Payload::ImportSection(imports) => {
                    for import in imports.clone().into_imports() {
                        parts.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionEntry(body) => parts.bodies.push(body.as_bytes()),
                Payload::CustomSection(custom) => {
                    if let KnownCustom::Name(names) = custom.as_known() {
                        for part in names {
                            let Name::Function(functions) = part? else {
                                continue;
                            };
                            for naming in functions {
                                let naming = naming?;
                                parts.names.insert(naming.index, naming.name);
                            }
                        }
                        continue;
                    }
                }
                _ => {}
            }
            parts.sections.extend(payload.as_section());
        }
        if parts.bodies.is_empty() {
            return Err(anyhow!("the module has no functions"));
        }
        Ok(parts)
    }
}

/// The functions, each after what it is most alike.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let runs: Vec<Vec<u64>> = bodies.iter().map(|body| runs_of(body)).collect();
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    for (function, runs) in runs.iter().enumerate() {
        for run in runs {
            holders.entry(*run).or_default().push(function);
        }
    }
    holders.retain(|_, functions| (2..=MOST_FUNCTIONS).contains(&functions.len()));
    let mut window = Window {
        holders,
        within: HashMap::new(),
        shared: vec![0.0; bodies.len()],
    };
    let mut recent = VecDeque::new();
    let mut recent_bytes = 0;
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut ordered = Vec::with_capacity(bodies.len());
    while !left.is_empty() {
        let mut best = (-1.0, 0);
        for (at, function) in left.iter().enumerate() {
            let share = window.shared[*function] / (runs[*function].len() as f64 + LEAST_RUNS);
            if share > best.0 {
                best = (share, at);
            }
        }
        let function = left.remove(best.1);
        ordered.push(function);
        window.add(&runs[function]);
        recent.push_back(function);
        recent_bytes += bodies[function].len();
        while recent_bytes > WINDOW_BYTES && recent.len() > 1 {
            let gone = recent.pop_front().expect("there are several");
            recent_bytes -= bodies[gone].len();
            window.remove(&runs[gone]);
        }
    }
    ordered
}

/// The runs of a function, each once.
fn runs_of(body: &[u8]) -> Vec<u64> {
    let mut runs: Vec<u64> = body
        .windows(RUN_BYTES)
        .map(|run| run.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        .collect();
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// What lies right before the next function.
struct Window {
    /// Which functions have a run.
    holders: HashMap<u64, Vec<usize>>,
    /// How many functions in the window have it.
    within: HashMap<u64, u32>,
    /// Of each function, how many of its runs are in the window.
    shared: Vec<f64>,
}

impl Window {
    fn add(&mut self, runs: &[u64]) {
        for run in runs {
            let Some(holders) = self.holders.get(run) else {
                continue;
            };
            let count = self.within.entry(*run).or_default();
            *count += 1;
            if *count == 1 {
                holders.iter().for_each(|it| self.shared[*it] += 1.0);
            }
        }
    }

    fn remove(&mut self, runs: &[u64]) {
        for run in runs {
            let Some(holders) = self.holders.get(run) else {
                continue;
            };
            let count = self.within.entry(*run).or_default();
            *count -= 1;
            if *count == 0 {
                holders.iter().for_each(|it| self.shared[*it] -= 1.0);
            }
        }
    }
}
