//! Projects and their members, the audit log, and what belongs to the platform as a whole.

use crate::error::ApiError;
use crate::openapi::{Operation, header};

const NAME: &str = "name must have 1 to 253 characters";

pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    match route {
        "GET /livez" => operation.says("Whether the process answers"),
        "GET /readyz" => operation
            .says("Whether the process can work")
            .tells("The database answers, and its schema is as new as this version needs.")
            .fails_when(
                &ApiError::Unavailable("".into()),
                "the schema of the database is older than this version needs",
            ),
        "GET /api/openapi.json" => operation.says("This document"),
        "GET /api/docs" => operation.says("A viewer of this document"),
        "GET /api/docs/{file}" => operation.says("A file of the viewer"),
        "GET /api/v2/projects" => operation
            .says("List the caller's projects, by slug")
            .tells("A platform admin sees all of them."),
        "POST /api/v2/projects" => operation
            .says("Make a project that the caller owns")
            .tells("For people only.")
            .is_malformed("the slug or the name is not as the schema says")
            .conflicts("the slug is taken")
            .gives_header(201, header::ETAG),
        "GET /api/v2/projects/{project}" => operation.says("Read a project"),
        "PATCH /api/v2/projects/{project}" => operation
            .says("Give a project another name")
            .needs_if_match()
            .is_malformed(NAME),
        "GET /api/v2/projects/{project}/members" => operation.says("List the members of a project"),
        "PUT /api/v2/projects/{project}/members" => operation
            .says("Make somebody a member, or change the role")
            .is_malformed("the name is no namespace or no address")
            .fails_when(&ApiError::NotFound, "there is no such user")
            .conflicts("a project keeps at least one owner"),
        "GET /api/v2/projects/{project}/members/{kind}/{name}" => operation.says("Read a member"),
        "DELETE /api/v2/projects/{project}/members/{kind}/{name}" => operation
            .says("Remove a member")
            .conflicts("a project keeps at least one owner")
            .conflicts("the member is declared by the platform's resource; remove it there"),
        "GET /api/v2/projects/{project}/audit" => {
            operation.says("List a project's entries of the audit log, newest first")
        }
        "GET /api/v2/audit" => operation
            .says("List all entries of the audit log, newest first")
            .tells("For platform admins only."),
        "PUT /api/v2/platform/projects" => operation
            .says("Declare the projects and their namespaces")
            .tells(
                "For the operator only. What is missing is made, the declared namespaces become \
                 exactly these, and members made by people stay.",
            )
            .fails(&ApiError::InvalidSpecification(Vec::new())),
        _ => return false,
    };
    true
}
