//! Tera with our functions, filters and shell quoting.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, fmt, io::Write, sync::Arc};

use tera::{Context, Error, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use super::{
    filters, positional,
    positional::Translated,
    text::{Template, Text},
};
use crate::prepare::{lookup::Lookup, names::Names};

/// Ending of the names of templates whose values are quoted for the shell.
const SHELL: &str = " (shell)";
/// Function that catches the value of an expression.
const CATCH: &str = "or_catch";
/// Names under which a job's rendered files are kept for `input(i)` and `output(i)`.
pub(crate) const INPUTS: &str = "__inputs";
/// See [`INPUTS`].
pub(crate) const OUTPUTS: &str = "__outputs";

thread_local! {
    static CAUGHT: RefCell<Option<Value>> = const { RefCell::new(None) };
}

/// A template that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub(crate) struct TemplateError {
    /// Where it stands in the recipe, such as `outputs[2].remote`.
    pub(crate) place: String,
    /// What is wrong, with the template.
    pub(crate) message: String,
}

/// All templates of a recipe, ready to render on any thread.
pub(crate) struct Engine {
    tera: Tera,
    originals: BTreeMap<Box<str>, (String, Translated)>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Renders through Tera.
    pub(super) fn render(
        &self,
        template: &Template,
        context: &Context,
    ) -> Result<String, TemplateError> {
        self.tera
            .render(&template.name, context)
            .map_err(|error| TemplateError {
                place: template.place.to_string(),
                message: match self.originals.get(&template.name) {
                    Some((original, translated)) => explain(&error, original, translated),
                    None => error.to_string(),
                },
            })
    }

    /// The value of an expression that [`Compiler::expression`] compiled.
    pub(crate) fn value(
        &self,
        expression: &Template,
        context: &Context,
    ) -> Result<Value, TemplateError> {
        if let Some(value) = expression.value(context) {
            return Ok(value.clone());
        }
        CAUGHT.set(None);
        self.render(expression, context)?;
        Ok(CAUGHT.take().unwrap_or_else(Value::none))
    }
}

/// Compiles the templates of one recipe and gathers what is wrong with them.
pub(crate) struct Compiler {
    engine: Engine,
    parameters: BTreeMap<String, Vec<String>>,
    problems: Vec<(String, String)>,
}

impl Compiler {
    /// `names` resolves file names.
    pub(crate) fn new(names: &Arc<Names>) -> Self {
        let mut tera = Tera::new();
        tera.autoescape_on([SHELL]);
        tera.set_escape_fn(escape);
        filters::register(&mut tera, names);
        tera.register_function(CATCH, |arguments: Kwargs, _: &State<'_>| {
            CAUGHT.set(Some(arguments.must_get::<Value>("value")?));
            Ok::<_, Error>("")
        });
        tera.register_function("input", nth("input", INPUTS));
        tera.register_function("output", nth("output", OUTPUTS));
        let one = |name: &str, parameter: &str| (name.to_owned(), vec![parameter.to_owned()]);
        Self {
            engine: Engine {
                tera,
                originals: BTreeMap::new(),
            },
            parameters: BTreeMap::from([one("input", "at"), one("output", "at"), one("pad", "n")]),
            problems: Vec::new(),
        }
    }

    /// Makes a lookup callable. Without a table it can be compiled, but not rendered.
    pub(crate) fn lookup(&mut self, name: &str, parameters: &[String], lookup: Option<Lookup>) {
        self.parameters
            .insert(name.to_owned(), parameters.to_owned());
        let function = move |arguments: Kwargs, _: &State<'_>| -> TeraResult<Value> {
            match &lookup {
                Some(table) => table.call(&arguments).map_err(Error::message),
                None => Err(Error::message("tables are not loaded by a check")),
            }
        };
        self.engine
            .tera
            .register_function(Cow::Owned(name.to_owned()), function);
    }

    /// Compiles a template whose values go in as they are.
    pub(crate) fn template(&mut self, place: &str, text: &str) -> Template {
        self.compile(place, text, false)
    }

    /// Compiles a template whose values are quoted for the shell.
    pub(crate) fn shell(&mut self, place: &str, text: &str) -> Template {
        self.compile(place, text, true)
    }

    /// Compiles an expression, written without braces.
    pub(crate) fn expression(&mut self, place: &str, text: &str) -> Template {
        let plain = Text::of(&format!("{{{{ {text} }}}}"));
        let wrapped = format!("{{{{ {CATCH}(value={text}) }}}}");
        let template = self.compile(place, &wrapped, false);
        match plain {
            Text::Plain(_) => Template {
                text: plain,
                ..template
            },
            _ => template,
        }
    }

    /// Notes something else that is wrong.
    pub(crate) fn problem(&mut self, place: &str, message: impl Into<String>) {
        self.problems.push((place.to_owned(), message.into()));
    }

    /// The engine, and key path and message of all that is wrong.
    pub(crate) fn finish(self) -> (Engine, Vec<(String, String)>) {
        (self.engine, self.problems)
    }

    fn compile(&mut self, place: &str, source: &str, shell: bool) -> Template {
        let name = if shell {
            format!("{place}{SHELL}")
        } else {
            place.to_owned()
        };
        let template = Template {
            place: place.into(),
            name: name.as_str().into(),
            text: Text::of(source),
            shell,
        };
        if template.literal().is_some() {
            return template;
        }
        let known = |function: &str| self.parameters.get(function).cloned();
        match positional::translate(source, &known) {
            Err(message) => self.problem(place, format!("{message}, in `{source}`")),
            Ok(translated) => {
                if let Err(error) = self.engine.tera.add_raw_template(&name, &translated.text) {
                    let message = explain(&error, source, &translated);
                    self.problem(place, message);
                }
                let original = (source.to_owned(), translated);
                self.engine.originals.insert(name.into(), original);
            },
        }
        template
    }
}

