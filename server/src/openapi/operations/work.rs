//! Jobs, and runs as they are started, watched and cancelled.

use crate::error::ApiError;
use crate::openapi::{Operation, header};

const SPEC: ApiError = ApiError::InvalidSpecification(Vec::new());
const NAME: &str = "name must be 1 to 63 lower-case letters, digits and inner dashes, and no UUID";
const NAME_TAKEN: &str = "the project has a job of this name";

/// What starting a run may be refused for.
fn a_run<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation
        .when(
            200,
            "There is a run of this id with the same specification.",
        )
        .when(202, "The run is queued.")
        .fails(&SPEC)
        .conflicts("the id belongs to a run of another specification or project")
        .fails_when(
            &ApiError::QueueFull(0),
            "the project has `MAX_QUEUED_PER_PROJECT` queued runs; wait for some to finish",
        )
}

pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    match route {
        "GET /api/v2/projects/{project}/jobs" => {
            operation.says("List the jobs of a project, by name")
        }
        "POST /api/v2/projects/{project}/jobs" => operation
            .says("Save a specification")
            .fails(&SPEC)
            .is_malformed(NAME)
            .conflicts(NAME_TAKEN)
            .gives_header(201, header::ETAG),
        "GET /api/v2/projects/{project}/jobs/{job}" => operation.says("Read a job"),
        "PUT /api/v2/projects/{project}/jobs/{job}" => operation
            .says("Make a job something else")
            .tells("Runs that were started before go on as they are.")
            .needs_if_match()
            .fails(&SPEC)
            .is_malformed(NAME)
            .conflicts(NAME_TAKEN),
        "DELETE /api/v2/projects/{project}/jobs/{job}" => operation
            .says("Delete a job")
            .tells("Its runs stay.")
            .needs_if_match(),
        "GET /api/v2/projects/{project}/jobs/{job}/runs" => {
            operation.says("List the runs of a job, newest first")
        }
        "POST /api/v2/projects/{project}/jobs/{job}/runs" => {
            a_run(operation.says("Start a run of a job as it is now"))
        }
        "GET /api/v2/projects/{project}/runs" => {
            operation.says("List the runs of a project, newest first")
        }
        "POST /api/v2/runs" => a_run(operation.says("Start a run"))
            .tells("For members of the project with the role `editor` or more.")
            .fails_when(
                &ApiError::Forbidden,
                "you have no permission to run in this project, or there is none",
            ),
        "GET /api/v2/runs/{id}" => operation.says("Read a run"),
        "POST /api/v2/runs/{id}/cancel" => operation
            .says("Cancel a run")
            .when(202, "It is cancelled, now or before.")
            .conflicts("the run has ended already"),
        "GET /api/v2/runs/{id}/events" => operation
            .says("Watch a run")
            .tells(
                "`event: run` with a `RunEvent` as `data` whenever the run stands differently, at \
                 most once a second, until its state is final. `id` names what an event told.",
            )
            .takes_header(
                "Last-Event-ID",
                "What the client knows, so that it is told only what it does not",
                "^[0-9a-f]{16}$",
            )
            .when(204, "The client knows the end.")
            .fails(&crate::routes::events::too_many()),
        _ => return false,
    };
    true
}
