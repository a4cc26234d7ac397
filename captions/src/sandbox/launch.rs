//! What a closed translator starts its programs with: itself under another name, which asks the kernel to end it with its
//! parent, and becomes the program. So nothing that hangs outlives a translator that is killed. No `unsafe`: what comes
//! between fork and exec elsewhere is an ordinary program here.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// The first argument of a process that is to become another program: then its parent's id, the program, its arguments.
pub const LAUNCH: &str = "launch";

/// Becomes the program. Returns only why it could not.
pub fn launch(mut arguments: impl Iterator<Item = String>) -> io::Error {
    let parent = arguments.next().and_then(|id| id.parse::<i32>().ok());
    let Some(program) = arguments.next() else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before it was asked for.
    if getppid().map(|id| id.as_raw_nonzero().get()) != parent {
        return io::ErrorKind::BrokenPipe.into();
    }
    Command::new(program).args(arguments).exec()
}

/// The files of the libraries that these programs are made of, as the loader finds them. Asks it while this process may.
#[must_use]
pub fn libraries(programs: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for program in programs {
        let listed = Command::new(program)
            .env_clear()
            // The loader then lists what it would load and runs nothing of the program.
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let Ok(listed) = listed else { continue };
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        found.extend(text.lines().filter_map(library));
    }
    found.into_iter().collect()
}

/// `name => /path (0xaddress)`.
fn library(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once(" => ")?;
    let (path, _) = rest.rsplit_once(" (")?;
    let path = Path::new(path);
    (path.is_absolute() && path.is_file()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_program_are_files() {
        let found = libraries(&["/bin/sh".into(), "/nowhere".into()]);
        assert!(
            found.iter().any(|path| path.ends_with("libc.so.6")),
            "{found:?}"
        );
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007ffd)"), None);
        assert_eq!(library("\tlibx.so => not found"), None);
    }

    #[test]
    fn who_has_lost_its_parent_becomes_nothing() {
        let words = ["1", "/bin/true"].map(str::to_owned);
        // The parent of a test is never the first process of the machine.
        let error = launch(words.into_iter());
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
