//! The methods of the language: where each may stand and what it takes.

/// A method that a query calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are their names, which the table spells")]
pub enum Method {
    Id,
    Search,
    Lucene,
    Regex,
    Exact,
    Boost,
    Fuzzy,
    Proximity,
    Exists,
    StartsWith,
    EndsWith,
    Intersect,
    MoreLikeThis,
    SpatialWithin,
    SpatialContains,
    SpatialDisjoint,
    SpatialIntersects,
    SpatialPoint,
    SpatialCircle,
    SpatialWkt,
    SpatialDistance,
    Score,
    Random,
    Custom,
    Array,
    Key,
    Count,
    Sum,
    Min,
    Max,
    Average,
    Facet,
    Suggest,
    Highlight,
    Explanations,
    Timings,
    Revisions,
    /// A function that the query declares.
    Declared,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// As a condition of `where` or `filter`.
    Condition,
    /// As the left side of a comparison there, or the field of another method.
    Operand,
    Shape,
    OrderBy,
    GroupBy,
    Select,
    InFacet,
    Include,
}

impl Place {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Condition => "as a condition",
            Self::Operand => "as a value to compare",
            Self::Shape => "as a shape",
            Self::OrderBy => "in 'order by'",
            Self::GroupBy => "in 'group by'",
            Self::Select => "in 'select'",
            Self::InFacet => "in 'facet'",
            Self::Include => "in 'include'",
        }
    }
}

/// What may stand as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// A path, quoted or not.
    Field,
    /// A path or `id()`.
    FieldOrId,
    /// A literal or a parameter.
    Value,
    /// A field, a literal or a parameter.
    FieldOrValue,
    /// `and` or `or`.
    Operator,
    Condition,
    /// A condition or a value.
    ConditionOrValue,
    /// A field that an index made spatial, or a shape.
    Shape,
    /// What `facet` is made of: a field, a range, an aggregation, options.
    FacetPart,
}

pub(super) struct Signature {
    pub(super) method: Method,
    pub(super) name: &'static str,
    pub(super) places: &'static [Place],
    pub(super) arguments: &'static [Argument],
    /// How many of `arguments` must be there.
    pub(super) required: usize,
    /// The last of `arguments` may be repeated.
    pub(super) repeats: bool,
}

const fn method(
    method: Method,
    name: &'static str,
    places: &'static [Place],
    arguments: &'static [Argument],
    required: usize,
) -> Signature {
    Signature {
        method,
        name,
        places,
        arguments,
        required,
        repeats: false,
    }
}

const fn repeating(signature: Signature) -> Signature {
    Signature {
        repeats: true,
        ..signature
    }
}

use Argument as A;
use Method as M;
use Place as P;

const AGGREGATION: &[Place] = &[P::Operand, P::OrderBy, P::Select, P::InFacet];

#[rustfmt::skip]
pub(super) const METHODS: [Signature; 38] = [
    method(M::Id, "id", &[P::Operand, P::OrderBy, P::Select, P::InFacet], &[A::FieldOrValue], 0),
    method(M::Search, "search", &[P::Condition], &[A::Field, A::Value, A::Operator], 2),
    method(M::Lucene, "lucene", &[P::Condition], &[A::Field, A::Value], 2),
    method(M::Regex, "regex", &[P::Condition], &[A::Field, A::Value], 2),
    method(M::Exact, "exact", &[P::Condition], &[A::Condition], 1),
    method(M::Boost, "boost", &[P::Condition], &[A::Condition, A::Value], 2),
    method(M::Fuzzy, "fuzzy", &[P::Condition], &[A::Condition, A::Value], 2),
    method(M::Proximity, "proximity", &[P::Condition], &[A::Condition, A::Value], 2),
    method(M::Exists, "exists", &[P::Condition], &[A::Field], 1),
    method(M::StartsWith, "startsWith", &[P::Condition], &[A::FieldOrId, A::Value], 2),
    method(M::EndsWith, "endsWith", &[P::Condition], &[A::FieldOrId, A::Value], 2),
    repeating(method(M::Intersect, "intersect", &[P::Condition], &[A::Condition], 2)),
    method(M::MoreLikeThis, "moreLikeThis", &[P::Condition], &[A::ConditionOrValue, A::Value], 1),
    method(M::SpatialWithin, "spatial.within", &[P::Condition], &[A::Shape, A::Shape, A::Value], 2),
    method(M::SpatialContains, "spatial.contains", &[P::Condition], &[A::Shape, A::Shape, A::Value], 2),
    method(M::SpatialDisjoint, "spatial.disjoint", &[P::Condition], &[A::Shape, A::Shape, A::Value], 2),
    method(M::SpatialIntersects, "spatial.intersects", &[P::Condition], &[A::Shape, A::Shape, A::Value], 2),
    method(M::SpatialPoint, "spatial.point", &[P::Shape], &[A::FieldOrValue, A::FieldOrValue], 2),
    method(M::SpatialCircle, "spatial.circle", &[P::Shape], &[A::Value, A::Value, A::Value, A::Value], 3),
    method(M::SpatialWkt, "spatial.wkt", &[P::Shape], &[A::FieldOrValue, A::Value], 1),
    method(M::SpatialDistance, "spatial.distance", &[P::OrderBy, P::Select], &[A::Shape, A::Shape, A::Value], 2),
    method(M::Score, "score", &[P::OrderBy], &[], 0),
    method(M::Random, "random", &[P::OrderBy], &[A::Value], 0),
    method(M::Custom, "custom", &[P::OrderBy], &[A::Field, A::Value], 2),
    method(M::Array, "array", &[P::GroupBy], &[A::Field], 1),
    method(M::Key, "key", &[P::Operand, P::OrderBy, P::Select], &[], 0),
    method(M::Count, "count", &[P::Operand, P::OrderBy, P::Select, P::InFacet], &[A::Field], 0),
    method(M::Sum, "sum", AGGREGATION, &[A::Field], 1),
    method(M::Min, "min", AGGREGATION, &[A::Field], 1),
    method(M::Max, "max", AGGREGATION, &[A::Field], 1),
    method(M::Average, "avg", AGGREGATION, &[A::Field], 1),
    method(M::Average, "average", AGGREGATION, &[A::Field], 1),
    repeating(method(M::Facet, "facet", &[P::Select], &[A::FacetPart], 0)),
    method(M::Suggest, "suggest", &[P::Select], &[A::Field, A::Value, A::Value], 2),
    method(M::Highlight, "highlight", &[P::Include], &[A::Field, A::Value, A::Value, A::Value], 3),
    method(M::Explanations, "explanations", &[P::Include], &[A::Value], 0),
    method(M::Timings, "timings", &[P::Include], &[], 0),
    method(M::Revisions, "revisions", &[P::Include], &[A::FieldOrValue], 1),
];

/// What other servers of the protocol know and this one does not.
pub(super) const UNSUPPORTED: [&str; 11] = [
    "cmpxchg",
    "counter",
    "counters",
    "counterRaw",
    "timeseries",
    "vector.search",
    "embedding.text",
    "embedding.f32",
    "now",
    "today",
    "archived",
];

pub(super) fn find(name: &str) -> Option<&'static Signature> {
    METHODS.iter().find(|it| it.name.eq_ignore_ascii_case(name))
}

/// The names of the methods that may stand at `place`.
pub(super) fn names_at(place: Place) -> impl Iterator<Item = &'static str> {
    METHODS
        .iter()
        .filter(move |it| it.places.contains(&place))
        .map(|it| it.name)
}
