//! Sessions, users and tokens.

use crate::auth::password::{MAX_BYTES, MIN_CHARACTERS};
use crate::error::ApiError;
use crate::openapi::{Operation, header};

fn for_people<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation.tells("For people only.")
}

fn for_admins<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation.tells("For platform admins only.")
}

fn bad_password(operation: &mut Operation<'_>) {
    operation.fails_when(
        &ApiError::bad_request(""),
        format!(
            "a new password has fewer than {MIN_CHARACTERS} characters or more than {MAX_BYTES} bytes"
        ),
    );
}

pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    match route {
        "POST /api/v2/auth/login" => operation
            .says("Log in")
            .tells("Whatever is wrong, the answer is the same and takes as long.")
            .fails(&ApiError::WrongCredentials),
        "POST /api/v2/auth/refresh" => operation
            .says("Exchange a refresh token for the next pair of tokens")
            .tells("A token that was used before ends its session.")
            .fails_when(
                &ApiError::Unauthenticated,
                "the refresh token is none, was used before, or its session has ended",
            ),
        "POST /api/v2/auth/logout" => operation
            .says("End the session of a refresh token")
            .when(204, "The session has ended, or there was none."),
        "GET /api/v2/users/me" => for_people(operation.says("Who the caller is")),
        "PUT /api/v2/users/me/password" => {
            bad_password(operation);
            for_people(operation.says("Set the caller's password"))
                .tells("The caller's other sessions end.")
                .fails(&ApiError::WrongCredentials)
                .conflicts("the password was changed just now")
        }
        "GET /api/v2/users" => for_admins(operation.says("List the users, by e-mail address")),
        "POST /api/v2/users" => {
            bad_password(operation);
            for_admins(operation.says("Make a user"))
                .is_malformed("email must be an e-mail address")
                .conflicts("there is a user with this e-mail address")
                .gives_header(201, header::ETAG)
        }
        "GET /api/v2/users/{id}" => {
            for_admins(operation.says("Read a user"))
        }
        "PATCH /api/v2/users/{id}" => for_admins(operation.says("Change a user's rights"))
            .tells(
                "Disabling ends the user's sessions, and what machines do with tokens that the user \
                 made.",
            )
            .needs_if_match()
            .is_malformed("neither disabled nor platformAdmin is given")
            .conflicts("the platform keeps at least one enabled platform admin"),
        "GET /api/v2/projects/{project}/tokens" => {
            for_people(operation.says("List the tokens of a project, newest first"))
        }
        "POST /api/v2/projects/{project}/tokens" => {
            for_people(operation.says("Make a token for a machine"))
                .tells("The token is shown this once.")
                .is_malformed("the name or expiresInDays is not as the schema says")
                .conflicts("the project has a token of this name")
                .conflicts("the request was carried out before, and the secret was shown then")
                .gives_header(201, header::CACHE_CONTROL)
        }
        "GET /api/v2/projects/{project}/tokens/{id}" => for_people(operation.says("Read a token")),
        "DELETE /api/v2/projects/{project}/tokens/{id}" => {
            for_people(operation.says("Delete a token"))
                .when(204, "It is refused from now on.")
        }
        _ => return false,
    };
    true
}
