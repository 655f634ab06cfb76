//! Which fields the objects have that a function makes, as far as its text says so.

use std::collections::BTreeSet;

use super::builtin::Builtin;
use super::tree::{Argument, Block, Expression, Formula, Member, Node, Statement};
use super::value::Value;

/// What a function makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Nothing at all.
    Nothing,
    /// Objects with these fields.
    Fields(BTreeSet<String>),
    /// Something else than an object.
    NoObject,
    /// Its text does not say.
    Unknown,
}

impl Shape {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, shape) | (shape, Self::Nothing) => shape,
            (one, other) if one == other => one,
            _ => Self::Unknown,
        }
    }
}

impl Formula {
    /// What it makes, alone or in lists.
    pub fn shape(&self) -> Shape {
        of_block(&self.body)
    }

    /// The members of its input that it asks for by name.
    pub fn members_of_input(&self) -> BTreeSet<String> {
        let mut members = MembersOfInput {
            inputs: BTreeSet::from([0]),
            names: BTreeSet::new(),
        };
        members.visit(&self.body);
        members.names
    }
}

/// Walks over a function and gathers what it asks its input for.
struct MembersOfInput {
    /// The variables that hold the input.
    inputs: BTreeSet<usize>,
    names: BTreeSet<String>,
}

impl MembersOfInput {
    fn visit(&mut self, block: &Block) {
        for statement in block {
            match statement {
                Statement::Let(variable, value) => {
                    match value.node {
                        Node::Variable(input) if self.inputs.contains(&input) => {
                            self.inputs.insert(*variable);
                        }
                        _ => self.visit_value(value),
                    };
                }
                Statement::Return(value) => self.visit_value(value),
                Statement::If(condition, then, otherwise) => {
                    self.visit_value(condition);
                    self.visit(then);
                    self.visit(otherwise);
                }
            }
        }
    }

    fn visit_value(&mut self, value: &Expression) {
        match &value.node {
            Node::Member(target, name) | Node::Part(target, name) => match target.node {
                Node::Variable(input) if self.inputs.contains(&input) => {
                    self.names.insert(name.clone());
                }
                _ => self.visit_value(target),
            },
            Node::Object(members) => {
                for member in members {
                    if let Member::Named(_, value) = member {
                        self.visit_value(value);
                    }
                }
            }
            Node::Optional(target, variable, rest) => {
                match target.node {
                    Node::Variable(input) if self.inputs.contains(&input) => {
                        self.inputs.insert(*variable);
                    }
                    _ => self.visit_value(target),
                }
                self.visit_value(rest);
            }
            Node::Array(items) => items.iter().for_each(|(item, _)| self.visit_value(item)),
            _ => {}
        }
    }
}

fn of_block(block: &Block) -> Shape {
    block.iter().fold(Shape::Nothing, |shape, statement| {
        shape.or(match statement {
            Statement::Return(value) => of_value(value),
            Statement::If(_, then, otherwise) => of_block(then).or(of_block(otherwise)),
            Statement::Let(..) => Shape::Nothing,
        })
    })
}

fn of_value(value: &Expression) -> Shape {
    match &value.node {
        Node::Object(members) => of_members(members),
        Node::Array(items) => items.iter().fold(Shape::Nothing, |shape, (item, spreads)| {
            shape.or(if *spreads {
                Shape::Unknown
            } else {
                of_value(item)
            })
        }),
        Node::Conditional(_, then, otherwise) => of_value(then).or(of_value(otherwise)),
        Node::Constant(Value::Null | Value::Undefined) => Shape::Nothing,
        Node::Constant(_)
        | Node::Member(..)
        | Node::Part(..)
        | Node::Unary(..)
        | Node::Binary(..)
        | Node::Join(_) => Shape::NoObject,
        Node::Call(builtin, arguments) => of_call(*builtin, arguments),
        Node::Optional(_, _, rest) => of_value(rest),
        _ => Shape::Unknown,
    }
}

fn of_call(builtin: Builtin, arguments: &[Argument]) -> Shape {
    match (builtin, arguments) {
        (Builtin::Map | Builtin::FlatMap, [_, Argument::Lambda(lambda)]) => of_block(&lambda.body),
        (
            Builtin::Filter
            | Builtin::Same
            | Builtin::Boost
            | Builtin::OrderBy
            | Builtin::OrderByDescending,
            [Argument::Value(value), ..],
        ) => of_value(value),
        _ => Shape::Unknown,
    }
}

fn of_members(members: &[Member]) -> Shape {
    let mut names = BTreeSet::new();
    for member in members {
        match member {
            // Under any name the fields may be others.
            Member::Named(name, _) if name != "_" => {
                names.insert(name.clone());
            }
            _ => return Shape::Unknown,
        }
    }
    Shape::Fields(names)
}
