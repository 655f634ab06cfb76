//! Rules on Rust sources, read by a parser: text in strings and comments is never mistaken.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    AttrStyle, Attribute, ExprMethodCall, File, ImplItemFn, Item, ItemFn, ItemMod, Macro, Meta,
};

use super::Finding;

/// Where the difference between targets may show: the rest of the code is the same everywhere.
const MAY_ASK_FOR_THE_TARGET: &[&str] = &["core/src/storage/maybe_send.rs", "core/src/host/"];
/// Folders whose files are tests, all of them.
const TEST_FOLDERS: &[&str] = &[
    "tests/",
    "core/tests/",
    "server/tests/",
    "storage-native/tests/",
    "storage-browser/tests/",
];

/// Checks one file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let file = match syn::parse_file(text) {
        Ok(file) => file,
        Err(reason) => {
            let line = reason.span().start().line;
            return vec![Finding::new(
                format!("{path}:{line}"),
                format!("does not parse: {reason}"),
            )];
        }
    };
    let mut rules = Rules {
        path,
        is_test: TEST_FOLDERS.iter().any(|folder| path.starts_with(folder))
            || path.ends_with("/tests.rs"),
        may_ask_for_the_target: MAY_ASK_FOR_THE_TARGET
            .iter()
            .any(|allowed| path.starts_with(allowed)),
        findings: Vec::new(),
    };
    // The unit tests of the module beside them need no sentence of their own.
    if !path.ends_with("/tests.rs") && !opens_with_documentation(&file) {
        rules.findings.push(Finding::new(
            path,
            "opens without a `//!` sentence that says what it is",
        ));
    }
    rules.visit_file(&file);
    rules.findings
}

fn opens_with_documentation(file: &File) -> bool {
    file.attrs.iter().any(|attribute| {
        matches!(attribute.style, AttrStyle::Inner(_)) && attribute.path().is_ident("doc")
    })
}

struct Rules<'a> {
    path: &'a str,
    /// Whether what is visited at the moment is test code.
    is_test: bool,
    may_ask_for_the_target: bool,
    findings: Vec<Finding>,
}

impl Rules<'_> {
    fn report(&mut self, span: Span, message: &str) {
        let line = span.start().line;
        self.findings
            .push(Finding::new(format!("{}:{line}", self.path), message));
    }

    fn visit_as_test_if(&mut self, is_test: bool, visit: impl FnOnce(&mut Self)) {
        let outside = self.is_test;
        self.is_test |= is_test;
        visit(self);
        self.is_test = outside;
    }

    fn check_condition(&mut self, tokens: TokenStream) {
        if !self.may_ask_for_the_target
            && let Some(span) = find_word(tokens, "target_arch")
        {
            self.report(
                span,
                "asks for the target; only core/src/storage/maybe_send.rs and core/src/host/ may",
            );
        }
    }
}

impl<'a> Visit<'a> for Rules<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(ItemFn { attrs, .. }) | Item::Mod(ItemMod { attrs, .. }) => attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        self.visit_as_test_if(attributes.iter().any(marks_test), |rules| {
            visit::visit_item(rules, item)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'a ImplItemFn) {
        let is_test = item.attrs.iter().any(marks_test);
        self.visit_as_test_if(is_test, |rules| visit::visit_impl_item_fn(rules, item));
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        let path = attribute.path();
        if let Meta::List(list) = &attribute.meta
            && (path.is_ident("cfg") || path.is_ident("cfg_attr"))
        {
            self.check_condition(list.tokens.clone());
        }
        if path.is_ident("ignore") && matches!(attribute.meta, Meta::Path(_)) {
            self.report(
                attribute.span(),
                "an ignored test says why: #[ignore = \"reason\"]",
            );
        }
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        if call.path.is_ident("todo") || call.path.is_ident("unimplemented") {
            self.report(
                call.span(),
                "unfinished code; return an error of kind Unsupported, or finish it",
            );
        }
        if call.path.is_ident("cfg") {
            self.check_condition(call.tokens.clone());
        }
        if !self.is_test
            && let Some(span) = find_unwrap_call(call.tokens.clone())
        {
            self.report(
                span,
                "unwrap() outside tests; use expect(\"why it holds\") or return an error",
            );
        }
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        if !self.is_test && call.method == "unwrap" && call.args.is_empty() {
            self.report(
                call.method.span(),
                "unwrap() outside tests; use expect(\"why it holds\") or return an error",
            );
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// `#[test]`, `#[tokio::test]`, or `#[cfg(test)]`.
fn marks_test(attribute: &Attribute) -> bool {
    if attribute
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "test")
    {
        return true;
    }
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            find_word(list.tokens.clone(), "test").is_some()
                && find_word(list.tokens.clone(), "not").is_none()
        }
        _ => false,
    }
}

