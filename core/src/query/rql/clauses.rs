//! The clauses of a query, except conditions.

use super::ast::{
    Expression, ExpressionKind, Function, GroupKey, Literal, Load, NullsOrder, OrderBy, OrderType,
    Paging, Select, SelectItem, Source,
};
use super::error::{Result, SyntaxError, nearest};
use super::lexer::TokenKind;
use super::method::Place;
use super::parser::{CLAUSE_WORDS, Parser};
use super::script_text::end_of_block;
use super::{Method, Script};

impl Parser<'_> {
    pub(super) fn declared_functions(&mut self) -> Result<Vec<Function>> {
        let mut functions = Vec::new();
        while self.is_word("declare") {
            self.advance()?;
            if self.is_word("timeseries") {
                return Err(self.error("time series are not supported"));
            }
            let start = self.token.span.start;
            self.expect_word("function", "after 'declare'")?;
            let name = self.name("the function's name", "after 'function'")?;
            if self.functions.contains(&name) {
                return Err(self.error(format!("the function '{name}' is declared twice")));
            }
            self.expect_sign("(", "after the function's name")?;
            // Parameters may hold default values and patterns: JavaScript reads them.
            let mut open = 1;
            while open > 0 && self.token.kind != TokenKind::End {
                open += i32::from(self.is_sign("("));
                open -= i32::from(self.is_sign(")"));
                self.advance()?;
            }
            if !self.is_sign("{") {
                return Err(self
                    .unexpected("after the function's parameters")
                    .expecting(&["'{'"]));
            }
            let end = end_of_block(self.text, self.token.span.start)?;
            self.go_to(end)?;
            self.functions.push(name.clone());
            let script = Script {
                text: self.text[start..end].to_owned(),
                span: start..end,
            };
            functions.push(Function { name, script });
        }
        Ok(functions)
    }

    pub(super) fn source_clause(&mut self) -> Result<Source> {
        for (word, what) in [("match", "graph queries"), ("with", "graph queries")] {
            if self.is_word(word) {
                return Err(self.error(format!("{what} are not supported")));
            }
        }
        self.expect_word("from", "where the query should begin")?;
        let source = if self.is_word("index") && self.names_an_index()? {
            self.advance()?;
            Source::Index(self.name("the index's name", "after 'from index'")?)
        } else {
            let name = self.name("a collection", "after 'from'")?;
            if name.eq_ignore_ascii_case("@all_docs") {
                Source::AllDocuments
            } else {
                Source::Collection(name)
            }
        };
        if self.is_sign("(") {
            return Err(self.error("a source with options is for subscriptions, not for queries"));
        }
        self.source_alias()?;
        Ok(source)
    }

    /// Tells `from index 'Name'` from a collection that is called index.
    fn names_an_index(&self) -> Result<bool> {
        Ok(match self.peek_second()?.kind {
            TokenKind::Text(_) => true,
            TokenKind::Word(word) => !CLAUSE_WORDS.iter().any(|it| word.eq_ignore_ascii_case(it)),
            _ => false,
        })
    }

    fn source_alias(&mut self) -> Result<()> {
        if self.skip_word("as")? {
            self.alias = Some(self.name("an alias", "after 'as'")?);
            return Ok(());
        }
        let TokenKind::Word(word) = self.token.kind else {
            return Ok(());
        };
        if CLAUSE_WORDS.iter().any(|it| word.eq_ignore_ascii_case(it)) {
            return Ok(());
        }
        // `from Orders o where …` names an alias; `from Orders wher …` does not.
        let goes_on = match self.peek_second()?.kind {
            TokenKind::End => true,
            TokenKind::Sign(sign) => sign == ";",
            TokenKind::Word(next) => CLAUSE_WORDS.iter().any(|it| next.eq_ignore_ascii_case(it)),
            _ => false,
        };
        if goes_on && nearest(word, CLAUSE_WORDS).is_none_or(|_| word.len() < 4) {
            self.alias = Some(word.to_owned());
            self.advance()?;
            return Ok(());
        }
        let error = self
            .unexpected("after the source")
            .expecting(&["a clause such as 'where'"]);
        Err(self.suggesting(error, &CLAUSE_WORDS))
    }

    pub(super) fn group_by_clause(&mut self) -> Result<Vec<GroupKey>> {
        self.expect_word("by", "after 'group'")?;
        let mut keys = Vec::new();
        loop {
            let value = self.operand(Place::GroupBy)?;
            let span = value.span.clone();
            let (path, whole_array) = match value.kind {
                ExpressionKind::Field(path) => (path, false),
                ExpressionKind::Call(mut call) if call.method == Method::Array => {
                    match call.arguments.pop().map(|it| it.kind) {
                        Some(ExpressionKind::Field(path)) => (path, true),
                        _ => return Err(SyntaxError::new(span, "array() takes a field")),
                    }
                }
                _ => {
                    return Err(SyntaxError::new(span, "only fields can be grouped by")
                        .expecting(&["a field", "array(field)"]));
                }
            };
            let alias = self.alias_after()?;
            keys.push(GroupKey {
                path,
                whole_array,
                alias,
                span,
            });
            if !self.skip_sign(",")? {
                return Ok(keys);
            }
        }
    }

    pub(super) fn order_by_clause(&mut self) -> Result<Vec<OrderBy>> {
        self.expect_word("by", "after 'order'")?;
        let mut orders = Vec::new();
        loop {
            let value = self.operand(Place::OrderBy)?;
            if !matches!(
                value.kind,
                ExpressionKind::Field(_) | ExpressionKind::Call(_)
            ) {
                return Err(SyntaxError::new(value.span, "a value orders nothing")
                    .expecting(&["a field", "a method such as score()"]));
            }
            let order_type = if self.skip_word("as")? {
                Some(self.order_type()?)
            } else {
                None
            };
            let descending = self.skip_word("desc")? || self.skip_word("descending")?;
            if !descending && !self.skip_word("asc")? {
                self.skip_word("ascending")?;
            }
            let nulls = self.nulls_order()?;
            orders.push(OrderBy {
                value,
                order_type,
                descending,
                nulls,
            });
            if !self.skip_sign(",")? {
                return Ok(orders);
            }
        }
    }

    fn order_type(&mut self) -> Result<OrderType> {
        const TYPES: [(&str, OrderType); 4] = [
            ("string", OrderType::Text),
            ("long", OrderType::Long),
            ("double", OrderType::Double),
            ("alphanumeric", OrderType::Alphanumeric),
        ];
        for (word, order_type) in TYPES {
            if self.skip_word(word)? {
                return Ok(order_type);
            }
        }
        let error = self.unexpected("where the order's type should stand");
        let error = error.expecting(&["'string'", "'long'", "'double'", "'alphanumeric'"]);
        Err(self.suggesting(error, &TYPES.map(|(word, _)| word)))
    }

    fn nulls_order(&mut self) -> Result<Option<NullsOrder>> {
        if !self.skip_word("nulls")? {
            return Ok(None);
        }
        if self.skip_word("first")? {
            return Ok(Some(NullsOrder::First));
        }
        if self.skip_word("last")? {
            return Ok(Some(NullsOrder::Last));
        }
        Err(self
            .unexpected("after 'nulls'")
            .expecting(&["'first'", "'last'"]))
    }

    pub(super) fn load_clause(&mut self) -> Result<Vec<Load>> {
        let mut loads = Vec::new();
        loop {
            let id = self.operand(Place::Operand)?;
            if matches!(id.kind, ExpressionKind::Call(_)) {
                return Err(
                    SyntaxError::new(id.span, "a call gives no id to load").expecting(&[
                        "a field",
                        "an id",
                        "a parameter",
                    ]),
                );
            }
            self.skip_word("as")?;
            let alias = self.name("an alias", "after the id to load")?;
            let many = self.skip_sign("[")?;
            if many {
                self.expect_sign("]", "after '['")?;
            }
            if self.loaded.contains(&alias) || self.alias.as_ref() == Some(&alias) {
                return Err(self.error(format!("the alias '{alias}' stands twice")));
            }
            self.loaded.push(alias.clone());
            loads.push(Load { id, alias, many });
            if !self.skip_sign(",")? {
                return Ok(loads);
            }
        }
    }

    pub(super) fn select_clause(&mut self) -> Result<Select> {
        let distinct = self.skip_word("distinct")?;
        if self.is_sign("{") {
            let script = self.script("after 'select'")?;
            return Ok(Select::Object { distinct, script });
        }
        let mut items = Vec::new();
        // Without items, the whole.
        if self.skip_sign("*")? {
            return Ok(Select::Items { distinct, items });
        }
        loop {
            let value = self.operand(Place::Select)?;
            let alias = self.alias_after()?;
            items.push(SelectItem { value, alias });
            if !self.skip_sign(",")? {
                return Ok(Select::Items { distinct, items });
            }
        }
    }

    pub(super) fn include_clause(&mut self) -> Result<Vec<Expression>> {
        let mut includes = Vec::new();
        loop {
            let value = self.operand(Place::Include)?;
            if let ExpressionKind::Literal(literal) = &value.kind
                && !matches!(literal, Literal::Text(_))
            {
                return Err(
                    SyntaxError::new(value.span, "this cannot be included").expecting(&[
                        "a field",
                        "an id",
                        "a method such as timings()",
                    ]),
                );
            }
            if let ExpressionKind::Field(path) = &value.kind
                && let Some(loaded) = &path.loaded
            {
                let message = format!("what the loaded '{loaded}' refers to cannot be included");
                return Err(SyntaxError::new(value.span, message));
            }
            includes.push(value);
            if !self.skip_sign(",")? {
                return Ok(includes);
            }
        }
    }

    /// `as name`; names may be quoted and dotted.
    fn alias_after(&mut self) -> Result<Option<String>> {
        if !self.skip_word("as")? {
            return Ok(None);
        }
        let mut alias = self.name("an alias", "after 'as'")?;
        while self.skip_sign(".")? {
            alias.push('.');
            alias.push_str(&self.name("a name", "after '.'")?);
        }
        Ok(Some(alias))
    }

    /// `limit take` or `limit skip, take`.
    pub(super) fn limit_clause(&mut self, paging: &mut Paging) -> Result<()> {
        let first = self.page_number("after 'limit'")?;
        if self.skip_sign(",")? {
            if paging.skip.is_some() {
                return Err(self.error("'offset' already says how many to skip"));
            }
            paging.skip = Some(first);
            paging.take = Some(self.page_number("after ','")?);
        } else {
            paging.take = Some(first);
        }
        Ok(())
    }

    pub(super) fn page_number(&mut self, place: &str) -> Result<Expression> {
        let kinds: &[&str] = &["a whole number", "a parameter"];
        if !matches!(
            self.token.kind,
            TokenKind::Number(_) | TokenKind::Parameter(_)
        ) {
            return Err(self.unexpected(place).expecting(kinds));
        }
        let value = self.operand(Place::Operand)?;
        match value.kind {
            ExpressionKind::Parameter(_) | ExpressionKind::Literal(Literal::Long(0..)) => Ok(value),
            _ => Err(SyntaxError::new(value.span, "no number of results").expecting(kinds)),
        }
    }
}