/// What Tera says, with the place in the template as the recipe has it.
fn explain(error: &Error, original: &str, translated: &Translated) -> String {
    let caught = format!("{CATCH}(value=");
    let shown = original
        .strip_prefix(&format!("{{{{ {caught}"))
        .and_then(|rest| rest.strip_suffix(") }}"));
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let at = translated.original(report.span().range.start);
            let before = original.get(..at).unwrap_or(original);
            let line = before.matches('\n').count() + 1;
            if let Some(function) = called_by_position(before, report.message()) {
                return format!(
                    "there is no function or lookup `{function}`, in `{}`",
                    shown.unwrap_or(original)
                );
            }
            let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
            match shown {
                Some(expression) => format!("{} in `{expression}`", report.message()),
                None if original.contains('\n') => {
                    format!("{} at line {line}, column {column}", report.message())
                },
                None => format!("{} at column {column} of `{original}`", report.message()),
            }
        },
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("");
            let message = first.strip_prefix("error: ").unwrap_or(first);
            format!("{message} in `{}`", shown.unwrap_or(original))
        },
    }
}

/// The function whose first argument Tera wants named: not one of ours, which take theirs by
/// position. `before` is the template up to that argument.
fn called_by_position<'a>(before: &'a str, message: &str) -> Option<&'a str> {
    let head = before.trim_end().strip_suffix('(')?.trim_end();
    let start = head
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    let name = head.get(start..).filter(|name| !name.is_empty())?;
    message.contains("expected identifier").then_some(name)
}

/// The shell's quoting as Tera's escape.
pub(crate) fn escape(text: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let quoted = quote(text).map_err(std::io::Error::other)?;
    out.write_all(quoted.as_bytes())
}

/// One word for a POSIX shell.
///
/// # Errors
/// When it holds a NUL, which no program can be given.
pub(crate) fn quote(text: &str) -> Result<Cow<'_, str>, String> {
    shlex::try_quote(text).map_err(|_| format!("`{}` holds a NUL", text.escape_debug()))
}

fn nth(
    function: &'static str,
    list: &'static str,
) -> impl Fn(Kwargs, &State<'_>) -> TeraResult<Value> + Send + Sync + 'static {
    move |arguments, state| {
        let at = arguments.must_get::<usize>("at")?;
        let files = state.get::<Value>(list)?.ok_or_else(|| {
            Error::message(format!("`{function}` is not known yet at this place"))
        })?;
        let files = files.as_array().unwrap_or_default();
        files.get(at).cloned().ok_or_else(|| {
            Error::message(format!(
                "`{function}({at})` does not exist: the job has {} {function}s",
                files.len()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn context() -> Context {
        let row = serde_json::json!({
            "name": "it's a b", "empty": "", "n": -7, "big": u64::MAX, "yes": true, "x": 1.0,
            "nil": null, "list": [1, "a"], "deep": {"er": {"y": "z"}},
        });
        Context::from_serialize(&row).unwrap()
    }

    #[rstest]
    fn plain_templates_give_what_tera_gives(
        #[values(
            "{{ name }}",
            "a/{{empty}}/{{ n }}{{ big }}",
            "{{ yes }} {{ deep.er.y }}",
            "{{ x }}",
            "{{ nil }}",
            "{{ list }}",
            "{{ deep }}",
            "{{ deep.no }}",
            "{{ deep.er.y.no }}",
            "{{ no }}",
            "{{ no.no }}"
        )]
        source: &str,
        #[values(false, true)] shell: bool,
    ) {
        let names = Names::new(BTreeMap::new(), "/".into(), "/".into());
        let mut c = Compiler::new(&Arc::new(names));
        let template = c.compile("vars.x", source, shell);
        let (engine, problems) = c.finish();
        assert_eq!(problems, []);
        assert_ne!(template.text, Text::Tera);
        let context = context();
        assert_eq!(
            template.render(&engine, &context),
            engine.render(&template, &context)
        );
    }

    #[rstest]
    #[case("list", "[1, \"a\"]")]
    #[case("deep.er", "{\"y\": \"z\"}")]
    #[case("list | reverse", "[\"a\", 1]")]
    #[case("[n, name]", "[-7, \"it's a b\"]")]
    fn expressions_give_values(#[case] expression: &str, #[case] shown: &str) {
        let names = Names::new(BTreeMap::new(), "/".into(), "/".into());
        let mut c = Compiler::new(&Arc::new(names));
        let template = c.expression("inputs[0].each", expression);
        let (engine, problems) = c.finish();
        assert_eq!(problems, []);
        let value = engine.value(&template, &context()).unwrap();
        assert_eq!(value.to_string(), shown);
    }
}
