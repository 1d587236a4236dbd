//! Uploads: whole, piece by piece, and by the route of version 1.

use serde_json::json;

use crate::error::ApiError;
use crate::openapi::{Operation, header};

const WHOLE_NUMBER: &str = "^[0-9]+$";
const UPLOAD_METADATA: &str = "^(.*,)? *filename +[A-Za-z0-9+/]+=* *(,.*)?$";

/// What a file may be refused for.
fn a_file<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation
        .is_malformed("the file's name has path parts, control characters or over 255 bytes")
        .is_malformed("the content ends early or is damaged")
        .fails_when(
            &ApiError::TooLarge(0),
            "the file is larger than `MAX_UPLOAD_BYTES`",
        )
        .fails_when(
            &ApiError::Unpacked(0),
            "a compressed file unpacks to over 250 times its size",
        )
        .fails_when(
            &ApiError::UnsupportedMediaType("".into()),
            "the content is not what the file's name says",
        )
        .fails_when(
            &ApiError::Timeout,
            "nothing came for 30 seconds, or not all in two hours",
        )
}

/// The project may have the file.
fn or_the_same<'a, 'b>(operation: &'a mut Operation<'b>) -> &'a mut Operation<'b> {
    operation
        .when(200, "The project has this content under this name already.")
        .when(201, "A new upload.")
}

/// The protocol tus: every answer says its version, and a request must.
fn tus<'a, 'b>(operation: &'a mut Operation<'b>, required: bool) -> &'a mut Operation<'b> {
    if required {
        operation
            .needs_header("Tus-Resumable", "The protocol's version", "^1\\.0\\.0$")
            .fails(&ApiError::TusVersion);
    }
    operation
        .always_gives_header(header::TUS_RESUMABLE)
        .always_gives_header(header::TUS_VERSION)
}

pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    match route {
        "GET /api/v2/projects/{project}/uploads" => {
            operation.says("List the uploads of a project, newest first")
        }
        "GET /api/v2/projects/{project}/uploads/{id}" => operation.says("Read an upload"),
        "POST /api/v2/projects/{project}/uploads" => {
            or_the_same(a_file(operation.says("Upload a file")))
                .takes_body_of("application/octet-stream", &json!({}))
        }
        "POST /api/v1/files/upload" => {
            let form = json!({
                "type": "object",
                "properties": {
                    "project_id": {
                        "type": "string", "minLength": 1, "maxLength": 63,
                        "description": "The project's id or slug",
                    },
                    "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                },
                "required": ["project_id", "file"],
                "additionalProperties": false,
            });
            or_the_same(a_file(operation.says("Upload a file as a form")))
                .deprecated()
                .tells("For clients of version 1; `docs/upload-migration.md` says what to use instead.")
                .takes_body_of("multipart/form-data", &form)
                .always_gives_header(header::DEPRECATION)
                .always_gives_header(header::SUNSET)
                .always_gives_header(header::LINK)
                .fails(&ApiError::NotFound)
                .is_malformed("the form is not as its schema says")
                .fails_when(
                    &ApiError::UnsupportedMediaType("".into()),
                    "the body must be multipart/form-data",
                )
        }
        "OPTIONS /api/v2/projects/{project}/uploads/resumable" => {
            tus(operation.says("What of the protocol is spoken"), false)
        }
        "POST /api/v2/projects/{project}/uploads/resumable" => tus(
            operation.says("Begin an upload piece by piece"),
            true,
        )
        .needs_header("Upload-Length", "Bytes in all", WHOLE_NUMBER)
        .needs_header(
            "Upload-Metadata",
            "`filename` and the file's name in Base64, among pairs with commas between them",
            UPLOAD_METADATA,
        )
        .is_malformed("a header is missing or not as its pattern says")
        .is_malformed("the file's name has path parts, control characters or over 255 bytes")
        .fails_when(
            &ApiError::TooLarge(0),
            "it is longer than `MAX_UPLOAD_BYTES`",
        )
        .conflicts(
            "the project has 100 unfinished uploads, as many as it may; finish or delete some",
        ),
        "GET /api/v2/projects/{project}/uploads/resumable/{id}" => {
            tus(operation.says("Where an upload is"), false)
                .tells("`HEAD` is answered as well, as the protocol has it, with `Tus-Resumable`.")
        }
        "PATCH /api/v2/projects/{project}/uploads/resumable/{id}" => tus(
            a_file(operation.says("Send the next bytes of an upload")),
            true,
        )
        .tells("What arrived before a connection broke is kept.")
        .needs_header("Upload-Offset", "Where the upload is", WHOLE_NUMBER)
        .takes_body_of("application/offset+octet-stream", &json!({}))
        .is_malformed("Upload-Offset must be a whole number of bytes")
        .fails_when(
            &ApiError::UnsupportedMediaType("".into()),
            "the body must be application/offset+octet-stream",
        )
        .conflicts("Upload-Offset is not where the upload is; ask for its state and go on there")
        .conflicts("the upload has as many pieces as it may; begin again with larger ones"),
        "DELETE /api/v2/projects/{project}/uploads/resumable/{id}" => {
            tus(operation.says("Give an upload up"), true)
        }
        _ => return false,
    };
    true
}
