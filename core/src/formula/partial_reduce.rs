//! Refuses what a reduce gets wrong as soon as a key's entries are reduced in parts.
//!
//! A reduce is also given its own results beside entries of maps. Sums, least and greatest values
//! stay what they are then; numbers of entries, and averages over them, do not.

use super::builtin::Builtin;
use super::parser::Result;
use super::tree::{Argument, Block, Expression, Lambda, Member, Node, Statement};
use crate::query::rql::SyntaxError;

/// Checks an aggregate whose entries are in the variable `values`.
pub(super) fn check(aggregate: &Block, values: usize) -> Result<()> {
    let mut check = Check {
        groups: vec![values],
    };
    check.block(aggregate)
}

struct Check {
    /// The variables that hold entries of the group.
    groups: Vec<usize>,
}

impl Check {
    fn block(&mut self, block: &Block) -> Result<()> {
        for statement in block {
            match statement {
                Statement::Let(variable, value) => {
                    self.value(value)?;
                    if self.is_group(value) {
                        self.groups.push(*variable);
                    }
                }
                Statement::If(condition, yes, no) => {
                    self.value(condition)?;
                    self.block(yes)?;
                    self.block(no)?;
                }
                Statement::Return(value) => self.value(value)?,
            }
        }
        Ok(())
    }

    /// Whether there is one item for each entry, or for some of them.
    fn is_group(&self, value: &Expression) -> bool {
        match &value.node {
            Node::Variable(variable) => self.groups.contains(variable),
            Node::Call(
                Builtin::Filter
                | Builtin::Map
                | Builtin::Distinct
                | Builtin::OrderBy
                | Builtin::OrderByDescending
                | Builtin::Reverse
                | Builtin::Take
                | Builtin::Skip
                | Builtin::Same,
                arguments,
            ) => {
                matches!(arguments.first(), Some(Argument::Value(target)) if self.is_group(target))
            }
            _ => false,
        }
    }

    fn value(&mut self, value: &Expression) -> Result<()> {
        match &value.node {
            Node::Constant(_) | Node::Variable(_) => Ok(()),
            Node::Member(target, name) => {
                if matches!(name.as_str(), "Count" | "Length") && self.is_group(target) {
                    return Err(miscounts(value));
                }
                self.value(target)
            }
            Node::Part(inner, _) | Node::Unary(_, inner) => self.value(inner),
            Node::Index(left, right)
            | Node::Optional(left, _, right)
            | Node::Binary(_, left, right)
            | Node::And(left, right)
            | Node::Or(left, right)
            | Node::Coalesce(left, right) => {
                self.value(left)?;
                self.value(right)
            }
            Node::Conditional(condition, yes, no) => {
                self.value(condition)?;
                self.value(yes)?;
                self.value(no)
            }
            Node::Array(items) => items.iter().try_for_each(|(item, _)| self.value(item)),
            Node::Join(parts) => parts.iter().try_for_each(|part| self.value(part)),
            Node::Object(members) => members.iter().try_for_each(|member| match member {
                Member::Named(_, value) | Member::Spread(value) => self.value(value),
                Member::Computed(name, value) => {
                    self.value(name)?;
                    self.value(value)
                }
            }),
            Node::Call(builtin, arguments) => self.call(*builtin, arguments, value),
        }
    }

    fn call(&mut self, builtin: Builtin, arguments: &[Argument], call: &Expression) -> Result<()> {
        if let Some(Argument::Value(target)) = arguments.first()
            && self.is_group(target)
        {
            match builtin {
                Builtin::Count => return Err(miscounts(call)),
                Builtin::Average => {
                    return Err(SyntaxError::new(
                        call.span.clone(),
                        "Average() in a reduce is wrong once a key is reduced in parts: let the \
                         map make a count, and divide a sum of values by the sum of counts",
                    ));
                }
                _ => {}
            }
        }
        arguments.iter().try_for_each(|argument| match argument {
            Argument::Value(value) => self.value(value),
            Argument::Lambda(Lambda { body, .. }) => self.block(body),
        })
    }
}

fn miscounts(value: &Expression) -> SyntaxError {
    SyntaxError::new(
        value.span.clone(),
        "Count() in a reduce is wrong once a key is reduced in parts: let the map make Count = 1, \
         and sum that, g.Sum(x => x.Count)",
    )
}
