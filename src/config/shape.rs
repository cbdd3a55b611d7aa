//! What a document may say, read off the JSON schema of its type: the one source of truth for
//! checking, explaining and documenting.

use serde_json::{Map, Value};

use super::{recipe::Recipe, site::Config};

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaKind {
    /// `outrigger.yaml`.
    Config,
    /// A stage recipe.
    Recipe,
}

/// The JSON schema (draft 2020-12) of a kind of document, for editors.
pub fn json_schema(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Config => schemars::schema_for!(Config),
        SchemaKind::Recipe => schemars::schema_for!(Recipe),
    }
    .to_value()
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Anything: a schema this module cannot read. A test asserts that there is none.
    Any,
    Text,
    Boolean,
    /// A whole number within bounds.
    Integer {
        min: i64,
        max: i64,
    },
    Number,
    /// An amount of bytes with a unit.
    Size,
    /// A time in seconds with a unit.
    Time,
    /// One of some words.
    Words(Vec<String>),
    List(Box<Shape>),
    /// A map with free keys.
    Map(Box<Shape>),
    /// A map with known keys.
    Record(Vec<Field>),
    /// A map with exactly one of some keys.
    Choice(Vec<Field>),
    /// One of several shapes, told apart by what kind of node is there.
    Either(Vec<Variant>),
}

/// A known key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// One way to write a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    pub(crate) meaning: String,
    pub(crate) shape: Shape,
}

/// Depth at which reading a schema stops; ours are not recursive.
const MAX_DEPTH: usize = 24;

impl Shape {
    /// The shape of a kind of document.
    pub(crate) fn of(kind: SchemaKind) -> Self {
        let schema = json_schema(kind);
        Reader {
            definitions: schema.get("$defs").and_then(Value::as_object),
        }
        .shape(&schema, 0)
    }

    /// The fields of a map with known keys.
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Self::Record(fields) | Self::Choice(fields) => fields,
            _ => &[],
        }
    }

    /// The field under a key of a map with known keys.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    pub(crate) fn takes_scalar(&self) -> bool {
        match self {
            Self::Either(variants) => variants.iter().any(|v| v.shape.takes_scalar()),
            Self::List(_) | Self::Map(_) | Self::Record(_) | Self::Choice(_) => false,
            _ => true,
        }
    }

    pub(crate) fn takes_list(&self) -> bool {
        match self {
            Self::Either(variants) => variants.iter().any(|v| v.shape.takes_list()),
            other => matches!(other, Self::List(_) | Self::Any),
        }
    }

    pub(crate) fn takes_map(&self) -> bool {
        match self {
            Self::Either(variants) => variants.iter().any(|v| v.shape.takes_map()),
            Self::Map(_) | Self::Record(_) | Self::Choice(_) | Self::Any => true,
            _ => false,
        }
    }
}

