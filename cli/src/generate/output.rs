//! The files: written under another name and renamed when all of them are whole.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// What went wrong, for people.
pub type Error = String;

const FILES: [&str; 4] = ["left.csv", "right.csv", "truth.csv", "job.yaml"];

/// The folder that the data goes to.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made, or has one of the files already.
    pub fn create(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for name in FILES {
            let file = path.join(name);
            if file.exists() {
                return Err(format!(
                    "{} is there already: remove it or give another folder with --out",
                    file.display()
                ));
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.partial"))
    }

    /// Starts a CSV file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn csv(&self, name: &str, header: &[&str]) -> Result<CsvFile, Error> {
        let path = self.partial(name);
        let file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let writer = csv::Writer::from_writer(BufWriter::with_capacity(1 << 20, file));
        let mut file = CsvFile { path, writer };
        file.row(header)?;
        Ok(file)
    }

    /// Writes the job.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn job(&self, yaml: &str) -> Result<(), Error> {
        let path = self.partial("job.yaml");
        fs::write(&path, yaml).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// When one cannot be renamed.
    pub fn publish(&self) -> Result<(), Error> {
        for name in FILES {
            let path = self.0.join(name);
            fs::rename(self.partial(name), &path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// A CSV file being written.
pub struct CsvFile {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl CsvFile {
    /// Writes a row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn row<T: AsRef<[u8]>>(&mut self, fields: &[T]) -> Result<(), Error> {
        self.writer
            .write_record(fields)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}
