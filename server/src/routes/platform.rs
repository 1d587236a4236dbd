//! `/platform`: what only the operator does.

use axum::Json;
use axum::extract::State;
use crds::decode::SpecError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

use super::input::ApiJson;
use super::projects::is_slug;
use crate::app::App;
use crate::auth::{Caller, DNS_LABEL, is_dns_label};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::error::ApiError;
use crate::telemetry::RequestId;

/// `PUT /platform/projects`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Declaration")]
#[serde(deny_unknown_fields)]
pub struct DeclareRequest {
    /// All declared projects.
    projects: Vec<DeclaredProject>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeclaredProject {
    /// What specifications name it by; it must not look like a UUID.
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    slug: String,
    /// The namespaces whose jobs may run in it.
    #[schemars(inner(length(min = 1, max = 63), regex(pattern = DNS_LABEL)))]
    namespaces: Vec<String>,
}

/// The declared projects.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Declared")]
pub struct DeclareResponse {
    /// The declared projects.
    projects: Vec<ProjectId>,
}

#[derive(Serialize, JsonSchema)]
struct ProjectId {
    /// The project's id.
    id: Uuid,
    /// Its slug.
    slug: String,
}

/// A request that can be carried out: each slug and each pair of slug and namespace once.
struct Declaration {
    slugs: Vec<String>,
    members: Vec<(String, String)>,
}

impl DeclareRequest {
    fn validate(self) -> Result<Declaration, ApiError> {
        let mut errors = Vec::new();
        let (mut slugs, mut members) = (Vec::new(), BTreeSet::new());
        for (index, project) in self.projects.into_iter().enumerate() {
            let path = format!("projects[{index}]");
            if !is_slug(&project.slug) {
                errors.push(SpecError {
                    path: format!("{path}.slug"),
                    message:
                        "must be 1 to 63 lower-case letters, digits and inner dashes, and no UUID"
                            .into(),
                });
            } else if slugs.contains(&project.slug) {
                errors.push(SpecError {
                    path: format!("{path}.slug"),
                    message: "is declared already; slugs are unique".into(),
                });
            }
            for (at, namespace) in project.namespaces.into_iter().enumerate() {
                if !is_dns_label(&namespace) {
                    errors.push(SpecError {
                        path: format!("{path}.namespaces[{at}]"),
                        message: "must be a namespace's name".into(),
                    });
                }
                members.insert((project.slug.clone(), namespace));
            }
            slugs.push(project.slug);
        }
        if errors.is_empty() {
            let members = members.into_iter().collect();
            Ok(Declaration { slugs, members })
        } else {
            Err(ApiError::InvalidSpecification(errors))
        }
    }
}

/// Makes the declared projects and their declared namespaces exactly these. Doing it twice changes
/// nothing.
///
/// # Errors
/// `Forbidden` for everybody but the operator as itself, `InvalidSpecification`.
pub async fn declare_projects(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    ApiJson(request): ApiJson<DeclareRequest>,
) -> Result<Json<DeclareResponse>, ApiError> {
    if !matches!(caller, Caller::Operator) {
        return Err(ApiError::Forbidden);
    }
    let Declaration { slugs, members } = request.validate()?;
    let mut change = Mutation::begin(&app.cache, caller.origin(request_id)).await?;
    let declared = db::projects::declare(&mut change, &slugs, &members).await?;
    let entry = Entry::new(Action::ProjectsDeclare, Subject::Platform)
        .with("projects", &slugs.len())
        .with("namespaces", &members.len());
    let changed = declared.changed.into_iter();
    let stale = Stale::keys(changed.flat_map(|(project, namespace)| {
        [Key::NamespaceRole(project, namespace), Key::Counts(project)]
    }));
    change.commit(entry, stale).await?;
    let projects = declared
        .projects
        .into_iter()
        .map(|project| ProjectId {
            id: project.id,
            slug: project.slug,
        })
        .collect();
    Ok(Json(DeclareResponse { projects }))
}
