//! The filters of recipe templates.

use std::{path::Path, sync::Arc};

use tera::{Error, Kwargs, State, StringInput, Tera, TeraResult, Value};

use crate::prepare::names::Names;

/// Adds all filters to a Tera instance.
pub(super) fn register(tera: &mut Tera, names: &Arc<Names>) {
    let given = Arc::clone(names);
    tera.register_filter("local", move |name: &str, _: Kwargs, _: &State<'_>| {
        let path = given.local(name).map_err(Error::message)?;
        path.into_os_string()
            .into_string()
            .map_err(|path| Error::message(format!("`{}` is not UTF-8", path.display())))
    });
    let given = Arc::clone(names);
    tera.register_filter("remote", move |name: &str, _: Kwargs, _: &State<'_>| {
        given.remote(name).map_err(Error::message)
    });
    let given = Arc::clone(names);
    tera.register_filter("from_disk", move |name: &str, _: Kwargs, _: &State<'_>| {
        given.disk_to_site(name).map_err(Error::message)
    });
    let given = Arc::clone(names);
    tera.register_filter("raw", move |name: &str, _: Kwargs, _: &State<'_>| {
        given.raw(name).map_err(Error::message)
    });
    tera.register_filter(
        "basename",
        |name: StringInput<'_>, _: Kwargs, _: &State<'_>| {
            name.inherit_safety(basename(name.as_str()).to_owned())
        },
    );
    tera.register_filter(
        "dirname",
        |name: StringInput<'_>, _: Kwargs, _: &State<'_>| {
            name.inherit_safety(dirname(name.as_str()).to_owned())
        },
    );
    tera.register_filter("directive", |text: &str, _: Kwargs, _: &State<'_>| {
        directive(text)
    });
    tera.register_filter("ident", |text: &str, _: Kwargs, _: &State<'_>| ident(text));
    tera.register_filter("pad", |value: Value, arguments: Kwargs, _: &State<'_>| {
        pad(&value, arguments.must_get::<usize>("n")?)
    });
}

fn basename(name: &str) -> &str {
    Path::new(name)
        .file_name()
        .and_then(|base| base.to_str())
        .unwrap_or("")
}

fn dirname(name: &str) -> &str {
    match Path::new(name).parent().and_then(|parent| parent.to_str()) {
        Some("") => ".",
        Some(parent) => parent,
        None => name,
    }
}

/// Text that may stand in a `#SBATCH` or `#MSUB` line, which no shell unquotes.
fn directive(text: &str) -> TeraResult<Value> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@+=%[]".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        None if !text.is_empty() => Ok(Value::safe_string(text)),
        None => Err(Error::message("an empty text cannot stand in a directive")),
        Some(bad) => Err(Error::message(format!(
            "`{}` cannot stand in a directive: `{}` is not allowed",
            text.escape_debug(),
            bad.escape_debug()
        ))),
    }
}

/// A name that may stand for a shell variable.
fn ident(text: &str) -> TeraResult<Value> {
    if crate::state::record::is_identifier(text) {
        Ok(Value::safe_string(text))
    } else {
        Err(Error::message(format!(
            "`{}` is not a name of letters, digits and `_`",
            text.escape_debug()
        )))
    }
}

/// `%0Nd`.
fn pad(value: &Value, width: usize) -> TeraResult<String> {
    let number = value
        .as_i128()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .ok_or_else(|| Error::message(format!("`pad` wants an integer, not `{value}`")))?;
    if width > 64 {
        return Err(Error::message("`pad` goes up to 64 digits"));
    }
    Ok(format!("{number:0width$}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/a/b.fits", "b.fits", "/a")]
    #[case("b.fits", "b.fits", ".")]
    #[case("/a/b/", "b", "/a")]
    #[case("/", "", "/")]
    fn names_and_directories(#[case] path: &str, #[case] base: &str, #[case] dir: &str) {
        assert_eq!((basename(path), dirname(path)), (base, dir));
    }

    #[test]
    fn numbers_are_padded_as_printf_does() {
        assert_eq!(pad(&Value::from(7), 3).unwrap(), "007");
        assert_eq!(pad(&Value::from("12"), 3).unwrap(), "012");
        assert_eq!(pad(&Value::from(-5), 3).unwrap(), "-05");
        assert!(pad(&Value::from("x"), 3).is_err());
    }

    #[rstest]
    #[case("a\n#SBATCH --exclusive")]
    #[case("a b")]
    #[case("")]
    #[case("$(x)")]
    fn a_directive_cannot_be_smuggled_in(#[case] text: &str) {
        assert!(directive(text).is_err());
    }
}
