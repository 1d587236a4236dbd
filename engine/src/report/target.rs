//! Where the outputs go.

use crate::error::Error;
use std::io;
use std::path::Path;

/// Checks that outputs can go to `target`, and leaves nothing there. It is better said before the
/// work than after it.
///
/// # Errors
/// When `target` is something else than a folder, or cannot be made or written.
pub fn check(target: &Path) -> Result<(), Error> {
    // What is a symbolic link that leads nowhere is there, and no folder can take its place.
    let is_taken = target.symlink_metadata().is_ok() && !target.is_dir();
    if is_taken || (target.file_name().is_none() && !target.is_dir()) {
        let detail = "is no folder; name one for the outputs, which need not be there yet";
        return Err(Error::io(target)(io::Error::other(detail)));
    }
    let mut home = target;
    while home.symlink_metadata().is_err() {
        home = parent_of(home);
    }
    hidden_folder(home).map(drop)
}

/// The folder that holds a path.
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new folder that is removed when it is dropped.
pub fn hidden_folder(home: &Path) -> Result<tempfile::TempDir, Error> {
    tempfile::Builder::new()
        .prefix(".reconcile-")
        .tempdir_in(home)
        .map_err(Error::io(home))
}

#[cfg(test)]
mod tests {
    use super::super::Draft;
    use super::*;
    use std::fs;

    #[test]
    fn a_draft_lies_on_the_file_system_of_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let there = Draft::new(folder.path()).unwrap();
        assert_eq!(there.folder.path().parent(), Some(folder.path()));
        let new = folder.path().join("a/b");
        let draft = Draft::new(&new).unwrap();
        assert_eq!(draft.folder.path().parent(), new.parent());
        drop((there, draft));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_check_leaves_nothing_and_refuses_what_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        check(&path("a/b/c")).unwrap();
        check(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
        for name in ["file", "loop", "file/below"] {
            assert!(check(&path(name)).is_err(), "{name}");
        }
        assert!(check(Path::new("")).is_err());
        check(Path::new("out")).unwrap();
    }
}
