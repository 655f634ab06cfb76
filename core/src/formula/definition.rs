//! Definitions of indexes as clients send them, translated.

use super::tree::Dialect;
use super::tree::{Expression, Formula, Member, Node, Statement};
use super::value::Value;
use super::{Evaluation, csharp, javascript};
use crate::Result;
use crate::query::rql::SyntaxError;

/// The documents a map reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapSource {
    /// Those of a collection.
    Collection(String),
    /// All.
    AllDocuments,
    /// Those that the script itself names, which may call `map` more than once.
    OfScript,
}

/// A map.
#[derive(Debug, Clone, PartialEq)]
pub struct MapDefinition {
    /// What it reads.
    pub source: MapSource,
    /// What it does.
    pub function: MapFunction,
}

/// What a map does with a document. Its result is an entry (an object), an array of entries, or
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum MapFunction {
    /// Evaluated here.
    Formula(Formula),
    /// The text of a JavaScript function for a script engine, and why it is not evaluated here.
    Script {
        /// The function.
        text: String,
        /// The first thing that the translation does not know.
        reason: SyntaxError,
    },
}

/// A reduce.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceDefinition {
    /// What it does.
    pub function: ReduceFunction,
}

/// How entries are grouped and aggregated.
#[derive(Debug, Clone, PartialEq)]
pub enum ReduceFunction {
    /// Evaluated here.
    Formula {
        /// Of an entry: the key of its group.
        key: Formula,
        /// Of a group, an object with `key` and `values`: the group's result.
        aggregate: Formula,
    },
    /// `groupBy(…).aggregate(…)` for a script engine, and why it is not evaluated here.
    Script {
        /// The whole text.
        text: String,
        /// The first thing that the translation does not know.
        reason: SyntaxError,
        /// Of an entry the key of its group, if at least that is evaluated here.
        key: Option<Formula>,
    },
}

/// Which language an index text is in, by how it begins.
fn dialect_of(text: &str) -> Dialect {
    let text = text.trim_start();
    let begins = |word: &str| {
        let rest = text.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let is_csharp = begins("from") || begins("docs") || begins("this") || begins("results");
    if is_csharp {
        Dialect::CSharp
    } else {
        Dialect::JavaScript
    }
}

/// Whether the text of a map or reduce is JavaScript.
pub fn is_javascript(text: &str) -> bool {
    dialect_of(text) == Dialect::JavaScript
}

impl MapDefinition {
    /// Translates the text of a map.
    ///
    /// # Errors
    /// `InvalidRequest` with the place of what is not understood and, as its source, a
    /// [`SyntaxError`]. JavaScript that a script engine may understand is no error.
    ///
    /// ```
    /// use pinyon_core::formula::{MapDefinition, MapSource};
    /// let map = MapDefinition::parse("map('Orders', o => ({ Total: o.Price * 2 }))").unwrap();
    /// assert_eq!(map.source, MapSource::Collection("Orders".into()));
    /// assert!(MapDefinition::parse("from o in docs.Orders orderby o.A select o").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let definition = match dialect_of(text) {
            Dialect::CSharp => csharp::map(text).map(|(source, formula)| Self {
                source,
                function: MapFunction::Formula(formula),
            }),
            Dialect::JavaScript => match javascript::map_call(text) {
                Ok((collection, function)) => Ok(Self {
                    source: match collection.as_str() {
                        "@all_docs" => MapSource::AllDocuments,
                        _ => MapSource::Collection(collection),
                    },
                    function: match javascript::function(function) {
                        Ok(formula) => MapFunction::Formula(formula),
                        Err(reason) => MapFunction::Script {
                            text: function.to_owned(),
                            reason,
                        },
                    },
                }),
                // An engine runs whatever stands around the calls.
                Err(reason) if javascript::calls_later(text, "map") => Ok(Self {
                    source: MapSource::OfScript,
                    function: MapFunction::Script {
                        text: text.to_owned(),
                        reason,
                    },
                }),
                Err(reason) => Err(reason),
            },
        };
        definition.map_err(|error| error.into_error(text))
    }

    /// The names of the fields that the map gives its entries, as far as its text shows them.
    pub fn fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        if let MapFunction::Formula(formula) = &self.function {
            returned(&formula.body, &mut |value| add_members(value, &mut fields));
        }
        fields
    }
}

impl ReduceDefinition {
    /// Translates the text of a reduce.
    ///
    /// # Errors
    /// As [`MapDefinition::parse`].
    pub fn parse(text: &str) -> Result<Self> {
        let function = match dialect_of(text) {
            Dialect::CSharp => csharp::reduce(text).map(|(key, aggregate)| (key, Ok(aggregate))),
            Dialect::JavaScript => javascript::group_call(text),
        };
        let for_engine = |reason, key| ReduceFunction::Script {
            text: text.to_owned(),
            reason,
            key,
        };
        let function = match function {
            Ok((key, Ok(aggregate))) => ReduceFunction::Formula { key, aggregate },
            Ok((key, Err(reason))) => for_engine(reason, Some(key)),
            Err(reason)
                if dialect_of(text) == Dialect::JavaScript
                    && (text.trim_start().starts_with("groupBy")
                        || javascript::calls_later(text, "groupBy")) =>
            {
                for_engine(reason, None)
            }
            Err(reason) => return Err(reason.into_error(text)),
        };
        Ok(Self { function })
    }

    /// The names of the results' fields, as far as the text shows them.
    pub fn fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        if let ReduceFunction::Formula { aggregate, .. } = &self.function {
            returned(&aggregate.body, &mut |value| {
                add_members(value, &mut fields)
            });
        }
        fields
    }
}

impl Formula {
    /// Translates a JavaScript function of one parameter.
    ///
    /// # Errors
    /// The place of what the translation does not know.
    pub fn from_javascript(text: &str) -> Result<Self, SyntaxError> {
        javascript::function(text)
    }

    /// Whether what it makes of `input` counts as true.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn holds(&self, input: Value<'_>) -> Result<bool> {
        Ok(super::operators::is_truthy(&self.evaluate(input)?))
    }

    /// What the formula makes of `input` when it asks for no other documents.
    ///
    /// # Errors
    /// As [`Evaluation::run`].
    pub fn evaluate<'a>(&self, input: Value<'a>) -> Result<Value<'a>> {
        Evaluation::new(&()).run(self, input)
    }
}

/// Calls `found` with what a block returns.
fn returned(block: &[Statement], found: &mut dyn FnMut(&Expression)) {
    for statement in block {
        match statement {
            Statement::Return(value) => found(value),
            Statement::If(_, yes, no) => {
                returned(yes, found);
                returned(no, found);
            }
            Statement::Let(..) => {}
        }
    }
}

fn add_members(value: &Expression, fields: &mut Vec<String>) {
    match &value.node {
        Node::Object(members) => {
            for member in members {
                if let Member::Named(name, _) = member
                    && !fields.contains(name)
                {
                    fields.push(name.clone());
                }
            }
        }
        Node::Array(items) => items.iter().for_each(|(item, _)| add_members(item, fields)),
        Node::Optional(_, _, rest) => add_members(rest, fields),
        Node::Conditional(_, yes, no) => {
            add_members(yes, fields);
            add_members(no, fields);
        }
        // The last function of `map`, `Select` and `SelectMany` makes the entries.
        Node::Call(_, arguments) => {
            for argument in arguments {
                if let super::tree::Argument::Lambda(lambda) = argument {
                    returned(&lambda.body, &mut |value| add_members(value, fields));
                }
            }
        }
        _ => {}
    }
}
