//! Writes the reference page of the matching language into the first file named, and the CRD YAML
//! into each folder named: beside the crate and into the chart, as `make generate` does.

use std::path::PathBuf;
use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(page), folders) = (arguments.next(), arguments.collect::<Vec<_>>()) else {
        eprintln!("usage: crdgen PAGE FOLDER...");
        return ExitCode::from(2);
    };
    let mut files = vec![(page, crds::matching_reference())];
    for (name, yaml) in crds::generated_files() {
        files.extend(
            folders
                .iter()
                .map(|folder| (folder.join(name), yaml.clone())),
        );
    }
    for (path, text) in files {
        if let Err(error) = fs::write(&path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
