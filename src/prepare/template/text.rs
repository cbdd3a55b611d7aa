//! One template: a literal, text with plain fields, or something for Tera.

use tera::{Context, Value, value::ValueKind};

use super::engine::{Engine, TemplateError, quote};

/// A compiled template of a recipe.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Where it stands in the recipe, such as `outputs[2].remote`.
    pub(super) place: Box<str>,
    /// Its name within Tera.
    pub(super) name: Box<str>,
    pub(super) text: Text,
    /// Whether what is put in is quoted for the shell.
    pub(super) shell: bool,
}

/// What a template is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    /// No code in it.
    Literal(Box<str>),
    /// Nothing but fields between the words; Tera gives the same, slower.
    Plain(Box<[Part]>),
    /// Anything.
    Tera,
}

/// A piece of a plain template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Word(Box<str>),
    Field(Box<[Box<str>]>),
}

/// Where plain fields get their values.
pub(crate) trait Words {
    /// The value of a top-level name.
    fn word(&self, name: &str) -> Option<&Value>;
}

impl Words for Context {
    fn word(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

impl Text {
    /// Takes a template apart, before any translation.
    pub(super) fn of(template: &str) -> Self {
        if !["{{", "{%", "{#"]
            .iter()
            .any(|open| template.contains(open))
        {
            return Self::Literal(template.into());
        }
        plain(template).map_or(Self::Tera, Self::Plain)
    }
}

fn plain(template: &str) -> Option<Box<[Part]>> {
    if template.contains("{%") || template.contains("{#") {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((word, code)) = rest.split_once("{{") {
        let (field, after) = code.split_once("}}")?;
        if !word.is_empty() {
            parts.push(Part::Word(word.into()));
        }
        let path: Option<Box<[Box<str>]>> = field
            .trim()
            .split('.')
            .map(|step| is_name(step).then(|| step.into()))
            .collect();
        parts.push(Part::Field(path?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Word(rest.into()));
    }
    Some(parts.into())
}

fn is_name(step: &str) -> bool {
    const WORDS: [&str; 9] = [
        "true", "false", "True", "False", "none", "None", "null", "not", "loop",
    ];
    let mut bytes = step.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !WORDS.contains(&step)
        && !step.starts_with("__")
}

impl Template {
    /// Renders into a new string.
    pub(crate) fn render(
        &self,
        engine: &Engine,
        context: &Context,
    ) -> Result<String, TemplateError> {
        match &self.text {
            Text::Literal(text) => Ok(text.to_string()),
            Text::Plain(parts) => self
                .fill(parts, context)
                .map_or_else(|| engine.render(self, context), Ok),
            Text::Tera => engine.render(self, context),
        }
    }

    /// Renders from other words than a context, if the template is plain enough.
    pub(crate) fn render_plain(&self, words: &impl Words) -> Option<String> {
        match &self.text {
            Text::Literal(text) => Some(text.to_string()),
            Text::Plain(parts) => self.fill(parts, words),
            Text::Tera => None,
        }
    }

    /// The text, if there is no code in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        match &self.text {
            Text::Literal(text) => Some(text),
            _ => None,
        }
    }

    /// Where it stands in the recipe.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The value itself, if the template is one plain field.
    pub(crate) fn value<'c>(&'c self, words: &'c impl Words) -> Option<&'c Value> {
        match &self.text {
            Text::Plain(parts) => match &**parts {
                [Part::Field(path)] => field(path, words),
                _ => None,
            },
            _ => None,
        }
    }

    /// `None` if Tera has to say what is wrong, or how a list looks.
    fn fill(&self, parts: &[Part], words: &impl Words) -> Option<String> {
        let mut out = String::with_capacity(64);
        for part in parts {
            match part {
                Part::Word(word) => out.push_str(word),
                Part::Field(path) => {
                    let value = field(path, words)?;
                    match (value.as_str(), self.shell) {
                        (Some(text), false) => out.push_str(text),
                        (Some(text), true) => out.push_str(&quote(text).ok()?),
                        (None, _) => out.push_str(&number_text(value)?),
                    }
                },
            }
        }
        Some(out)
    }
}

fn field<'c>(path: &'c [Box<str>], words: &'c impl Words) -> Option<&'c Value> {
    let (first, steps) = path.split_first()?;
    let mut value = words.word(first)?;
    for step in steps {
        value = value.as_map()?.get(&tera::value::Key::Str(step))?;
    }
    Some(value)
}

fn number_text(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::I64 | ValueKind::U64 | ValueKind::Bool => Some(value.to_string()),
        _ => None,
    }
}

/// A scalar as the text by which cells are compared: `7` and `7.0` are the same.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    match value.kind() {
        ValueKind::None => Some(String::new()),
        ValueKind::F64 => value.as_f64().map(|number| number.to_string()),
        ValueKind::Bool | ValueKind::I64 | ValueKind::U64 => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain", true)]
    #[case("{{ a }}", true)]
    #[case("raw/{{ imfile.name }}.{{ a }}", true)]
    #[case("{{ a | upper }}", false)]
    #[case("{{- a }}", false)]
    #[case("{{ 'a' }}", false)]
    #[case("{{ a[0] }}", false)]
    #[case("{{ true }}", false)]
    #[case("{{ __tera_context }}", false)]
    #[case("{% if a %}b{% endif %}", false)]
    #[case("{{ a", false)]
    fn only_fields_and_words_are_plain(#[case] template: &str, #[case] is_plain: bool) {
        assert_eq!(Text::of(template) != Text::Tera, is_plain);
    }
}
