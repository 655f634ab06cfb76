//! The functions and methods that both languages' names lead to.

use std::ops::RangeInclusive;

use super::tree::Dialect;

/// A function of the evaluator. A method's target is its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Load,
    LoadUntracked,
    Id,
    Metadata,
    CreateField,
    CreateSpatialField,
    Boost,
    Recurse,
    ToNumber,
    ToInteger,
    ToDouble,
    /// `String(value)`.
    TextOf,
    /// A method.
    ToText,
    ToBool,
    ParseFloat,
    ParseInt,
    IsNaN,
    IsArray,
    Keys,
    Values,
    Entries,
    Abs,
    Floor,
    Ceiling,
    Round,
    RoundEven,
    Truncate,
    SquareRoot,
    Power,
    Smallest,
    Largest,
    Map,
    Filter,
    Reduce,
    Some,
    Every,
    Find,
    FlatMap,
    Flat,
    Includes,
    Join,
    JoinWith,
    Concat,
    IndexOf,
    Slice,
    Reverse,
    Lower,
    Upper,
    Trim,
    StartsWith,
    EndsWith,
    Substring,
    SubstringOfLength,
    Split,
    Replace,
    ReplaceAll,
    CharAt,
    ToFixed,
    First,
    Last,
    Count,
    Sum,
    MinOf,
    MaxOf,
    Average,
    Distinct,
    OrderBy,
    OrderByDescending,
    Take,
    Skip,
    Same,
    Equals,
    IsNullOrEmpty,
    Format,
    /// `ToString("…")`.
    FormatOne,
}

impl Builtin {
    /// Whether the first argument is no target but one value of several.
    pub(super) fn is_free_function(self) -> bool {
        matches!(
            self,
            Self::JoinWith | Self::Smallest | Self::Largest | Self::Power
        )
    }

    /// What a JavaScript function or method takes, its target left out. Anything else is for a
    /// script engine.
    pub(super) fn takes(self) -> Takes {
        let (values, function) = match self {
            Self::Lower | Self::Upper | Self::Trim | Self::ToText => (0..=0, None),
            Self::Join | Self::Flat | Self::CharAt | Self::ToFixed => (0..=1, None),
            Self::Slice => (0..=2, None),
            Self::Load | Self::LoadUntracked | Self::CreateSpatialField | Self::Substring => {
                (1..=2, None)
            }
            Self::CreateField => (2..=3, None),
            Self::Power | Self::Replace | Self::ReplaceAll => (2..=2, None),
            Self::Smallest | Self::Largest | Self::Concat => (0..=usize::MAX, None),
            Self::Map | Self::Filter | Self::Some | Self::Every | Self::Find | Self::FlatMap => {
                (0..=0, Some(2))
            }
            Self::Reduce => (0..=1, Some(3)),
            _ => (1..=1, None),
        };
        Takes { values, function }
    }
}

/// Arguments that are known.
pub(super) struct Takes {
    /// How many values, behind a function if there is one.
    pub(super) values: RangeInclusive<usize>,
    /// How many parameters its function may have.
    pub(super) function: Option<usize>,
}

/// Members that functions of JavaScript's are: asked for as values, they are for a script engine.
const JAVASCRIPT_MEMBERS: [&str; 24] = [
    "__proto__",
    "at",
    "constructor",
    "copyWithin",
    "endsWith",
    "fill",
    "findIndex",
    "findLast",
    "forEach",
    "hasOwnProperty",
    "isPrototypeOf",
    "lastIndexOf",
    "padEnd",
    "padStart",
    "pop",
    "propertyIsEnumerable",
    "push",
    "repeat",
    "shift",
    "sort",
    "splice",
    "toLocaleString",
    "unshift",
    "valueOf",
];

/// Whether a member of this name, not called, needs a script engine.
pub(super) fn is_javascript_member(name: &str) -> bool {
    JAVASCRIPT_MEMBERS.contains(&name) || method(Dialect::JavaScript, name).is_some()
}

