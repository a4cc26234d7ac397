//! The file of a model: opened once, so that what is read to its end is what whisper.cpp is given, whatever stands at its
//! path by then.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// An open file, and what it was when it was opened.
pub(super) struct Held {
    file: File,
    was: Mark,
}

/// Changes with everything that is written into a file.
#[derive(PartialEq, Eq)]
struct Mark {
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Held {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let was = Mark::of(&file)?;
        Ok(Self { file, was })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Where this process finds this very file.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Whether nothing was written into it since it was opened.
    pub(super) fn is_unchanged(&self) -> bool {
        Mark::of(&self.file).is_ok_and(|now| now == self.was)
    }
}

impl Mark {
    fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn another_file_at_the_same_path_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        fs::write(&path, "checked").unwrap();
        let held = Held::open(&path).unwrap();
        fs::write(folder.path().join("other"), "swapped").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert_eq!(fs::read(held.path()).unwrap(), b"checked");
        assert_eq!(fs::read(&path).unwrap(), b"swapped");
    }

    #[test]
    fn what_is_written_into_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        fs::write(&path, "checked").unwrap();
        let held = Held::open(&path).unwrap();
        assert!(held.is_unchanged());
        // The clock of files is coarse.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all(b"changed").unwrap();
        assert!(!held.is_unchanged());
    }
}
