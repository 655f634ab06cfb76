//! What translates, what it computes, and what is refused.

use std::collections::HashMap;

use super::*;

const ORDER: &str = r#"{"Company":"companies/1","Freight":4.50,"Big":9007199254740993,"Note":"A b",
    "OrderedAt":"2026-01-02T10:11:12.0000000Z","Lines":[{"P":"p/1","Q":2,"Price":1.5},
    {"P":"p/2","Q":3,"Price":10}],"Tags":["x","y"],"@metadata":{"@id":"orders/1","@collection":"Orders"}}"#;

#[track_caller]
fn javascript(function: &str, expected: &str) {
    let formula = Formula::from_javascript(function)
        .unwrap_or_else(|error| panic!("{}", error.render(function)));
    let value = formula.evaluate(Value::from_json(ORDER)).unwrap();
    assert_eq!(value.to_json(), expected, "{function}");
}

#[test]
fn javascript_functions_compute() {
    javascript(
        "o => ({ C: o.Company, n: o.Missing.Deep })",
        r#"{"C":"companies/1","n":null}"#,
    );
    javascript("o => o.Lines.map(l => l.Q * l.Price)", "[3,30]");
    javascript(
        "(o) => o.Lines.reduce((s, l) => s + l.Q * l.Price, 0)",
        "33",
    );
    javascript(
        "function (o) { return { Total: o.Freight + 1, Big: o.Big }; }",
        r#"{"Total":5.5,"Big":9007199254740993}"#,
    );
    javascript(
        "function map(o) { const n = o.Lines.length; if (n > 1) { return [n, 'many'] } else return n }",
        r#"[2,"many"]"#,
    );
    javascript(
        "o => { let a = 1, b = a + 1\n return `${a}-${b}-${o.Tags.map(t => `<${t}>`)}` }",
        r#""1-2-<x>,<y>""#,
    );
    javascript(
        "o => o.Note.toLowerCase().split(' ').concat(['z']).join('+')",
        r#""a+b+z""#,
    );
    javascript(
        "o => ({ ...{a: 1, b: 2}, b: 3, ['k' + 1]: o?.Nope ?? 'd' })",
        r#"{"a":1,"b":3,"k1":"d"}"#,
    );
    javascript(
        "o => [...o.Tags, ...o.Lines.filter(l => l.Q > 2).map(({ P }) => P)]",
        r#"["x","y","p/2"]"#,
    );
    javascript(
        "o => [1 + '2', '3' * '4', 7 / 2, 6 / 2, -7 % 3, 2 ** 10, !'', null ?? 1, 1 == '1', 1 === '1']",
        r#"["12",12,3.5,3,-1,1024,true,1,true,false]"#,
    );
    javascript(
        "o => o.Tags.includes('x') && !o.Tags.some(t => t > 'y') ? o.Lines.every(l => l.Q) : 0",
        "true",
    );
    javascript(
        "o => id(o) + getMetadata(o)['@collection']",
        r#""orders/1Orders""#,
    );
    javascript(
        "o => [0.1 + 0.2, 1e21, Math.round(-2.5), Math.max(1, 5, 3), parseInt('12px'), (1.005).toFixed(1)]",
        r#"[0.30000000000000004,1e+21,-2,5,12,"1.0"]"#,
    );
    javascript(
        "o => [Object.keys(o.Lines[0]).length + o.Lines[5].Q, 1 + o.Nope, 1 + o.Nope?.Q]",
        "[3,null,null]",
    );
    javascript(
        "o => o.Lines.flatMap(l => [l.P, l.P.substring(2)])",
        r#"["p/1","1","p/2","2"]"#,
    );
    javascript("o => { if (!o.Nope) return; return 1; }", "null");
    javascript(
        "o => 'über'.slice(-2) + 'aßc'.length + 'a,b'.indexOf('b')",
        r#""er32""#,
    );
}

