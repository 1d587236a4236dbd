//! What operations share: schemas, and the parts that several of them refer to.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::Error;
use super::header::Header;

const SCHEMAS: &str = "/components/schemas";
const BEARER: &str = "An access token of a person (`POST /api/v2/auth/login`), an API token of a \
    machine (`rp_…`), or the operator's ServiceAccount token.";

/// The components of a document, collected while its operations are described.
pub(super) struct Components {
    /// Schemas of what is read: a field with a default need not be there.
    requests: SchemaGenerator,
    /// Schemas of what is written: every field that is always written is there.
    answers: SchemaGenerator,
    headers: BTreeMap<&'static str, Value>,
}

impl Default for Components {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: settings().into_generator(),
            answers: settings().for_serialize().into_generator(),
            headers: BTreeMap::new(),
        }
    }
}

impl Components {
    /// The schema of a type that is read.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().into()
    }

    /// The fields of a type that is read, each with its schema and whether it must be there.
    pub(super) fn fields<T: JsonSchema>(&mut self) -> Vec<(String, Value, bool)> {
        let mut schema: Value = T::json_schema(&mut self.requests).into();
        let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
        let Some(Value::Object(properties)) = schema.get_mut("properties").map(Value::take) else {
            return Vec::new();
        };
        properties
            .into_iter()
            .map(|(name, schema)| {
                let required = required.contains(&json!(name));
                (name, schema, required)
            })
            .collect()
    }

    /// The schema of a type that is written.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().into()
    }

    /// A reference to a header.
    pub(super) fn header(&mut self, header: Header) -> Value {
        self.headers.entry(header.name).or_insert_with(|| {
            json!({
                "description": header.description,
                "required": header.always,
                "schema": {"type": "string", "pattern": header.pattern},
            })
        });
        json!({"$ref": format!("#/components/headers/{}", header.name)})
    }

    pub(super) fn render(mut self, responses: &BTreeMap<String, Value>) -> Result<Value, Error> {
        let mut schemas = self.answers.take_definitions(true);
        for (name, mut schema) in self.requests.take_definitions(true) {
            close(&mut schema);
            let of_answers = schemas.get(&name);
            if of_answers.is_some_and(|known| *known != schema) {
                return Err(Error::Ambiguous(name));
            }
            schemas.insert(name, schema);
        }
        for schema in schemas.values_mut() {
            plain(schema);
        }
        // schemars numbers types of one name.
        if let Some(name) = schemas
            .keys()
            .find(|name| name.ends_with(|c: char| c.is_ascii_digit()))
        {
            return Err(Error::Ambiguous(name.clone()));
        }
        Ok(json!({
            "schemas": schemas,
            "headers": self.headers,
            "responses": responses,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": BEARER},
            },
        }))
    }
}

/// Nothing is accepted and ignored: an object that is read has no other fields than those named. The
/// decoder of the matching language keeps this rule without its types saying so.
fn close(schema: &mut Value) {
    visit(schema, &mut |object| {
        if object.contains_key("properties") {
            object
                .entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
    });
}

/// Takes out what is for Kubernetes alone.
pub(super) fn plain(schema: &mut Value) {
    visit(schema, &mut |object| {
        object.retain(|name, _| !name.starts_with("x-kubernetes-"));
    });
}

fn visit(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| visit(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}
