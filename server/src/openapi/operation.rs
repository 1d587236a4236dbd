//! One operation of the document, put together from what its handler's types and `operations` say.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::components::{Components, plain};
use super::header::{self, Header};
use super::parameters::{camel_case, not_null, path_parameter};
use crate::error::ApiError;
use crate::limits::is_limited;
use crate::router::route::Route;

/// An operation.
pub struct Operation<'a> {
    pub(super) components: &'a mut Components,
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) summary: &'static str,
    pub(super) description: Vec<String>,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Map<String, Value>,
    pub(super) responses: BTreeMap<u16, Answer>,
    /// Headers that every answer has.
    pub(super) everywhere: Vec<Header>,
    pub(super) bearer: bool,
    pub(super) deprecated: bool,
}

/// What an operation answers under one status.
#[derive(Default)]
pub(super) struct Answer {
    /// Content types with their schemas.
    pub(super) content: BTreeMap<&'static str, Value>,
    pub(super) headers: Vec<Header>,
    pub(super) description: Option<&'static str>,
    /// Names of problems and when they are met.
    pub(super) problems: Vec<(&'static str, Vec<String>)>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(components: &'a mut Components, route: &Route) -> Self {
        let mut path = route.name.rsplit("::");
        let function = path.next().unwrap_or_default();
        let tag = path.next().unwrap_or_default().to_owned();
        let mut operation = Self {
            components,
            id: camel_case(&format!("{tag}_{function}")),
            tag,
            summary: "",
            description: Vec::new(),
            parameters: Vec::new(),
            body: Map::new(),
            responses: BTreeMap::new(),
            everywhere: vec![header::REQUEST_ID],
            bearer: false,
            deprecated: false,
        };
        for part in route.path.split('/') {
            if let Some(name) = part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                let (schema, description) = path_parameter(name, route.path);
                operation.parameter("path", name, (description, true), &schema);
            }
        }
        operation.fails(&ApiError::Internal(String::new()));
        if is_limited(route.path) {
            operation.fails(&ApiError::TooManyRequests(Duration::ZERO));
            let told = [header::RATE_LIMIT, header::RATE_LIMIT_POLICY];
            operation.everywhere.extend(told);
        }
        if !route.streamed {
            operation.fails(&ApiError::Timeout);
        }
        operation
    }

    /// What it does, in a few words.
    pub fn says(&mut self, summary: &'static str) -> &mut Self {
        self.summary = summary;
        self
    }

    /// A paragraph of its description.
    pub fn tells(&mut self, text: impl Into<String>) -> &mut Self {
        self.description.push(text.into());
        self
    }

    /// It needs a caller.
    pub fn needs_bearer(&mut self) -> &mut Self {
        self.bearer = true;
        self
    }

    /// It should not be used any more.
    pub fn deprecated(&mut self) -> &mut Self {
        self.deprecated = true;
        self
    }

    /// A parameter that is no field of a type.
    pub fn parameter(
        &mut self,
        place: &str,
        name: &str,
        (description, required): (&str, bool),
        schema: &Value,
    ) -> &mut Self {
        self.parameters.retain(|known| known["name"] != name);
        self.parameters.push(json!({
            "in": place, "name": name, "description": description, "required": required,
            "schema": schema,
        }));
        self
    }

    /// A header that the request may have.
    pub fn takes_header(&mut self, name: &str, description: &str, pattern: &str) -> &mut Self {
        let schema = json!({"type": "string", "pattern": pattern});
        self.parameter("header", name, (description, false), &schema)
    }

    /// A header that the request must have.
    pub fn needs_header(&mut self, name: &str, description: &str, pattern: &str) -> &mut Self {
        let schema = json!({"type": "string", "pattern": pattern});
        self.parameter("header", name, (description, true), &schema)
    }

    /// The fields of a type as parameters of the query.
    pub fn takes_query<T: JsonSchema>(&mut self) -> &mut Self {
        for (name, mut schema, required) in self.components.fields::<T>() {
            plain(&mut schema);
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"))
                .unwrap_or_default();
            let description = description.as_str().unwrap_or_default();
            self.parameter("query", &name, (description, required), &not_null(schema));
        }
        self
    }

    /// A JSON body.
    pub fn takes_body<T: JsonSchema>(&mut self) -> &mut Self {
        let schema = self.components.request::<T>();
        self.takes_body_of("application/json", &schema)
    }

    /// A body of some type.
    pub fn takes_body_of(&mut self, kind: &str, schema: &Value) -> &mut Self {
        self.body.insert(kind.to_owned(), json!({"schema": schema}));
        self
    }

    /// It answers a value.
    pub fn answers<T: JsonSchema>(&mut self, status: u16) -> &mut Self {
        let schema = self.components.answer::<T>();
        self.answers_with(status, "application/json", schema)
    }

    /// It answers content of some type.
    pub fn answers_with(&mut self, status: u16, kind: &'static str, schema: Value) -> &mut Self {
        let answer = self.responses.entry(status).or_default();
        answer.content.insert(kind, schema);
        self
    }

    /// The schema of a type that is written, for an answer that holds it in another form.
    pub fn schema_of<T: JsonSchema>(&mut self) -> Value {
        self.components.answer::<T>()
    }

    /// It answers without a body.
    pub fn answers_nothing(&mut self, status: u16) -> &mut Self {
        self.responses.entry(status).or_default();
        self
    }

    /// When an answer is given that is none of errors.
    pub fn when(&mut self, status: u16, description: &'static str) -> &mut Self {
        self.responses.entry(status).or_default().description = Some(description);
        self
    }

    /// A header of the answers with a status.
    pub fn gives_header(&mut self, status: u16, header: Header) -> &mut Self {
        self.responses
            .entry(status)
            .or_default()
            .headers
            .push(header);
        self
    }

    /// A header of every answer.
    pub fn always_gives_header(&mut self, header: Header) -> &mut Self {
        self.everywhere.push(header);
        self
    }

    /// It may be refused, for the reason that the error gives.
    pub fn fails(&mut self, error: &ApiError) -> &mut Self {
        let reason = match error {
            ApiError::Internal(_) => "the server could not do this; the log has the details".into(),
            ApiError::InvalidSpecification(_) => {
                "it is wrong in the places that `errors` lists".into()
            }
            error => error.to_string(),
        };
        self.fails_when(error, reason)
    }

    /// It may be refused, for this reason.
    pub fn fails_when(&mut self, error: &ApiError, reason: impl Into<String>) -> &mut Self {
        let (status, name, _) = error.problem();
        let answer = self.responses.entry(status.as_u16()).or_default();
        let reason = reason.into();
        match answer.problems.iter_mut().find(|(known, _)| *known == name) {
            Some((_, reasons)) if reasons.contains(&reason) => {}
            Some((_, reasons)) => reasons.push(reason),
            None => answer.problems.push((name, vec![reason])),
        }
        self
    }

    /// The request contradicts what exists, for this reason.
    pub fn conflicts(&mut self, reason: &'static str) -> &mut Self {
        self.fails(&ApiError::conflict(reason))
    }

    /// The request is malformed, for this reason.
    pub fn is_malformed(&mut self, reason: &'static str) -> &mut Self {
        self.fails(&ApiError::bad_request(reason))
    }
}
