//! An operation as the document writes it.

use serde_json::{Map, Value, json};

use super::header;
use super::operation::{Answer, Operation};
use crate::error::Problem;

impl Operation<'_> {
    pub(super) fn render(mut self) -> Value {
        let mut responses = Map::new();
        for (status, answer) in std::mem::take(&mut self.responses) {
            let rendered = self.response(status, answer);
            responses.insert(status.to_string(), rendered);
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": responses,
        });
        if !self.description.is_empty() {
            operation["description"] = self.description.join("\n\n").into();
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if !self.body.is_empty() {
            operation["requestBody"] = json!({"required": true, "content": self.body});
        }
        if self.bearer {
            operation["security"] = json!([{"bearer": []}]);
        }
        if self.deprecated {
            operation["deprecated"] = true.into();
        }
        operation
    }

    fn response(&mut self, status: u16, mut answer: Answer) -> Value {
        answer.problems.sort_unstable_by_key(|(name, _)| *name);
        let mut headers = answer.headers;
        headers.extend(&self.everywhere);
        let problems: Vec<&str> = answer.problems.iter().map(|(name, _)| *name).collect();
        let mut content: Map<String, Value> = answer
            .content
            .into_iter()
            .map(|(kind, schema)| (kind.to_owned(), json!({"schema": schema})))
            .collect();
        if !problems.is_empty() {
            headers.extend(match status {
                401 => Some(header::AUTHENTICATE),
                429 | 503 => Some(header::RETRY_AFTER),
                _ => None,
            });
            let mut schema = self.components.answer::<Problem<'static>>();
            let types = problems.iter().map(|name| Problem::type_of(name));
            schema["properties"] = json!({"type": {"enum": types.collect::<Vec<_>>()}});
            content.insert("application/problem+json".into(), json!({"schema": schema}));
        }
        let headers: Map<String, Value> = headers
            .into_iter()
            .map(|header| (header.name.to_owned(), self.components.header(header)))
            .collect();
        let reasons = answer
            .problems
            .iter()
            .map(|(name, reasons)| format!("`{name}`: {}", reasons.join("; or ")));
        let description: Vec<String> = answer
            .description
            .map(ToOwned::to_owned)
            .into_iter()
            .chain(reasons)
            .collect();
        let description = match &description[..] {
            [] => usual(status).to_owned(),
            some => some.join("\n\n"),
        };
        let mut response = json!({"description": description, "headers": headers});
        if !content.is_empty() {
            response["content"] = content.into();
        }
        response
    }
}

fn usual(status: u16) -> &'static str {
    match status {
        201 => "Created.",
        202 => "Accepted.",
        204 => "Done.",
        _ => "As asked for.",
    }
}