fn map(text: &str) -> (MapSource, Formula) {
    match MapDefinition::parse(text) {
        Ok(MapDefinition {
            source,
            function: MapFunction::Formula(formula),
        }) => (source, formula),
        Ok(other) => panic!("{other:?}"),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn mapped(text: &str, expected: &str) {
    let (_, formula) = map(text);
    let value = formula.evaluate(Value::from_json(ORDER)).unwrap();
    let json = if formula.is_typed() {
        value.to_typed_json()
    } else {
        value.to_json()
    };
    assert_eq!(json, expected, "{text}");
}

#[test]
fn csharp_maps_compute() {
    mapped(
        "from o in docs.Orders select new { o.Company, F = o.Freight }",
        r#"[{"Company":"companies/1","F":4.5}]"#,
    );
    mapped(
        "from o in docs.Orders from t in o.Tags select new { Tag = t, o.Company };",
        r#"[{"Tag":"x","Company":"companies/1"},{"Tag":"y","Company":"companies/1"}]"#,
    );
    mapped(
        "from o in docs let n = 2 where o.Lines.Count > 1 from l in o.Lines where l.Q > 2 select new { l.P, D = 7/n, n }",
        r#"[{"P":"p/2","D":3,"n":2}]"#,
    );
    mapped(
        "from doc in docs.Orders where doc.Freight == null select new { }",
        "[]",
    );
    mapped(
        "docs.Orders.Select(x => new { x.Company, T = x.Lines.Sum(l => (double?)l.Q * l.Price) })",
        r#"[{"Company":"companies/1","T":33.0}]"#,
    );
    mapped(
        "docs.Orders.SelectMany(o => o.Lines, (o, l) => new { l.P, o.Company })",
        r#"[{"P":"p/1","Company":"companies/1"},{"P":"p/2","Company":"companies/1"}]"#,
    );
    mapped(
        "docs[\"Orders\"].Where(x => x.Freight > 1).Select(x => new { x.OrderedAt.Year, D = x.OrderedAt.Date })",
        r#"[{"Year":2026,"D":"2026-01-02T00:00:00.0000000"}]"#,
    );
    mapped(
        "from o in docs.Orders select new { A = o.Nope ?? \"d\", B = o.Nope.X.Y, C = o.Tags.Any() ? 1 : 2, \
        S = String.Format(\"{0}-{1}\", o.Note, 5), E = Id(o).ToString().Substring(Id(o).ToString().IndexOf('/') + 1), \
        M = o[\"@metadata\"][\"@collection\"], J = string.Join(\", \", o.Tags), X = new object[] { 1, \"a\" } }",
        r#"[{"A":"d","B":null,"C":1,"S":"A b-5","E":"1","M":"Orders","J":"x, y","X":[1,"a"]}]"#,
    );
}

#[test]
fn csharp_goes_over_the_members_of_objects() {
    mapped(
        "from o in docs.Orders let a = new { Color = \"Red\", Size = 10 } select new { Fs = a.Select(x => x.Key + \"=\" + x.Value), \
        N = a.Count(), Long = a.Where(x => x.Key == \"Size\").Select(x => x.Value), Any = a.Any(x => x.Value == 10), None = o.Nope.Select(x => x.Key) }",
        r#"[{"Fs":["Color=Red","Size=10"],"N":2,"Long":[10],"Any":true,"None":[]}]"#,
    );
    mapped(
        "from o in docs.Orders from l in o.Lines.Take(1) from x in l where x.Key != \"Q\" select new { x.Key, x.Value }",
        r#"[{"Key":"P","Value":"p/1"},{"Key":"Price","Value":1.5}]"#,
    );
    mapped(
        "docs.Orders.SelectMany(o => o.Lines.First(), (o, x) => new { x.Key, o.Company }).Where(x => x.Key == \"P\")",
        r#"[{"Key":"P","Company":"companies/1"}]"#,
    );
}

#[test]
fn csharp_computes_with_dates_and_nothing() {
    mapped(
        "from o in docs.Orders let a = \"2026-01-03T12:00:00\" let b = \"2026-01-01\" select new { D = a - b, H = (a - b).TotalHours, a.DayOfWeek, M = a.ToString(\"yyyy-MM\") }",
        r#"[{"D":"2.12:00:00","H":60.0,"DayOfWeek":"Saturday","M":"2026-01"}]"#,
    );
    mapped(
        "from o in docs.Orders select new { A = o.Nope - 1, B = 2 * o.Nope, C = o.Nope / 2, D = o.Nope % 2, F = o.Freight.ToString(\"0.00\"), S = o.Lines.Sum(l => l.Nope * l.Q) }",
        r#"[{"A":null,"B":null,"C":null,"D":null,"F":"4.50","S":0}]"#,
    );
    let error =
        MapDefinition::parse("from o in docs.Orders select new { A = o.X.ToString(\"C\") }");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("1:") && error.contains("this format is not supported"),
        "{error}"
    );
}

#[test]
fn csharp_orders_arrays_and_casts() {
    mapped(
        "from o in docs.Orders select new { First = o.Lines.OrderByDescending(l => l.Q).First().P, \
        Ps = o.Lines.OrderBy(l => l.P).Select(l => l.P), Top = o.Lines.OrderBy(l => l.Nope).Take(1).Select(l => l.P), \
        Rest = o.Tags.Skip(1), None = o.Nope.OrderBy(x => x.A), Half = (double)1 / 2, Whole = 7 / 2, Four = (double)8 / 2 }",
        r#"[{"First":"p/2","Ps":["p/1","p/2"],"Top":["p/1"],"Rest":["y"],"None":[],"Half":0.5,"Whole":3,"Four":4.0}]"#,
    );
    for text in [
        "docs.Orders.OrderBy(o => o.A).Select(o => new { o.A })",
        "docs.Orders.Select(o => new { o.A }).Take(3)",
    ] {
        let error = MapDefinition::parse(text).expect_err(text);
        assert!(
            error.message().contains("one document at a time"),
            "{error}"
        );
    }
}

#[test]
fn csharp_lambdas_may_be_typed() {
    for lambda in [
        "l => l.Q",
        "(Func<dynamic, dynamic>)(l => l.Q)",
        "((Func<dynamic, dynamic>)(l => l.Q))",
        "(Func<dynamic, Func<string, object>, dynamic>)(l => l.Q)",
    ] {
        let text = format!("from o in docs.Orders select new {{ Qs = o.Lines.Select({lambda}) }}");
        mapped(&text, r#"[{"Qs":[2,3]}]"#);
    }
    for broken in [
        "(Func<dynamic",
        "(Func<dynamic, dynamic>)(l => l.Q",
        "(Func<a>)l",
    ] {
        let text = format!("from o in docs.Orders select new {{ Qs = o.Lines.Select({broken}) }}");
        assert!(MapDefinition::parse(&text).is_err(), "{text}");
    }
}

/// Whatever the language, the same reduce gives the same, also over results.
#[test]
fn reduces_of_both_languages_agree() {
    let javascript = "groupBy(x => x.P).aggregate(g => { \
        const sum = g.values.reduce((s, x) => s + x.Sum, 0); \
        const count = g.values.reduce((s, x) => s + x.Count, 0); \
        return { P: g.key, Sum: sum, Count: count, Average: sum / count, \
        Min: g.values.reduce((a, x) => Math.min(a, x.Min), g.values[0].Min), \
        Max: g.values.reduce((a, x) => Math.max(a, x.Max), g.values[0].Max) }; })";
    let csharp = "from r in results group r by r.P into g let sum = g.Sum(x => x.Sum) let count = g.Sum(x => x.Count) \
        select new { P = g.Key, Sum = sum, Count = count, Average = (double)sum / count, Min = g.Min(x => x.Min), Max = g.Max(x => x.Max) }";
    for text in [javascript, csharp] {
        let reduce = ReduceDefinition::parse(text).unwrap();
        let ReduceFunction::Formula { aggregate, .. } = reduce.function else {
            panic!("{text}")
        };
        let run = |values: &str| {
            let group = format!(r#"{{"key":"p","values":[{values}]}}"#);
            let result = aggregate.evaluate(Value::from_json(&group)).unwrap();
            result.to_typed_json().trim_matches(['[', ']']).to_owned()
        };
        let leaf = |q: i32| format!(r#"{{"Sum":{q},"Count":1,"Min":{q},"Max":{q}}}"#);
        let first = run(&[leaf(2), leaf(-7), leaf(4)].join(","));
        let all = run(&[first, leaf(3)].join(","));
        assert_eq!(
            all, r#"{"P":"p","Sum":2,"Count":4,"Average":0.5,"Min":-7,"Max":4}"#,
            "{text}"
        );
    }
}

#[test]
fn reduces_compute() {
    for text in [
        "groupBy(x => x.Company).aggregate(g => { return { Company: g.key, Count: g.values.reduce((s, v) => s + v.Count, 0) }; })",
        "groupBy(x => x.Company).aggregate(({ key, values }) => ({ Company: key, Count: values.reduce((s, v) => s + v.Count, 0) }))",
        "from r in results group r by r.Company into g select new { Company = g.Key, Count = g.Sum(x => x.Count) }",
        "results.GroupBy(r => r.Company).Select(g => new { Company = g.Key, Count = Enumerable.Sum(g, x => x.Count) })",
    ] {
        let reduce = ReduceDefinition::parse(text).unwrap();
        assert_eq!(reduce.fields(), ["Company", "Count"], "{text}");
        let ReduceFunction::Formula { key, aggregate } = reduce.function else {
            panic!("{text}")
        };
        let entry = Value::from_json(r#"{"Company":"c","Count":2}"#);
        assert_eq!(key.evaluate(entry).unwrap().to_json(), r#""c""#);
        let group = Value::from_json(r#"{"key":"c","values":[{"Count":2},{"Count":5}]}"#);
        let result = aggregate.evaluate(group).unwrap();
        let result = match &result {
            Value::Array(items) => items[0].clone(),
            other => other.clone(),
        };
        assert_eq!(result.to_json(), r#"{"Company":"c","Count":7}"#, "{text}");
    }
    let text = "from r in results group r by new { r.A, B = r.C } into g let s = g.Sum(x => x.N) select new { g.Key.A, g.Key.B, N = s }";
    let reduce = ReduceDefinition::parse(text).unwrap();
    let ReduceFunction::Formula { key, aggregate } = reduce.function else {
        panic!()
    };
    let entry = Value::from_json(r#"{"A":1,"C":"x","N":3}"#);
    let key = key.evaluate(entry.clone()).unwrap();
    assert_eq!(key.to_json(), r#"{"A":1,"B":"x"}"#);
    let group = Value::object(vec![
        ("key".into(), key),
        ("values".into(), Value::array(vec![entry])),
    ]);
    assert_eq!(
        aggregate.evaluate(group).unwrap().to_json(),
        r#"[{"A":1,"B":"x","N":3}]"#
    );
}

struct Known(HashMap<&'static str, &'static str>);

impl Documents<'static> for Known {
    fn find(&self, id: &str) -> Option<Option<Value<'static>>> {
        match self.0.get(id) {
            Some(&"") => Some(None),
            Some(text) => Some(Some(Value::from_json(text))),
            None => None,
        }
    }
}

#[test]
fn loads_are_noted_and_wait_for_nothing() {
    for text in [
        "map('Orders', o => ({ N: load(o.Company, 'Companies').Name }))",
        "from o in docs.Orders select new { N = LoadDocument<Company>(o.Company, \"Companies\").Name }",
    ] {
        let (source, formula) = map(text);
        assert_eq!(source, MapSource::Collection("Orders".into()));
        assert!(formula.loads());
        let none = Known(HashMap::new());
        let mut evaluation = Evaluation::new(&none);
        evaluation.run(&formula, Value::from_json(ORDER)).unwrap();
        assert_eq!(evaluation.missing(), ["companies/1"]);
        assert_eq!(
            evaluation.references()[0].collection.as_deref(),
            Some("Companies")
        );
        let known = Known(HashMap::from([("companies/1", r#"{"Name":"Acme"}"#)]));
        let mut evaluation = Evaluation::new(&known);
        let value = evaluation.run(&formula, Value::from_json(ORDER)).unwrap();
        assert!(evaluation.missing().is_empty());
        assert!(value.to_json().contains(r#"{"N":"Acme"}"#));
        let absent = Known(HashMap::from([("companies/1", "")]));
        let value = Evaluation::new(&absent)
            .run(&formula, Value::from_json(ORDER))
            .unwrap();
        assert!(!value.to_json().contains("Acme"));
    }
}

#[test]
fn fields_can_be_created() {
    let (_, formula) = map(
        "map('O', o => ({ _: o.Lines.map(l => createField(l.P, l.Q, { storage: true, indexing: 'Exact' })), S: createSpatialField(1.5, o.Freight) }))",
    );
    let value = formula.evaluate(Value::from_json(ORDER)).unwrap();
    let Value::Array(fields) = value.member("_") else {
        panic!()
    };
    let Value::Special(special) = &fields[1] else {
        panic!()
    };
    let Special::Field(field) = &**special else {
        panic!()
    };
    assert_eq!(
        (field.name.as_str(), field.stored, field.indexing.as_deref()),
        ("p/2", Some(true), Some("Exact"))
    );
    assert_eq!(field.value.to_json(), "3");
    assert_eq!(
        value.member("S").to_json(),
        r#"{"latitude":1.5,"longitude":4.5}"#
    );
    let tree = r#"{"T":"a","C":[{"T":"b","C":[{"T":"c"}]},{"T":"d"}]}"#;
    let (_, formula) =
        map("from p in docs.Posts from c in Recurse(p, x => x.C) select new { c.T }");
    let value = formula.evaluate(Value::from_json(tree)).unwrap();
    assert_eq!(
        value.to_json(),
        r#"[{"T":"a"},{"T":"b"},{"T":"c"},{"T":"d"}]"#
    );
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    for (text, part) in [
        (
            "from o in docs.Orders orderby o.A select new { o.A }",
            "1:23",
        ),
        (
            "from o in docs.Orders select new { A = typeof(o) }",
            "'typeof' is not known",
        ),
        (
            "from o in docs.Orders select new { A = o.B.Frobnicate() }",
            "Frobnicate() is not known",
        ),
        (
            "from o in docs.Orders select new { A = x.B }",
            "'x.B' is not known",
        ),
        ("from o in docs.Orders select new { 1 + 2 }", "needs a name"),
        ("from o in docs.Orders", "but the text ends here"),
        ("from t in timeSeries.A.B select new { }", "not supported"),
        ("map(Orders, o => o)", "in quotes"),
        ("reduce('x')", "a map begins with"),
        ("", "a map begins with"),
    ] {
        let error = MapDefinition::parse(text).expect_err(text);
        assert!(error.message().contains(part), "{text}: {error}");
    }
    for text in [
        "map('O', o => { for (const l of o.Lines) {} return o; })",
        "map('O', o => { return { A: o. }; })",
        "map('O', function (o) { return /x/.test(o.A) })",
        "map('O', o => new Date(o.A).getTime())",
        "map('O', o => { o.A = 1; return o })",
        "const k = 2; map('O', o => ({ A: o.A * k }))",
        "map('O', o => o); map('P', o => o)",
    ] {
        let map = MapDefinition::parse(text).unwrap();
        assert!(matches!(map.function, MapFunction::Script { .. }), "{text}");
    }
    let (source, _) = map("// a\n /* b */ map('O', o => ({ A: o.A }))");
    assert_eq!(source, MapSource::Collection("O".into()));
    let text = "groupBy(x => x.A).aggregate(g => { for (const v of g.values) {} })";
    let reduce = ReduceDefinition::parse(text).unwrap();
    assert!(matches!(
        reduce.function,
        ReduceFunction::Script { key: Some(_), .. }
    ));
    assert!(ReduceDefinition::parse("from r in results select r").is_err());
}

#[test]
fn depth_and_steps_are_bounded() {
    let deep = format!("o => {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Formula::from_javascript(&deep).is_err());
    let deep = format!("o => {}1", "-".repeat(100_000));
    assert!(Formula::from_javascript(&deep).is_err());
    let long = format!("o => 1{}", " + 1".repeat(100_000));
    assert!(Formula::from_javascript(&long).is_err());
    let long = format!("o => o{}", ".a".repeat(100_000));
    assert!(Formula::from_javascript(&long).is_err());
    let array = format!("[{}]", vec!["1"; 400].join(","));
    let cubic =
        Formula::from_javascript("a => a.map(x => a.map(y => a.map(z => x + y + z)))").unwrap();
    let error = cubic.evaluate(Value::from_json(&array)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded);
}

/// Results are reduced again with further entries, so they may not depend on how many there are.
#[test]
fn what_a_reduce_in_parts_makes_wrong_is_refused() {
    let over = |select: &str| {
        let text =
            format!("from r in results group r by r.K into g select new {{ K = g.Key, {select} }}");
        ReduceDefinition::parse(&text).map_err(|error| error.to_string())
    };
    for (select, part) in [
        ("C = g.Count()", "1:69 Count() in a reduce"),
        ("C = g.Count(x => x.A > 1)", "Count() in a reduce"),
        ("C = Enumerable.Count(g)", "Count() in a reduce"),
        ("C = g.ToList().Count", "Count() in a reduce"),
        (
            "C = g.Where(x => x.A > 1).Select(x => x.A).Distinct().Count()",
            "g.Sum(x => x.Count)",
        ),
        ("A = g.Average(x => x.A)", "Average() in a reduce"),
        (
            "A = g.Sum(x => x.A) / (1 + g.Count())",
            "Count() in a reduce",
        ),
        (
            "A = g.Key == null ? 0 : g.Select(x => x.A).Average()",
            "sum of counts",
        ),
    ] {
        let error = over(select).expect_err(select);
        assert!(error.contains(part), "{select}: {error}");
    }
    for text in [
        "from r in results group r by r.K into g let all = g.ToArray() select new { K = g.Key, C = all.Length }",
        "results.GroupBy(r => r.K).Select(g => new { K = g.Key, C = g.Count() })",
    ] {
        assert!(ReduceDefinition::parse(text).is_err(), "{text}");
    }
    for select in [
        "C = g.Sum(x => x.Count)",
        "A = g.Sum(x => x.A) / g.Sum(x => x.C)",
        "C = g.Sum(x => x.Tags.Count())",
        "A = g.Max(x => x.Values.Average())",
        "F = g.First().Name, L = g.Last().Name",
        "T = g.SelectMany(x => x.Tags).Distinct(), C = g.SelectMany(x => x.Tags).Distinct().Count()",
    ] {
        over(select).unwrap_or_else(|error| panic!("{select}: {error}"));
    }
}

/// What would not mean the same when translated is left to the engine.
#[test]
fn javascript_with_other_meanings_is_not_translated() {
    for text in [
        "o => o.A.indexOf('x', 4)",
        "o => o.A.split('x', 2)",
        "o => o.A.map((x, i, all) => all.length)",
        "o => o.A.replace('x', m => m)",
        "o => parseInt(o.A, 2)",
        "o => (5).toString(2)",
        "o => o.A.map ? 1 : 2",
        "o => o['constructor']",
        "o => { if (o.A) { var b = 1 } return 2 }",
        "o => { return\n 1 }",
        "o => -2 ** 2",
        "o => 010",
        "o => '\\1'",
        "o => ({ __proto__: o })",
    ] {
        assert!(Formula::from_javascript(text).is_err(), "{text}");
    }
}

#[test]
fn values_without_end_are_refused() {
    let doubling = |first: &str, next: fn(usize) -> String| {
        let statements: String = (1..64)
            .map(|at| format!("const x{at} = {};", next(at - 1)))
            .collect();
        format!("o => {{ const x0 = {first}; {statements} return {{ X: x63 }}; }}")
    };
    for text in [
        doubling("'x'", |it| format!("x{it} + x{it}")),
        doubling("'x'", |it| format!("`${{x{it}}}${{x{it}}}`")),
        doubling("[1]", |it| format!("[x{it}, x{it}]")),
        doubling("[1]", |it| format!("[...x{it}, ...x{it}]")),
        doubling("({ a: 1 })", |it| format!("({{ a: x{it}, b: x{it} }})")),
        doubling("'xxxxxxxx'", |it| format!("x{it}.replaceAll('x', 'xx')")),
    ] {
        let formula = Formula::from_javascript(&text).unwrap();
        let error = formula.evaluate(Value::from_json(ORDER)).unwrap_err();
        assert_eq!(
            error.kind(),
            crate::ErrorKind::LimitExceeded,
            "{text:.200}: {error}"
        );
    }
    let many = format!("{{\"L\":[{}0]}}", "0,".repeat(100_000));
    let nested = Formula::from_javascript("o => ({ X: o.L.reduce((s, x) => [s], 0) })").unwrap();
    let error = nested.evaluate(Value::from_json(&many)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded, "{error}");
    let grown = Formula::from_javascript("o => ({ X: o.L.reduce((s, x) => s + s, 'x') })").unwrap();
    let error = grown.evaluate(Value::from_json(&many)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded, "{error}");
    // What is large and ends is made.
    javascript("o => o.Tags.map(t => t + '!').length", "2");
}
