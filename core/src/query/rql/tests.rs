//! What parses, into what, and what errors say.

use super::*;

fn parsed(text: &str) -> Query {
    parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(query) => panic!("{text} parsed as {query:?}"),
        Err(error) => error.render(text),
    }
}

/// A condition in prefix form.
fn show(expression: &Expression) -> String {
    let list = |all: &[Expression]| all.iter().map(show).collect::<Vec<_>>().join(" ");
    match &expression.kind {
        ExpressionKind::Literal(Literal::Text(text)) => format!("'{text}'"),
        ExpressionKind::Literal(Literal::Null) => "null".to_owned(),
        ExpressionKind::Literal(Literal::Bool(value)) => value.to_string(),
        ExpressionKind::Literal(Literal::Long(value)) => value.to_string(),
        ExpressionKind::Literal(Literal::Double(value)) => format!("{value:?}"),
        ExpressionKind::Parameter(name) => format!("${name}"),
        ExpressionKind::Field(path) => match &path.loaded {
            Some(loaded) => format!("{loaded}:{path}"),
            None => path.to_string(),
        },
        ExpressionKind::Call(call) => format!("{}({})", call.name, list(&call.arguments)),
        ExpressionKind::Not(inner) => format!("(not {})", show(inner)),
        ExpressionKind::And(all) => format!("(and {})", list(all)),
        ExpressionKind::Or(all) => format!("(or {})", list(all)),
        ExpressionKind::Compare {
            comparison,
            left,
            right,
        } => format!("({comparison:?} {} {})", show(left), show(right)),
        ExpressionKind::Between { value, from, to } => {
            format!("(between {} {} {})", show(value), show(from), show(to))
        }
        ExpressionKind::In {
            value,
            list: l,
            all,
        } => {
            format!(
                "({} {} [{}])",
                if *all { "all-in" } else { "in" },
                show(value),
                list(l)
            )
        }
        ExpressionKind::Named { value, name } => format!("({} as {name})", show(value)),
    }
}

#[track_caller]
fn condition(text: &str, expected: &str) {
    let query = parsed(&format!("from Orders as o where {text}"));
    assert_eq!(
        show(query.condition.as_ref().expect("a condition")),
        expected,
        "{text}"
    );
}

#[test]
fn a_star_selects_the_whole() {
    for text in [
        "from Orders select *",
        "from Orders select distinct * limit 1",
    ] {
        let query = super::parse(text).unwrap();
        assert!(
            matches!(&query.select, Some(Select::Items { items, .. }) if items.is_empty()),
            "{text}"
        );
    }
    assert!(super::parse("from Orders select *, Name").is_err());
}

#[test]
fn conditions() {
    condition("Freight > 3", "(Greater Freight 3)");
    condition("o.Freight >= 3.5e1", "(GreaterOrEqual Freight 35.0)");
    condition("3 < Freight", "(Greater Freight 3)");
    condition("Name <> null", "(NotEqual Name null)");
    condition("Name == -1_000", "(Equal Name -1000)");
    condition("Company = \"x\"", "(Equal Company 'x')");
    condition("'First Name' = 'O''Brien'", "(Equal First Name 'O'Brien')");
    condition(
        "a = 1 or b = 2 and c = 3",
        "(or (Equal a 1) (and (Equal b 2) (Equal c 3)))",
    );
    condition(
        "(a = 1 or b = 2) and c = 3",
        "(and (or (Equal a 1) (Equal b 2)) (Equal c 3))",
    );
    condition(
        "a=1 and b=2 and c=3 and d=4",
        "(and (Equal a 1) (Equal b 2) (Equal c 3) (Equal d 4))",
    );
    condition("a = 1 and not b = 2", "(and (Equal a 1) (not (Equal b 2)))");
    condition("true and not exists(b)", "(and true (not exists(b)))");
    condition("TRUE AND NOT Exists(b)", "(and true (not exists(b)))");
    condition(
        "Age between $p0 and $p1 and x = 1",
        "(and (between Age $p0 $p1) (Equal x 1))",
    );
    condition(
        "Grandparents[] in ('parents/1923-A')",
        "(in Grandparents[] ['parents/1923-A'])",
    );
    condition("Tags all in ($p0, 'b', 3)", "(all-in Tags [$p0 'b' 3])");
    condition("x in ()", "(in x [])");
    condition("id() = $i", "(Equal id() $i)");
    condition("id(o) in ('a')", "(in id() ['a'])");
    condition("startsWith(id(), 'orders/')", "startsWith(id() 'orders/')");
    condition("first-name = 1", "(Equal first-name 1)");
    condition(
        "@metadata.'@collection' = 'Orders'",
        "(Equal @metadata.@collection 'Orders')",
    );
    condition("o.Lines[0].Price > 1.0", "(Greater Lines[0].Price 1.0)");
    condition(
        "sum(Freight) > 99999999999999999999",
        "(Greater sum(Freight) 1e20)",
    );
    condition(
        "Größe = 1 -- a comment\n /* another */ and x = 2 // end",
        "(and (Equal Größe 1) (Equal x 2))",
    );
    condition(
        "filter = 1 and From.limit = 2",
        "(and (Equal filter 1) (Equal From.limit 2))",
    );
}

