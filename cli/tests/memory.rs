//! What a run leaves behind when it is killed while its values are in files.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files that a process has open in a folder, as the system calls them.
fn open_files(process: u32, folder: &Path) -> Vec<PathBuf> {
    let links = fs::read_dir(format!("/proc/{process}/fd")).expect("the process");
    let targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    targets
        .filter(|target| target.starts_with(folder))
        .collect()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn a_killed_run_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let temporary = path("temporary");
    fs::create_dir(&temporary).expect("a folder");
    let job = "left: {source: {uri: left.csv}, key: [id]}\n\
               right: {source: {uri: right.csv}, key: [id]}\n\
               limits: {memory: 64Mi}\n\
               passes: [{name: exact, compare: [{column: memo, exact: {}}]}]\n";
    fs::write(path("job.yaml"), job).expect("job");
    fs::write(path("right.csv"), "id,memo\n1,x\n").expect("right");
    // What was written into a pipe was read on the other side, but for what the pipe holds.
    let made = Command::new("mkfifo").arg(path("left.csv")).status();
    assert!(made.expect("mkfifo").success());
    let mut run = Command::new(assert_cmd::cargo::cargo_bin("reconcile"))
        .args(["run", "job.yaml"])
        .current_dir(folder.path())
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut left = File::options()
        .write(true)
        .open(path("left.csv"))
        .expect("a pipe");
    left.write_all(b"id,memo\n").expect("is read");
    let memo = "x".repeat(100_000);
    // A quarter of the memory is for values; 40 MB are over twice as much.
    for id in 0..400 {
        left.write_all(format!("{id},{memo}\n").as_bytes())
            .expect("is read");
    }
    let open = open_files(run.id(), &temporary);
    assert!(!open.is_empty(), "nothing was spilled");
    run.kill().expect("is there to be killed");
    let status = run.wait().expect("ends");
    assert!(!status.success());
    assert_eq!(entries(&temporary), 0, "{open:?}");
    // The job, both sides and the temporary folder: no output was begun.
    assert_eq!(entries(folder.path()), 4);
}