struct Reader<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl Reader<'_> {
    fn shape(&self, schema: &Value, depth: usize) -> Shape {
        let Some(object) = self
            .resolve(schema)
            .as_object()
            .filter(|_| depth < MAX_DEPTH)
        else {
            return Shape::Any;
        };
        if let Some(words) = words(object) {
            return Shape::Words(words);
        }
        if let Some(variants) = object.get("anyOf").and_then(Value::as_array) {
            return self.either(variants, depth);
        }
        if let Some(variants) = object.get("oneOf").and_then(Value::as_array) {
            let fields: Vec<Field> = variants
                .iter()
                .flat_map(|variant| self.fields(variant, depth))
                .collect();
            return Shape::Choice(fields);
        }
        match (format(object), kind(object)) {
            ("bytes", _) => Shape::Size,
            ("seconds", _) => Shape::Time,
            (_, "string") => Shape::Text,
            (_, "boolean") => Shape::Boolean,
            (_, "number") => Shape::Number,
            (format, "integer") => {
                let max = match format {
                    "uint32" => u32::MAX.into(),
                    _ => i64::MAX,
                };
                let min = object.get("minimum").and_then(Value::as_i64);
                Shape::Integer {
                    min: min.unwrap_or(i64::MIN),
                    max,
                }
            },
            (_, "array") => Shape::List(Box::new(self.inner(object.get("items"), depth))),
            (_, "object") if object.contains_key("properties") => {
                Shape::Record(self.fields(schema, depth))
            },
            (_, "object") => Shape::Map(Box::new(
                self.inner(object.get("additionalProperties"), depth),
            )),
            _ => Shape::Any,
        }
    }

    fn inner(&self, schema: Option<&Value>, depth: usize) -> Shape {
        schema.map_or(Shape::Any, |schema| self.shape(schema, depth + 1))
    }

    /// One of several; a null among them only says that the key may be left out.
    fn either(&self, variants: &[Value], depth: usize) -> Shape {
        let mut shapes: Vec<Variant> = variants
            .iter()
            .filter(|v| v.get("type").and_then(Value::as_str) != Some("null"))
            .map(|variant| Variant {
                meaning: meaning(variant),
                shape: self.shape(variant, depth + 1),
            })
            .collect();
        match (shapes.pop(), shapes.is_empty()) {
            (Some(only), true) => only.shape,
            (last, _) => {
                shapes.extend(last);
                Shape::Either(shapes)
            },
        }
    }

    fn fields(&self, schema: &Value, depth: usize) -> Vec<Field> {
        let schema = self.resolve(schema);
        let required = schema.get("required").and_then(Value::as_array);
        let properties = schema.get("properties").and_then(Value::as_object);
        let whole = meaning(schema);
        properties
            .into_iter()
            .flatten()
            .map(|(name, property)| Field {
                name: name.clone(),
                meaning: match meaning(property) {
                    own if own.is_empty() => whole.clone(),
                    own => own,
                },
                required: required.is_some_and(|r| r.iter().any(|n| n == name.as_str())),
                shape: self.shape(property, depth + 1),
            })
            .collect()
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix("#/$defs/"))
            .and_then(|name| self.definitions?.get(name))
            .unwrap_or(schema)
    }
}

/// The words of an enumeration.
fn words(object: &Map<String, Value>) -> Option<Vec<String>> {
    let word = |v: &Value| v.as_str().map(str::to_owned);
    if let Some(values) = object.get("enum").and_then(Value::as_array) {
        return values.iter().map(word).collect();
    }
    if let Some(variants) = object.get("oneOf").and_then(Value::as_array) {
        return variants
            .iter()
            .map(|variant| variant.get("const").and_then(word))
            .collect();
    }
    object.get("const").and_then(word).map(|word| vec![word])
}

fn format(object: &Map<String, Value>) -> &str {
    object.get("format").and_then(Value::as_str).unwrap_or("")
}

/// The type; of `[type, null]` the type.
fn kind(object: &Map<String, Value>) -> &str {
    match object.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or(""),
        _ => "",
    }
}

fn meaning(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn anything_in(shape: &Shape) -> bool {
        match shape {
            Shape::Any => true,
            Shape::List(inner) | Shape::Map(inner) => anything_in(inner),
            Shape::Record(fields) | Shape::Choice(fields) => {
                fields.is_empty() || fields.iter().any(|field| anything_in(&field.shape))
            },
            Shape::Either(variants) => variants.iter().any(|v| anything_in(&v.shape)),
            _ => false,
        }
    }

    #[rstest]
    #[case(SchemaKind::Config)]
    #[case(SchemaKind::Recipe)]
    fn every_part_of_the_schema_is_understood(#[case] kind: SchemaKind) {
        assert!(!anything_in(&Shape::of(kind)));
    }

    #[test]
    fn a_size_is_told_from_other_text() {
        let nodes = Shape::of(SchemaKind::Config);
        let site = match &nodes.field("sites").unwrap().shape {
            Shape::Map(site) => site.clone(),
            other => panic!("{other:?}"),
        };
        let nodes = &site.field("nodes").unwrap().shape;
        assert_eq!(nodes.field("memory").unwrap().shape, Shape::Size);
        assert_eq!(
            nodes.field("cores").unwrap().shape,
            Shape::Integer {
                min: 0,
                max: i64::from(u32::MAX)
            }
        );
    }
}