#[test]
fn methods_in_conditions() {
    condition("search(Name, $s)", "search(Name $s)");
    condition(
        "SEARCH('Full Name', 'a b*', and)",
        "search(Full Name 'a b*' 'and')",
    );
    condition(
        "boost(search(Name, 'x'), 2.5)",
        "boost(search(Name 'x') 2.5)",
    );
    condition("fuzzy(Name = 'x', 0.5)", "fuzzy((Equal Name 'x') 0.5)");
    condition(
        "proximity(search(Name, 'a b'), 3)",
        "proximity(search(Name 'a b') 3)",
    );
    condition("exact(Name in ('A', 'B'))", "exact((in Name ['A' 'B']))");
    condition("regex(Name, '^\\d+')", "regex(Name '^\\d+')");
    condition("lucene(Name, 'a AND b')", "lucene(Name 'a AND b')");
    condition(
        "intersect(a = 1, b = 2, c = 3)",
        "intersect((Equal a 1) (Equal b 2) (Equal c 3))",
    );
    condition(
        "moreLikeThis(id() = $p0, $p1)",
        "moreLikeThis((Equal id() $p0) $p1)",
    );
    condition("moreLikeThis($p0, $p1)", "moreLikeThis($p0 $p1)");
    condition("moreLikeThis(true, $p1)", "moreLikeThis(true $p1)");
    condition(
        "spatial.within(spatial.point(Lat, o.Lng), spatial.circle($r, 1.5, -2, 'kilometers'))",
        "spatial.within(spatial.point(Lat Lng) spatial.circle($r 1.5 -2 'kilometers'))",
    );
    condition(
        "Spatial.Intersects(Area, spatial.wkt($w), 0.025)",
        "spatial.intersects(Area spatial.wkt($w) 0.025)",
    );
}

#[test]
fn sources() {
    assert_eq!(
        parsed("from 'Orders'").source,
        Source::Collection("Orders".into())
    );
    assert_eq!(parsed("from @all_docs").source, Source::AllDocuments);
    assert_eq!(
        parsed("FROM INDEX \"A/B\" as x").source,
        Source::Index("A/B".into())
    );
    assert_eq!(
        parsed("from index where a = 1").source,
        Source::Collection("index".into())
    );
    assert_eq!(
        parsed("from Orders o where o.a = 1").alias.as_deref(),
        Some("o")
    );
    assert_eq!(parsed("from Orders o;").alias.as_deref(), Some("o"));
}

#[test]
fn a_whole_query() {
    let query = parsed(
        "declare function name(c, x = f()) { return `${ {a: '}'}.a }` + /[}]/.source; }
         from Orders as o group by Company where Freight > 1",
    );
    assert_eq!(query.functions[0].name, "name");
    assert!(
        query.functions[0]
            .script
            .text
            .starts_with("function name(c")
    );
    assert!(query.functions[0].script.text.ends_with("; }"));
    let text = "from Orders as o where o.Freight > 0 filter x = 1 order by score(), \
        spatial.distance(spatial.point(a, b), spatial.point($x, $y)) desc, \
        'My Field' as alphaNumeric desc nulls last, Lines[].Price as double \
        load o.Company as c, o.Lines[].Product as p[], 'config/1' x \
        select distinct o.Company as 'Co', c.Name, id() as Id, o as All, 'A b' \
        include o.Company, 'Lines[].Product', timings(), highlight(Name, 128, 1, $h), explanations() \
        limit $a, 5 filter_limit 100;";
    let query = parsed(text);
    assert_eq!(query.order_by.len(), 4);
    assert!(query.order_by[1].descending && !query.order_by[0].descending);
    assert_eq!(query.order_by[2].order_type, Some(OrderType::Alphanumeric));
    assert_eq!(query.order_by[2].nulls, Some(NullsOrder::Last));
    assert_eq!(show(&query.order_by[2].value), "My Field");
    assert!(query.load[1].many && !query.load[0].many);
    assert_eq!(show(&query.load[1].id), "Lines[].Product");
    let Some(Select::Items {
        distinct: true,
        items,
    }) = &query.select
    else {
        panic!("{:?}", query.select);
    };
    let shown: Vec<String> = items.iter().map(|it| show(&it.value)).collect();
    assert_eq!(shown, ["Company", "c:Name", "id()", "", "A b"]);
    assert_eq!(items[0].alias.as_deref(), Some("Co"));
    assert_eq!(show(&query.include[1]), "Lines[].Product");
    assert_eq!(show(&query.include[3]), "highlight(Name 128 1 $h)");
    assert_eq!(query.paging.skip.as_ref().map(show).as_deref(), Some("$a"));
    assert_eq!(query.paging.take.as_ref().map(show).as_deref(), Some("5"));
    assert!(query.paging.filter_limit.is_some());
}

