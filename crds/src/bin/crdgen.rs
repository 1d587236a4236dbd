//! Writes the CRD YAML beside the crate: `cargo run -p crds --features kube --bin crdgen -- crds`.

use std::path::PathBuf;
use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: crdgen FOLDER");
        return ExitCode::from(2);
    };
    for (name, yaml) in crds::generated_files() {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, yaml) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
