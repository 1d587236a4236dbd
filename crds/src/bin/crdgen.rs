//! Writes the CRD YAML into each folder named: beside the crate and into the chart, as
//! `make generate` does.

use std::path::PathBuf;
use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        eprintln!("usage: crdgen FOLDER...");
        return ExitCode::from(2);
    }
    for (name, yaml) in crds::generated_files() {
        for folder in &folders {
            let path = folder.join(name);
            if let Err(error) = fs::write(&path, &yaml) {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
