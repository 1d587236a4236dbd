//! Headers of answers, each described once.

/// A header that answers have.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// A regular expression that its values match.
    pub pattern: &'static str,
    /// Whether it is always there.
    pub always: bool,
}

const fn always(name: &'static str, description: &'static str, pattern: &'static str) -> Header {
    Header {
        name,
        description,
        pattern,
        always: true,
    }
}

const fn sometimes(name: &'static str, description: &'static str, pattern: &'static str) -> Header {
    Header {
        name,
        description,
        pattern,
        always: false,
    }
}

/// The request's id.
pub const REQUEST_ID: Header = always(
    "X-Request-Id",
    "The id of the request, which the log's lines about it and its entries in the audit log have too",
    "^[0-9a-f-]{36}$",
);
/// The version of what was answered.
pub const ETAG: Header = always("ETag", "The version, for `If-Match`", "^\"[0-9]+\"$");
/// Where something is.
pub const LOCATION: Header = always("Location", "Where it is", "^/api/v2/");
/// Where the upload of a finished session is.
pub const CONTENT_LOCATION: Header = sometimes(
    "Content-Location",
    "Where the upload is, once all bytes are there",
    "^/api/v2/projects/",
);
/// An answer that was given before.
pub const REPLAYED: Header = sometimes(
    "Idempotency-Replayed",
    "The request was carried out before under this `Idempotency-Key`, and this was its answer",
    "^true$",
);
/// How to authenticate.
pub const AUTHENTICATE: Header = always("WWW-Authenticate", "How to authenticate", "^Bearer$");
/// What the request was counted by (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT: Header = sometimes(
    "RateLimit",
    "What is left of each quota that counts the request, and the seconds until all of it is there again",
    "^\"[a-z_]+\";r=[0-9]+;t=[0-9]+",
);
/// The quotas (the same draft).
pub const RATE_LIMIT_POLICY: Header = sometimes(
    "RateLimit-Policy",
    "The quotas that count the request: so many requests in so many seconds",
    "^\"[a-z_]+\";q=[0-9]+;w=[0-9]+",
);
/// When to come back.
pub const RETRY_AFTER: Header = always(
    "Retry-After",
    "Seconds until it is worth another try",
    "^[0-9]+$",
);
/// What may be kept by whom.
pub const CACHE_CONTROL: Header = always("Cache-Control", "Who may keep the answer", "^[a-z]");
/// The name to save a file under.
pub const DISPOSITION: Header = always(
    "Content-Disposition",
    "The name to save the file under: it is never shown in place",
    "^attachment; filename=",
);
/// Since when a route is deprecated.
pub const DEPRECATION: Header = always(
    "Deprecation",
    "Since when the route should not be used any more (RFC 9745)",
    "^@[0-9]+$",
);
/// When a route ends.
pub const SUNSET: Header = always("Sunset", "When the route may be gone (RFC 8594)", "GMT$");
/// What replaces a route.
pub const LINK: Header = always("Link", "What to use instead", "rel=\"successor-version\"$");
/// The version of tus.
pub const TUS_RESUMABLE: Header = always("Tus-Resumable", "The protocol's version", "^1\\.0\\.0$");
/// The versions of tus that are spoken.
pub const TUS_VERSION: Header = always(
    "Tus-Version",
    "The versions of the protocol that are spoken",
    "^1\\.0\\.0$",
);
/// The extensions of tus that are spoken.
pub const TUS_EXTENSION: Header = always(
    "Tus-Extension",
    "The extensions of the protocol that are spoken",
    "^[a-z,]+$",
);
/// The largest upload.
pub const TUS_MAX_SIZE: Header = always("Tus-Max-Size", "The largest upload in bytes", "^[0-9]+$");
/// Bytes that are there.
pub const UPLOAD_OFFSET: Header = always("Upload-Offset", "Bytes that are there", "^[0-9]+$");
/// Bytes in all.
pub const UPLOAD_LENGTH: Header = always("Upload-Length", "Bytes in all", "^[0-9]+$");
/// When a session is given up.
pub const UPLOAD_EXPIRES: Header = always(
    "Upload-Expires",
    "When the upload is given up, unless a request comes before",
    "GMT$",
);
