//! Where a `uri` leads.

/// A `uri`, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// A file path.
    File(&'a str),
    /// An object of an S3-compatible store.
    S3 {
        /// The bucket's name.
        bucket: &'a str,
        /// The object's key, as it is: nothing in it is decoded.
        key: &'a str,
    },
}

impl<'a> Location<'a> {
    /// Reads a `uri`. What has no scheme is a file path.
    ///
    /// # Errors
    /// What is wrong with it and what to write instead. The text does not repeat what may be a
    /// password.
    pub fn of(uri: &'a str) -> Result<Self, String> {
        let Some((scheme, rest)) = uri
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Ok(Self::File(uri));
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return Err(format!(
                "`{scheme}://` cannot be read; write the path of a file, or s3://bucket/key"
            ));
        }
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !(3..=255).contains(&bucket.len()) || !bucket.chars().all(fits) {
            return Err(
                "needs the name of a bucket (letters, digits, dots and hyphens), as in \
                 s3://bucket/key; credentials and the endpoint belong in AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
                    .into(),
            );
        }
        if key.is_empty() {
            return Err(
                "names no object; write its key after the bucket, as in s3://bucket/key".into(),
            );
        }
        let readable = |part: &str| !matches!(part, "" | "." | "..");
        if !key.split('/').all(readable) || key.chars().any(char::is_control) {
            return Err(
                "has a key with an empty part, a `.` or `..` between slashes or a control \
                 character, which cannot be read; give the object another key"
                    .into(),
            );
        }
        Ok(Self::S3 { bucket, key })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}
