//! What came of runs, and what people decide about it.

use crate::error::ApiError;
use crate::openapi::Operation;

const NO_OUTPUTS: &str = "the run has no outputs, because it has not succeeded";

pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    match route {
        "GET /api/v2/runs/{id}/pairs" => operation
            .says("List the pairs of a run, in the order of pairs.parquet")
            .conflicts(NO_OUTPUTS),
        "GET /api/v2/runs/{id}/differences" => operation
            .says("List what differs in the pairs of a run, in the order of differences.parquet")
            .conflicts(NO_OUTPUTS),
        "GET /api/v2/runs/{id}/exceptions" => operation
            .says("List the exceptions of a run, of one outcome or of all")
            .conflicts("the run has no exceptions, because it has not succeeded"),
        "GET /api/v2/runs/{id}/outputs" => operation
            .says("List the files of a run")
            .conflicts(NO_OUTPUTS),
        "GET /api/v2/runs/{id}/outputs/{name}" => operation
            .says("Download a file of a run")
            .conflicts(NO_OUTPUTS),
        "GET /api/v2/projects/{project}/reviews" => operation
            .says("List the reviews of a project in a state, those of the oldest run first"),
        "GET /api/v2/runs/{id}/reviews" => {
            operation.says("List the reviews of a run, in the order of its exceptions")
        }
        "GET /api/v2/runs/{id}/reviews/{group}" => operation.says("Read a review"),
        "GET /api/v2/runs/{id}/reviews/{group}/history" => {
            operation.says("List what happened to a review, oldest first")
        }
        "POST /api/v2/runs/{id}/reviews/{group}/accept" => {
            decision(operation.says("Say that the records belong together"))
        }
        "POST /api/v2/runs/{id}/reviews/{group}/reject" => {
            decision(operation.says("Say that the records do not belong together"))
        }
        "POST /api/v2/runs/{id}/reviews/{group}/reopen" => {
            decision(operation.says("Take a decision back"))
        }
        "POST /api/v2/runs/{id}/reviews/{group}/comments" => operation
            .says("Comment on a review")
            .tells("A comment makes a new version, so nobody decides without having seen it.")
            .is_malformed("comment must have 1 to 4000 characters"),
        _ => return false,
    };
    true
}

fn decision<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation.needs_if_match().fails_when(
        &ApiError::conflict(""),
        "the state of the review forbids it",
    )
}
