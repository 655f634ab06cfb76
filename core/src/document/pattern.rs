//! Patterns over ids: `*` for any characters, `?` for one, `|` between alternatives.

/// A parsed list of alternatives, compared without regard to case.
///
/// ```
/// use pinyon_core::document::IdPattern;
/// let pattern = IdPattern::parse("*7?|8*");
/// assert!(pattern.matches("x78") && pattern.matches("81") && !pattern.matches("7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPattern {
    alternatives: Vec<Vec<char>>,
}

impl IdPattern {
    /// Reads a pattern. Any text is one.
    pub fn parse(text: &str) -> Self {
        let alternatives = text.split('|').map(lower_cased).collect();
        Self { alternatives }
    }

    /// Whether some alternative matches the whole of `text`. Takes time proportional to the
    /// product of the lengths at worst, never more.
    pub fn matches(&self, text: &str) -> bool {
        let text = lower_cased(text);
        self.alternatives
            .iter()
            .any(|pattern| matches(pattern, &text))
    }
}

fn lower_cased(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to resume when the text after the last `*` does not fit: greedy, with one way back.
    let mut resume: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                resume = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut resume {
                Some((after_star, from)) => {
                    *from += 1;
                    p = *after_star;
                    t = *from;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_ids() {
        for (pattern, text, expected) in [
            ("1*", "1-A", true),
            ("1*", "21-A", false),
            ("?-a", "1-A", true),
            ("2-A|3-A", "3-a", true),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("*", "", true),
        ] {
            assert_eq!(
                IdPattern::parse(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn hostile_patterns_stay_quadratic() {
        let pattern = IdPattern::parse(&"*a".repeat(250));
        assert!(!pattern.matches(&("a".repeat(249) + &"b".repeat(250))));
    }
}
