//! Holds docs/configuration.md against the schema.

use super::{
    load::{parse_config, parse_recipe},
    shape::{SchemaKind, Shape},
};

const TEXT: &str = include_str!("../../docs/configuration.md");

fn keys(shape: &Shape, into: &mut Vec<String>) {
    match shape {
        Shape::List(inner) | Shape::Map(inner) => keys(inner, into),
        Shape::Either(variants) => variants.iter().for_each(|v| keys(&v.shape, into)),
        Shape::Record(fields) | Shape::Choice(fields) => {
            for field in fields {
                into.push(field.name.clone());
                keys(&field.shape, into);
            }
        },
        Shape::Words(words) => into.extend(words.iter().cloned()),
        _ => {},
    }
}

#[test]
fn every_key_and_word_of_the_schema_is_in_the_manual() {
    let mut all = Vec::new();
    keys(&Shape::of(SchemaKind::Config), &mut all);
    keys(&Shape::of(SchemaKind::Recipe), &mut all);
    assert!(all.len() > 80);
    let missing: Vec<&String> = all
        .iter()
        .filter(|key| {
            let named = [format!("`{key}`"), format!("`{{{key}: ")];
            !named.iter().any(|form| TEXT.contains(form))
        })
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn every_example_of_the_manual_passes_the_check() {
    let examples: Vec<&str> = TEXT
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() > 5);
    for example in examples {
        let problems = if example.starts_with("# outrigger.yaml") {
            parse_config("manual".into(), example.into()).1
        } else {
            parse_recipe("manual".into(), example.into()).1
        };
        assert_eq!(problems, [], "{example}");
    }
}
