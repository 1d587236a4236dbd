//! The files of a job: those that it names, and those that its remote sources are fetched into.
//!
//! The engine knows files and no network. So an object of a bucket, or the rows of a query, are
//! first written into a temporary file, in bounded memory, and read from there.

mod s3;
mod spool;
mod sql;

use std::path::{Path, PathBuf};

use crds::decode::SpecError;
use crds::matching::{Dataset, Location, MatchingSpec};
use engine::{InputFile, Progress};
use secrecy::SecretString;

use spool::Spool;
use sql::Database;

/// Why a job's files are not there.
#[derive(Debug)]
pub enum Error {
    /// The job is wrong.
    Spec(Vec<SpecError>),
    /// It is right, and a source cannot be read. The message holds no password.
    Failed(String),
}

/// Who is told what is being fetched, and how far it is.
pub trait Fetching: Progress {
    /// A source is begun.
    fn fetching(&self, what: &str);
    /// So many rows have come, where nobody knows how many there will be.
    fn rows(&self, count: u64);
}

/// Files given on the command line instead of the job's sources.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// For the left side.
    pub left: Option<&'a PathBuf>,
    /// For the right side.
    pub right: Option<&'a PathBuf>,
    /// For the rates of exchange.
    pub rates: Option<&'a PathBuf>,
}

/// A job's files. Those that were fetched are gone once this is dropped.
pub struct Sources {
    /// The left side.
    pub left: InputFile,
    /// The right side.
    pub right: InputFile,
    /// The rates of exchange, where the job converts currencies.
    pub rates: Option<InputFile>,
    _fetched: Vec<Spool>,
}

impl Sources {
    /// Finds every file of a job, whose `uri`s are relative to its folder, and fetches what is not
    /// on this machine, one after the other. What is wrong with a source itself is told before
    /// anything is fetched.
    ///
    /// # Errors
    /// When a source is none that a laptop has, or cannot be fetched.
    pub async fn open(
        job: &Path,
        spec: &MatchingSpec,
        given: Given<'_>,
        progress: &dyn Fetching,
    ) -> Result<Self, Error> {
        let place = |place, dataset, given| Place::of(job, place, dataset, given);
        let left = place("left", &spec.left, given.left)?;
        let right = place("right", &spec.right, given.right)?;
        let rates = spec.fx.as_ref().map(|fx| &fx.rates);
        let rates = rates
            .map(|rates| place("fx.rates", rates, given.rates))
            .transpose()?;
        let mut fetched = Vec::new();
        Ok(Self {
            left: left.fetch("left", &mut fetched, progress).await?,
            right: right.fetch("right", &mut fetched, progress).await?,
            rates: match rates {
                Some(rates) => Some(rates.fetch("fx.rates", &mut fetched, progress).await?),
                None => None,
            },
            _fetched: fetched,
        })
    }
}

/// Where the rows of a dataset are.
enum Place<'a> {
    File(PathBuf),
    Object {
        bucket: &'a str,
        key: &'a str,
    },
    Query {
        database: Box<Database>,
        query: &'a str,
        dataset: &'a Dataset,
    },
}

impl<'a> Place<'a> {
    fn of(
        job: &Path,
        place: &str,
        dataset: &'a Dataset,
        given: Option<&PathBuf>,
    ) -> Result<Self, Error> {
        let source = &dataset.source;
        if let Some(path) = given {
            return Ok(Self::File(path.clone()));
        }
        let wrong = |field: &str, message: String| {
            Error::Spec(vec![SpecError {
                path: format!("{place}.source{field}"),
                message,
            }])
        };
        if let Some(uri) = &source.uri {
            let location = Location::of(uri).map_err(|message| wrong(".uri", message))?;
            return Ok(match location {
                Location::File(path) => {
                    Self::File(job.parent().unwrap_or(Path::new("")).join(path))
                }
                Location::S3 { bucket, key } => Self::Object { bucket, key },
            });
        }
        if let Some(sql) = &source.sql {
            let variable = sql.secret_ref.variable();
            let failed = |message: &str| {
                Error::Failed(format!(
                    "{place}.source.sql.secretRef: the environment variable {variable} {message}"
                ))
            };
            let url = std::env::var(&variable).unwrap_or_default();
            if url.is_empty() {
                return Err(failed(
                    "is not set; it holds the database's URL for the CLI, as in \
                     postgres://user:password@host:5432/database",
                ));
            }
            let pgsslmode = std::env::var("PGSSLMODE").ok();
            let database = Database::of(&SecretString::from(url), variable.clone(), pgsslmode);
            return Ok(Self::Query {
                database: Box::new(database.map_err(|message| failed(&message))?),
                query: &sql.query,
                dataset,
            });
        }
        let option = place.trim_start_matches("fx.");
        Err(wrong(
            "",
            format!(
                "uploads and ConfigMaps belong to a platform; give the file with --{option} FILE"
            ),
        ))
    }

    async fn fetch(
        self,
        place: &str,
        fetched: &mut Vec<Spool>,
        progress: &dyn Fetching,
    ) -> Result<InputFile, Error> {
        let (bucket, key) = match self {
            Self::File(path) => return Ok(file(path)),
            Self::Object { bucket, key } => (bucket, key),
            Self::Query {
                database,
                query,
                dataset,
            } => {
                let place = format!("{place}.source.sql.query");
                progress.fetching(&place);
                let spool = sql::fetch(&database, &place, query, dataset, progress).await?;
                let path = spool.path();
                fetched.push(spool);
                return Ok(InputFile { path, name: place });
            }
        };
        progress.fetching(&format!("{place}.source.uri"));
        let failed = |message| Error::Failed(format!("{place}.source.uri: {message}"));
        let spool = s3::fetch(bucket, key, progress).await.map_err(failed)?;
        let path = spool.path();
        fetched.push(spool);
        let name = key.rsplit('/').next().unwrap_or(key).to_owned();
        Ok(InputFile { path, name })
    }
}

fn file(path: PathBuf) -> InputFile {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    InputFile { path, name }
}