#[test]
fn groups_facets_and_scripts() {
    let query = parsed(
        "from Orders group by Company as c, Array(Lines[].Product) order by count() as long desc \
         select key() as Company, count() as Count, sum(Freight) as Sum",
    );
    assert!(query.group_by[1].whole_array && !query.group_by[0].whole_array);
    assert_eq!(query.group_by[1].path.to_string(), "Lines[].Product");
    let query = parsed(
        "from index 'P' select facet(Price < 10, Price >= 10 and Price < 20, Price > $m, sum(Qty) as 't', $o) as Ranges, facet(id('facets/1')), suggest(Name, $t, $o)",
    );
    let Some(Select::Items { items, .. }) = &query.select else {
        panic!()
    };
    assert_eq!(
        show(&items[0].value),
        "facet(((Less Price 10) as Price < 10) ((and (GreaterOrEqual Price 10) (Less Price 20)) as Price >= 10 and Price < 20) ((Greater Price $m) as Price > $m) (sum(Qty) as t) $o)"
    );
    let query = parsed(
        "from Orders as o select { a: o.Name /* } */, b: '}', c: x => { return 1 } } limit 2",
    );
    let Some(Select::Object { script, .. }) = &query.select else {
        panic!()
    };
    assert!(script.text.ends_with("return 1 } }"));
    let query = parsed("declare function f(o) { return o } from Orders as o select f(o, o.A, $p)");
    let Some(Select::Items { items, .. }) = &query.select else {
        panic!()
    };
    assert_eq!(show(&items[0].value), "f( A $p)");
    let query = parsed("from Orders where a = 1 update { this.Seen = 4 / 2 / 1; }");
    assert_eq!(
        query.update.expect("an update").text,
        "{ this.Seen = 4 / 2 / 1; }"
    );
}

#[test]
fn what_a_loaded_document_refers_to_is_not_included() {
    let message = refused("from Orders as o load o.Company as c include o.Company, c.Boss");
    assert!(message.starts_with("1:57 "), "{message}");
    assert!(message.contains("loaded 'c'"), "{message}");
    parsed("from Orders as o load o.Company as c include o.c, 'c.Boss'");
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let message = refused("from Orders where");
    assert!(message.starts_with("1:18 "), "{message}");
    assert!(message.contains("expected a condition"), "{message}");
    let message = refused("from Orders\nwhere Freight > ");
    assert!(
        message.starts_with("2:17 ") || message.starts_with("2:16 "),
        "{message}"
    );
    for (text, part) in [
        ("form Orders", "Did you mean 'from'?"),
        ("from Orders wher Freight > 1", "Did you mean 'where'?"),
        ("from Orders were", "Did you mean 'where'?"),
        (
            "from Orders where serach(Name, 'x')",
            "Did you mean 'search'?",
        ),
        (
            "from Orders where Age betwen 1 and 2",
            "Did you mean 'between'?",
        ),
        ("from Orders order Name", "expected 'by'"),
        ("from Orders order by Name as lng", "Did you mean 'long'?"),
        ("from Orders where a = b", "not with another field"),
        ("from Orders where a", "expected an operator"),
        ("from Orders where a = 'x", "does not end"),
        ("from Orders where search(a)", "at least 2 arguments"),
        (
            "from Orders where search(a, 'b', xor)",
            "expected 'and' or 'or'",
        ),
        ("from Orders where score() = 1", "cannot stand"),
        ("from Orders where cmpxchg('a') = 1", "not supported"),
        ("from Orders where $ = 1", "parameter's name"),
        ("from Orders where a ~ 1", "'~' means nothing"),
        (
            "from Orders select a where b = 1",
            "'where' must stand before 'select'",
        ),
        ("from Orders where a = 1 where b = 1", "stands twice"),
        ("from Orders limit -1", "a whole number"),
        ("from Orders limit 1, 2 offset 3", "already says"),
        ("from Orders update { this.a = 1", "does not end"),
        ("from Orders x y", "after the"),
        ("from Orders where (a = 1", "')'"),
        ("from Orders where a in (1, ", "in the list"),
        ("from Orders select a,", ""),
        ("from Orders /* where", "comment does not end"),
        ("from Orders where 1 = 2", "cannot be compared"),
        (
            "declare function f() { } declare function f() { } from X",
            "twice",
        ),
        ("", "expected 'from'"),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| format!("from A where {}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&deep(100)).is_ok());
    assert!(refused(&deep(100_000)).contains("nested deeper"));
    assert!(refused(&format!("from A where {}", "not ".repeat(100_000))).contains("nested deeper"));
    assert!(
        refused(&format!("from A where {}", "boost(".repeat(100_000))).contains("nested deeper")
    );
    let long = format!("from A where {}z = 1", "a = 1 and b = 2 or ".repeat(20_000));
    assert!(parse(&long).is_ok());
    assert!(parse(&format!("from A select {{{}", "`${".repeat(50_000))).is_err());
}

#[test]
fn the_mark_stands_under_the_place() {
    let message = refused("from Orders where Größe ~ 1");
    assert_eq!(
        message,
        "1:25 '~' means nothing here\n  from Orders where Größe ~ 1\n                          ^"
    );
}
