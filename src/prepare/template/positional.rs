//! Tera takes arguments by name only; this puts the names in front of those given by position.

/// A template with the names put in, and where they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translated {
    /// The template for Tera.
    pub(crate) text: String,
    /// Where something was put in (byte of `text`), and its length; ascending.
    inserted: Vec<(usize, usize)>,
}

impl Translated {
    /// The byte of the original that the byte `at` of the text came from.
    pub(crate) fn original(&self, at: usize) -> usize {
        let before: usize = self
            .inserted
            .iter()
            .take_while(|(start, _)| *start < at)
            .map(|(start, length)| (*length).min(at - start))
            .sum();
        at.saturating_sub(before)
    }
}

/// Names the positional arguments of calls to functions and filters for which `parameters` gives
/// the names. Only code between `{{ }}` and `{% %}` is touched.
///
/// # Errors
/// When a call has more arguments than there are names.
pub(crate) fn translate(
    template: &str,
    parameters: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Result<Translated, String> {
    let mut cursor = Cursor {
        rest: template,
        out: Translated {
            text: String::with_capacity(template.len() + 16),
            inserted: Vec::new(),
        },
        parameters,
    };
    while !cursor.rest.is_empty() {
        if cursor.rest.starts_with("{#") {
            cursor.take_through("#}");
        } else if cursor.rest.starts_with("{{") {
            cursor.take(2);
            cursor.code("}}")?;
        } else if cursor.rest.starts_with("{%") {
            let raw = is_raw(cursor.rest);
            cursor.take(2);
            cursor.code("%}")?;
            if raw {
                cursor.take_raw();
            }
        } else {
            cursor.take_one();
        }
    }
    Ok(cursor.out)
}

struct Cursor<'a> {
    rest: &'a str,
    out: Translated,
    parameters: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (head, tail) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.out.text.push_str(head);
        self.rest = tail;
        head
    }

    fn take_one(&mut self) {
        let length = self.rest.chars().next().map_or(0, char::len_utf8);
        self.take(length);
    }

    fn take_through(&mut self, end: &str) {
        let length = self
            .rest
            .find(end)
            .map_or(self.rest.len(), |at| at + end.len());
        self.take(length);
    }

    /// Up to the tag that ends a raw block.
    fn take_raw(&mut self) {
        while !self.rest.is_empty() {
            if self.rest.starts_with("{%") && tag(self.rest) == "endraw" {
                return;
            }
            self.take_one();
        }
    }

    fn take_string(&mut self) {
        let quote = self.rest.chars().next().unwrap_or_default();
        let mut escaped = false;
        let length = self
            .rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| {
                let ends = !escaped && *c == quote;
                escaped = !escaped && *c == '\\';
                ends
            })
            .map_or(self.rest.len(), |(at, c)| at + c.len_utf8());
        self.take(length);
    }

    fn take_space(&mut self) {
        let length = self.rest.len() - self.rest.trim_start().len();
        self.take(length);
    }

    /// Code up to and with `end`.
    fn code(&mut self, end: &str) -> Result<(), String> {
        while !self.rest.is_empty() {
            if self.rest.starts_with(end) {
                self.take(end.len());
                return Ok(());
            }
            self.piece()?;
        }
        Ok(())
    }

    fn arguments(&mut self, function: &str, names: &[String]) -> Result<(), String> {
        let mut place = 0;
        loop {
            self.take_space();
            if self.rest.is_empty() {
                return Ok(());
            }
            if self.rest.starts_with(')') {
                self.take_one();
                return Ok(());
            }
            if !is_named(self.rest) {
                let name = names.get(place).ok_or_else(|| {
                    format!(
                        "`{function}` takes {} ({})",
                        count(names.len()),
                        names.join(", ")
                    )
                })?;
                self.out
                    .inserted
                    .push((self.out.text.len(), name.len() + 1));
                self.out.text.push_str(name);
                self.out.text.push('=');
            }
            place += 1;
            self.argument()?;
        }
    }

    /// One argument, and the comma after it.
    fn argument(&mut self) -> Result<(), String> {
        while !self.rest.is_empty() && !self.rest.starts_with([',', ')']) {
            self.piece()?;
        }
        if self.rest.starts_with(',') {
            self.take_one();
        }
        Ok(())
    }

    /// One string, bracketed group, word with its call, or character.
    fn piece(&mut self) -> Result<(), String> {
        let Some(next) = self.rest.chars().next() else {
            return Ok(());
        };
        match next {
            '\'' | '"' | '`' => self.take_string(),
            '(' | '[' | '{' => {
                self.take_one();
                self.code(closing(next))?;
            },
            c if is_word(c) => {
                let dotted = self.out.text.ends_with('.');
                let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                let name = self.take(length);
                let called = self.rest.trim_start().starts_with('(');
                if called
                    && !dotted
                    && let Some(names) = (self.parameters)(name)
                {
                    self.take_space();
                    self.take_one();
                    self.arguments(name, &names)?;
                }
            },
            _ => self.take_one(),
        }
        Ok(())
    }
}