type Name = (&'static str, Builtin);

const JAVASCRIPT_FUNCTIONS: &[Name] = &[
    ("load", Builtin::Load),
    ("noTracking.load", Builtin::LoadUntracked),
    ("id", Builtin::Id),
    ("getMetadata", Builtin::Metadata),
    ("createField", Builtin::CreateField),
    ("createSpatialField", Builtin::CreateSpatialField),
    ("Number", Builtin::ToNumber),
    ("parseFloat", Builtin::ParseFloat),
    ("parseInt", Builtin::ParseInt),
    ("String", Builtin::TextOf),
    ("Boolean", Builtin::ToBool),
    ("isNaN", Builtin::IsNaN),
    ("Array.isArray", Builtin::IsArray),
    ("Object.keys", Builtin::Keys),
    ("Object.values", Builtin::Values),
    ("Object.entries", Builtin::Entries),
    ("Math.abs", Builtin::Abs),
    ("Math.floor", Builtin::Floor),
    ("Math.ceil", Builtin::Ceiling),
    ("Math.round", Builtin::Round),
    ("Math.trunc", Builtin::Truncate),
    ("Math.sqrt", Builtin::SquareRoot),
    ("Math.pow", Builtin::Power),
    ("Math.min", Builtin::Smallest),
    ("Math.max", Builtin::Largest),
];

const JAVASCRIPT_METHODS: &[Name] = &[
    ("map", Builtin::Map),
    ("filter", Builtin::Filter),
    ("reduce", Builtin::Reduce),
    ("some", Builtin::Some),
    ("every", Builtin::Every),
    ("find", Builtin::Find),
    ("flatMap", Builtin::FlatMap),
    ("flat", Builtin::Flat),
    ("includes", Builtin::Includes),
    ("join", Builtin::Join),
    ("concat", Builtin::Concat),
    ("indexOf", Builtin::IndexOf),
    ("slice", Builtin::Slice),
    ("toLowerCase", Builtin::Lower),
    ("toUpperCase", Builtin::Upper),
    ("trim", Builtin::Trim),
    ("startsWith", Builtin::StartsWith),
    ("endsWith", Builtin::EndsWith),
    ("substring", Builtin::Substring),
    ("split", Builtin::Split),
    ("replace", Builtin::Replace),
    ("replaceAll", Builtin::ReplaceAll),
    ("charAt", Builtin::CharAt),
    ("toString", Builtin::ToText),
    ("toFixed", Builtin::ToFixed),
];

const CSHARP_FUNCTIONS: &[Name] = &[
    ("LoadDocument", Builtin::Load),
    ("this.LoadDocument", Builtin::Load),
    ("Id", Builtin::Id),
    ("MetadataFor", Builtin::Metadata),
    ("this.MetadataFor", Builtin::Metadata),
    ("CreateField", Builtin::CreateField),
    ("this.CreateField", Builtin::CreateField),
    ("CreateSpatialField", Builtin::CreateSpatialField),
    ("this.CreateSpatialField", Builtin::CreateSpatialField),
    ("Recurse", Builtin::Recurse),
    ("this.Recurse", Builtin::Recurse),
    ("AsDocument", Builtin::Same),
    ("Math.Abs", Builtin::Abs),
    ("Math.Floor", Builtin::Floor),
    ("Math.Ceiling", Builtin::Ceiling),
    ("Math.Round", Builtin::RoundEven),
    ("Math.Truncate", Builtin::Truncate),
    ("Math.Sqrt", Builtin::SquareRoot),
    ("Math.Pow", Builtin::Power),
    ("Math.Min", Builtin::Smallest),
    ("Math.Max", Builtin::Largest),
    ("string.Join", Builtin::JoinWith),
    ("String.Join", Builtin::JoinWith),
    ("string.Format", Builtin::Format),
    ("String.Format", Builtin::Format),
    ("string.IsNullOrEmpty", Builtin::IsNullOrEmpty),
    ("String.IsNullOrEmpty", Builtin::IsNullOrEmpty),
    ("Enumerable.Sum", Builtin::Sum),
    ("Enumerable.Count", Builtin::Count),
    ("Enumerable.Min", Builtin::MinOf),
    ("Enumerable.Max", Builtin::MaxOf),
    ("Enumerable.Average", Builtin::Average),
    ("Enumerable.Select", Builtin::Map),
    ("Enumerable.Where", Builtin::Filter),
    ("Enumerable.Any", Builtin::Some),
    ("Enumerable.All", Builtin::Every),
];

const CSHARP_METHODS: &[Name] = &[
    ("Select", Builtin::Map),
    ("SelectMany", Builtin::FlatMap),
    ("Where", Builtin::Filter),
    ("Any", Builtin::Some),
    ("All", Builtin::Every),
    ("First", Builtin::First),
    ("FirstOrDefault", Builtin::First),
    ("Last", Builtin::Last),
    ("LastOrDefault", Builtin::Last),
    ("Count", Builtin::Count),
    ("Sum", Builtin::Sum),
    ("Min", Builtin::MinOf),
    ("Max", Builtin::MaxOf),
    ("Average", Builtin::Average),
    ("Distinct", Builtin::Distinct),
    ("OrderBy", Builtin::OrderBy),
    ("OrderByDescending", Builtin::OrderByDescending),
    ("Take", Builtin::Take),
    ("Skip", Builtin::Skip),
    ("Reverse", Builtin::Reverse),
    ("Concat", Builtin::Concat),
    ("ToList", Builtin::Same),
    ("ToArray", Builtin::Same),
    ("AsEnumerable", Builtin::Same),
    ("GetValueOrDefault", Builtin::Same),
    ("Contains", Builtin::Includes),
    ("IndexOf", Builtin::IndexOf),
    ("ToString", Builtin::ToText),
    ("ToLower", Builtin::Lower),
    ("ToLowerInvariant", Builtin::Lower),
    ("ToUpper", Builtin::Upper),
    ("ToUpperInvariant", Builtin::Upper),
    ("Trim", Builtin::Trim),
    ("StartsWith", Builtin::StartsWith),
    ("EndsWith", Builtin::EndsWith),
    ("Substring", Builtin::SubstringOfLength),
    ("Split", Builtin::Split),
    ("Replace", Builtin::ReplaceAll),
    ("Equals", Builtin::Equals),
    ("Boost", Builtin::Boost),
    ("Dynamic", Builtin::Same),
];

pub(super) fn function(dialect: Dialect, name: &str) -> Option<Builtin> {
    find(
        match dialect {
            Dialect::JavaScript => JAVASCRIPT_FUNCTIONS,
            Dialect::CSharp => CSHARP_FUNCTIONS,
        },
        name,
    )
}

pub(super) fn method(dialect: Dialect, name: &str) -> Option<Builtin> {
    find(methods(dialect), name)
}

pub(super) fn methods(dialect: Dialect) -> &'static [Name] {
    match dialect {
        Dialect::JavaScript => JAVASCRIPT_METHODS,
        Dialect::CSharp => CSHARP_METHODS,
    }
}

fn find(names: &[Name], name: &str) -> Option<Builtin> {
    names.iter().find(|(it, _)| *it == name).map(|(_, it)| *it)
}
