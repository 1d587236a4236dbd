//! The object store: a local volume or S3, behind the few operations that this server needs.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, Result};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::config::StorageConfig;

/// Bytes that a writer keeps before it sends a part.
const PART_BYTES: usize = 8 << 20;

/// A handle on the object store; clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
}

/// Where uploads are written until they are complete.
const TEMPORARY: &str = "tmp";
/// Nothing takes this long: what is older was left behind by a process that died.
const ABANDONED: Duration = Duration::from_hours(6);
/// How often abandoned objects are looked for.
const SWEEP: Duration = Duration::from_hours(1);

/// A new key for an upload under way.
#[must_use]
pub fn temporary_key() -> Path {
    Path::from(format!("{TEMPORARY}/{}", Uuid::new_v4()))
}

/// The content of an upload, shared by all uploads of a project with the same bytes.
#[must_use]
pub fn upload_key(project: Uuid, sha256: &[u8]) -> Path {
    Path::from(format!("uploads/{project}/{}", hex::encode(sha256)))
}

/// Where the outputs of one claim of a run go. The fence grows with every claim, also where the
/// attempt is not counted, so no two claims ever share a prefix.
#[must_use]
pub fn attempt_prefix(run: Uuid, fence: i64) -> Path {
    Path::from(format!("runs/{run}/attempt-{fence}"))
}

impl Storage {
    /// Opens the store of the configuration. Nothing is sent anywhere yet.
    ///
    /// # Errors
    /// When a local directory can neither be opened nor made, or S3 settings contradict each other.
    pub fn open(config: &StorageConfig) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = match config {
            StorageConfig::Local(directory) => {
                std::fs::create_dir_all(directory).map_err(|source| {
                    object_store::Error::Generic {
                        store: "local",
                        source: Box::new(source),
                    }
                })?;
                Arc::new(LocalFileSystem::new_with_prefix(directory)?)
            }
            StorageConfig::S3 {
                bucket,
                prefix,
                endpoint,
                region,
                credentials,
            } => {
                let mut builder = match credentials {
                    Some(key) => AmazonS3Builder::new()
                        .with_access_key_id(key.access_key_id.expose_secret())
                        .with_secret_access_key(key.secret_access_key.expose_secret()),
                    None => AmazonS3Builder::from_env(),
                }
                .with_bucket_name(bucket)
                .with_region(region);
                if let Some(endpoint) = endpoint {
                    builder = builder
                        .with_endpoint(endpoint)
                        .with_allow_http(endpoint.starts_with("http://"));
                }
                Arc::new(PrefixStore::new(builder.build()?, prefix.as_str()))
            }
        };
        Ok(Self { store })
    }

    /// A writer that sends parts as they fill up. Without `shutdown` nothing appears under the key.
    #[must_use]
    pub fn writer(&self, key: &Path) -> BufWriter {
        BufWriter::with_capacity(Arc::clone(&self.store), key.clone(), PART_BYTES)
            .with_max_concurrency(2)
    }

    /// Puts a finished temporary object under its final key, or drops it where that key exists:
    /// keys hold the content's hash, so what is there is the same.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn promote(&self, temporary: &Path, to: &Path) -> Result<()> {
        match self.store.head(to).await {
            Ok(_) => self.store.delete(temporary).await,
            Err(object_store::Error::NotFound { .. }) => self.store.rename(temporary, to).await,
            Err(error) => Err(error),
        }
    }

    /// The size of an object.
    ///
    /// # Errors
    /// `NotFound`, and errors of the store.
    pub async fn head(&self, key: &Path) -> Result<ObjectMeta> {
        self.store.head(key).await
    }

    /// An object as a stream, with its size.
    ///
    /// # Errors
    /// `NotFound`, and errors of the store.
    pub async fn get(
        &self,
        key: &Path,
    ) -> Result<(u64, impl Stream<Item = Result<Bytes>> + use<>)> {
        let result = self.store.get(key).await?;
        Ok((result.meta.size, result.into_stream()))
    }

    /// Part of an object.
    ///
    /// # Errors
    /// `NotFound`, and errors of the store.
    pub async fn get_range(&self, key: &Path, range: std::ops::Range<u64>) -> Result<Bytes> {
        self.store.get_range(key, range).await
    }

    /// Everything under a prefix, by name.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        let mut objects: Vec<ObjectMeta> = self.store.list(Some(prefix)).try_collect().await?;
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    /// Deletes one object; one that is not there is no error.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn delete(&self, key: &Path) -> Result<()> {
        match self.store.delete(key).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            result => result,
        }
    }

    /// Deletes everything under a prefix.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn delete_prefix(&self, prefix: &Path) -> Result<()> {
        for object in self.list(prefix).await? {
            self.delete(&object.location).await?;
        }
        Ok(())
    }

    /// Deletes what processes that died left under temporary keys, now and then, for ever.
    pub async fn sweep(self) {
        loop {
            match self.delete_abandoned(ABANDONED).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "deleted abandoned temporary objects"),
                Err(error) => tracing::warn!(%error, "temporary objects cannot be looked through"),
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Deletes temporary objects that are older than this, and says how many they were.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn delete_abandoned(&self, age: Duration) -> Result<usize> {
        let now = chrono::Utc::now();
        let mut count = 0;
        for object in self.list(&Path::from(TEMPORARY)).await? {
            let old = (now - object.last_modified)
                .to_std()
                .is_ok_and(|it| it >= age);
            if old {
                self.delete(&object.location).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Writes a small object whose content is its name's last part.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn note(&self, key: &Path) -> Result<()> {
        let content = Bytes::from(key.filename().unwrap_or_default().to_owned());
        self.store.put(key, content.into()).await.map(drop)
    }

    /// Copies an object into a local file, and gives the SHA-256 of what was copied.
    ///
    /// # Errors
    /// Errors of the store and of the file system.
    pub async fn download(&self, key: &Path, to: &std::path::Path) -> std::io::Result<Vec<u8>> {
        let (_, mut stream) = self.get(key).await?;
        let mut file = tokio::fs::File::create(to).await?;
        let mut hash = Sha256::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            hash.update(&chunk);
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        Ok(hash.finalize().to_vec())
    }

    /// Copies a local file into an object.
    ///
    /// # Errors
    /// Errors of the store and of the file system.
    pub async fn upload(&self, from: &std::path::Path, key: &Path) -> std::io::Result<()> {
        let mut file = tokio::fs::File::open(from).await?;
        let mut writer = self.writer(key);
        match tokio::io::copy(&mut file, &mut writer).await {
            Ok(_) => writer.shutdown().await,
            Err(error) => {
                // The parts sent so far would stay unseen in a bucket and cost.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }
}
