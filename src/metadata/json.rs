//! Records as JSON objects.

use serde_json::{Map, Number, Value as Json};

use super::{Entry, Node, Record, Value};

impl Value {
    /// The value as JSON; what is absent or not a number is null, a time is its text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::S8(n) => Json::from(*n),
            Self::S16(n) => Json::from(*n),
            Self::S32(n) => Json::from(*n),
            Self::S64(n) => Json::from(*n),
            Self::U8(n) => Json::from(*n),
            Self::U16(n) => Json::from(*n),
            Self::U32(n) => Json::from(*n),
            Self::U64(n) => Json::from(*n),
            // The shortest text of a single-precision number, not its double-precision digits.
            Self::F32(n) => n.to_string().parse().ok().and_then(Number::from_f64).into(),
            Self::F64(n) => Number::from_f64(*n).into(),
            Self::Str(text) | Self::Time(_, text) => Json::from(text.as_str()),
            Self::Bool(b) => Json::from(*b),
            Self::Vector(vector) => vector.values().iter().map(Self::to_json).collect(),
            Self::Null(_) => Json::Null,
        }
    }
}

impl Record {
    /// All fields as one JSON object, those of nested blocks among them; of several fields of
    /// one name the last counts.
    pub fn to_flat_json(&self) -> Map<String, Json> {
        let mut fields = Map::new();
        self.collect(&mut fields);
        fields
    }

    fn collect(&self, fields: &mut Map<String, Json>) {
        for (name, entry) in self.entries() {
            let nodes = match entry {
                Entry::One(node) => std::slice::from_ref(node),
                Entry::Many(nodes) => nodes.as_slice(),
            };
            for node in nodes {
                match node {
                    Node::Record(inner) => inner.collect(fields),
                    Node::Value(value) => {
                        fields.insert(name.to_owned(), value.to_json());
                    },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metadata::read;

    #[test]
    fn nested_fields_come_out_flat() {
        let text = "A METADATA\n  bg F32 0.1\n  B METADATA\n    n S32 7\n  END\nEND\nok BOOL T\n";
        let json = serde_json::Value::Object(read(text).unwrap().to_flat_json());
        assert_eq!(json, serde_json::json!({"bg": 0.1, "n": 7, "ok": true}));
    }
}