/// Where `word` stands as a word among `tokens`.
fn find_word(tokens: TokenStream, word: &str) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == word => Some(ident.span()),
        TokenTree::Group(group) => find_word(group.stream(), word),
        _ => None,
    })
}

/// Where `.unwrap()` stands among the tokens of a macro call, which are not parsed further.
fn find_unwrap_call(tokens: TokenStream) -> Option<Span> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().find_map(|(index, token)| match token {
        TokenTree::Ident(ident) if ident == "unwrap" => {
            let follows_dot = index.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(
                |before| matches!(before, TokenTree::Punct(punct) if punct.as_char() == '.'),
            );
            let is_called = matches!(tokens.get(index + 1), Some(TokenTree::Group(group)) if group.stream().is_empty());
            (follows_dot && is_called).then(|| ident.span())
        }
        TokenTree::Group(group) => find_unwrap_call(group.stream()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        check(path, text)
            .into_iter()
            .map(|finding| finding.place)
            .collect()
    }

    #[test]
    fn a_module_opens_with_its_sentence() {
        assert_eq!(places("core/src/a.rs", "fn a() {}\n"), ["core/src/a.rs"]);
        assert!(places("core/src/a.rs", "//! An a.\n\nfn a() {}\n").is_empty());
        assert_eq!(
            places("core/src/a.rs", "/// Not the module's.\nfn a() {}\n"),
            ["core/src/a.rs"]
        );
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "//! An a.\nfn a() { b().unwrap(); println!(\"{}\", b().unwrap()); }\n\
            // .unwrap()\nconst A: &str = \".unwrap()\";\n\
            #[cfg(test)]\nmod tests { #[test] fn a() { b().unwrap(); assert!(b().unwrap()); } }\n";
        assert_eq!(
            places("core/src/a.rs", text),
            ["core/src/a.rs:2", "core/src/a.rs:2"]
        );
        assert!(places("tests/clients/a.rs", text).is_empty());
        let live = "//! An a.\n#[cfg(not(test))]\nfn a() { b().unwrap() }\n";
        assert_eq!(places("core/src/a.rs", live), ["core/src/a.rs:3"]);
    }

    #[test]
    fn unfinished_code_is_found_even_in_tests() {
        let text = "//! An a.\n#[test]\nfn a() { todo!() }\nfn b() { unimplemented!(\"x\") }\n";
        assert_eq!(
            places("core/src/a.rs", text),
            ["core/src/a.rs:3", "core/src/a.rs:4"]
        );
        assert_eq!(
            places("core/src/a.rs", "//! A.\n#[test]\n#[ignore]\nfn a() {}\n"),
            ["core/src/a.rs:3"]
        );
        assert!(
            places(
                "core/src/a.rs",
                "//! A.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn the_target_is_asked_for_in_few_places() {
        let text = "//! An a.\n#[cfg(not(target_arch = \"wasm32\"))]\nfn a() { if cfg!(target_arch = \"x86\") {} }\n";
        assert_eq!(
            places("core/src/a.rs", text),
            ["core/src/a.rs:2", "core/src/a.rs:3"]
        );
        assert!(places("core/src/host/clock.rs", text).is_empty());
        assert!(places("core/src/storage/maybe_send.rs", text).is_empty());
    }

    #[test]
    fn broken_sources_are_findings() {
        assert_eq!(places("a.rs", "fn {"), ["a.rs:1"]);
    }
}