fn count(arguments: usize) -> String {
    match arguments {
        1 => "1 argument".into(),
        n => format!("{n} arguments"),
    }
}

fn closing(open: char) -> &'static str {
    match open {
        '(' => ")",
        '[' => "]",
        _ => "}",
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether an argument begins with `name=`.
fn is_named(argument: &str) -> bool {
    let word = argument.find(|c| !is_word(c)).unwrap_or(argument.len());
    let after = argument.get(word..).unwrap_or("").trim_start();
    word > 0 && after.starts_with('=') && !after.starts_with("==")
}

/// The first word of a tag.
fn tag(text: &str) -> &str {
    let inner = text
        .get(2..)
        .unwrap_or("")
        .trim_start_matches('-')
        .trim_start();
    let length = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
    inner.get(..length).unwrap_or("")
}

fn is_raw(text: &str) -> bool {
    tag(text) == "raw"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parameters(name: &str) -> Option<Vec<String>> {
        let names: &[&str] = match name {
            "detrend" => &["type", "of"],
            "input" => &["at"],
            "pad" => &["n"],
            _ => return None,
        };
        Some(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[rstest]
    #[case(
        "{{ detrend('FLAT', imfile) }}",
        "{{ detrend(type='FLAT', of=imfile) }}"
    )]
    #[case(
        "{{ detrend(type='FLAT', of=imfile) }}",
        "{{ detrend(type='FLAT', of=imfile) }}"
    )]
    #[case(
        "{{ detrend('a, (b', x[f(1, 2)]) }}",
        "{{ detrend(type='a, (b', of=x[f(1, 2)]) }}"
    )]
    #[case(
        "{{ detrend('it\\'s', {a: 1}) }}",
        "{{ detrend(type='it\\'s', of={a: 1}) }}"
    )]
    #[case("{{ detrend(input(0), x) }}", "{{ detrend(type=input(at=0), of=x) }}")]
    #[case(
        "{{ detrend(type=input(0), of=x) }}",
        "{{ detrend(type=input(at=0), of=x) }}"
    )]
    #[case("{{ [input(0), input(1)] }}", "{{ [input(at=0), input(at=1)] }}")]
    #[case("{{ x | pad(3) ~ '}}' }}", "{{ x | pad(n=3) ~ '}}' }}")]
    #[case(
        "{% if input(0) == 'a' %}input(0){% endif %}",
        "{% if input(at=0) == 'a' %}input(0){% endif %}"
    )]
    #[case("{{ x.input(0) }} {# input(0) #}", "{{ x.input(0) }} {# input(0) #}")]
    #[case(
        "{% raw %}{{ input(0) }}{% endraw %}{{ input(0) }}",
        "{% raw %}{{ input(0) }}{% endraw %}{{ input(at=0) }}"
    )]
    #[case("{{ input(a == b) }}", "{{ input(at=a == b) }}")]
    #[case(
        "{{ inputs(0) }} {{ my_input(0) }}",
        "{{ inputs(0) }} {{ my_input(0) }}"
    )]
    #[case("{{ input (\n0 ) }}", "{{ input (\nat=0 ) }}")]
    #[case("{{ input(", "{{ input(")]
    #[case("input(0)", "input(0)")]
    fn positions_become_names(#[case] template: &str, #[case] translated: &str) {
        assert_eq!(translate(template, &parameters).unwrap().text, translated);
    }

    #[test]
    fn too_many_arguments_are_counted() {
        let error = translate("{{ detrend('a', b, c) }}", &parameters).unwrap_err();
        assert_eq!(error, "`detrend` takes 2 arguments (type, of)");
    }

    #[test]
    fn places_lead_back_to_the_original() {
        let original = "{{ detrend('a', nope) }}";
        let translated = translate(original, &parameters).unwrap();
        let at = translated.text.find("nope").unwrap();
        assert_eq!(translated.original(at), original.find("nope").unwrap());
        assert_eq!(translated.original(3), 3);
    }

    proptest! {
        #[test]
        fn without_calls_nothing_changes(text in "[a-z{}%#'\". \\\\(),ü]{0,40}") {
            let none = |_: &str| None;
            prop_assert_eq!(translate(&text, &none).unwrap().text, text);
        }

        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            let translated = translate(&text, &parameters);
            if let Ok(translated) = translated {
                prop_assert!(translated.text.len() >= text.len());
            }
        }
    }
}
