//! The functions and methods that both languages' names lead to.

use super::parser::Dialect;

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
    ToText,
    ToBool,
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
            Self::JoinWith
                | Self::Smallest
                | Self::Largest
                | Self::Power
                | Self::IsArray
                | Self::Keys
                | Self::Values
                | Self::Entries
        )
    }
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
    ("parseFloat", Builtin::ToNumber),
    ("parseInt", Builtin::ParseInt),
    ("String", Builtin::ToText),
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
