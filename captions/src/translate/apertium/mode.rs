//! Mode files: one line of shell that says which programs make up a pair. Read here as data: programs by name from one
//! folder, files from another, a few flags. A line that says more is not used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::translate::Pair;

/// The most programs of a chain; the longest of Debian's have 15.
const MAX_STAGES: usize = 32;
/// The longest mode file; Debian's have 2 KB.
const MAX_FILE: u64 = 64 * 1024;
/// Apertium's own names beside ISO 639-1 where there are both.
const THREE_LETTERS: &[(&str, &str)] = &[
    ("cat", "ca"),
    ("deu", "de"),
    ("eng", "en"),
    ("fra", "fr"),
    ("glg", "gl"),
    ("ita", "it"),
    ("oci", "oc"),
    ("por", "pt"),
    ("ron", "ro"),
    ("spa", "es"),
];

/// The programs of a pair, in order, with their arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) stages: Vec<Stage>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

impl Mode {
    /// The files that its programs are told to read.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let arguments = self.stages.iter().flat_map(|stage| &stage.arguments);
        // Flags begin with a dash.
        arguments
            .filter(|argument| argument.starts_with('/'))
            .map(PathBuf::from)
    }

    pub(super) fn programs(&self) -> impl Iterator<Item = PathBuf> {
        self.stages.iter().map(|stage| stage.program.clone())
    }
}

/// The installed pairs: one mode file each, named by two languages and no variant.
pub(super) fn modes(data: &Path, programs: &Path) -> BTreeMap<Pair, Mode> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(data.join("modes")) else {
        return found;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files {
        let Some(pair) = pair(&path) else { continue };
        let short = fs::metadata(&path).is_ok_and(|file| file.len() <= MAX_FILE);
        let Some(text) = short.then(|| fs::read_to_string(&path).ok()).flatten() else {
            continue;
        };
        if let Some(mode) = read(&text, data, programs) {
            found.entry(pair).or_insert(mode);
        }
    }
    found
}

/// `eng-spa.mode` is (`en`, `es`).
fn pair(path: &Path) -> Option<Pair> {
    if path.extension()? != "mode" {
        return None;
    }
    let (source, target) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((language(source)?, language(target)?))
}

fn language(name: &str) -> Option<String> {
    let plain = (2..=3).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let short = THREE_LETTERS
        .iter()
        .find_map(|(three, two)| (*three == name).then_some(*two));
    plain.then(|| short.unwrap_or(name).to_owned())
}

/// The stages of a line, if it is nothing but a pipe of installed programs.
fn read(line: &str, data: &Path, programs: &Path) -> Option<Mode> {
    let mut stages = Vec::new();
    for command in line.trim().split('|') {
        // Flush at NUL: without it a program waits for the end of its input.
        let mut arguments = vec!["-z".to_owned()];
        let mut words = command.split_whitespace();
        let name = words.next()?;
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let program = programs.join(name);
        if !plain || !program.is_file() {
            return None;
        }
        for word in words {
            match word {
                // Unknown words without a mark.
                "$1" => arguments.push("-n".to_owned()),
                "$2" => {}
                flag if is_flag(flag) => arguments.push(flag.to_owned()),
                quoted => arguments.push(file(quoted, data)?),
            }
        }
        stages.push(Stage { program, arguments });
    }
    ((1..=MAX_STAGES).contains(&stages.len())).then_some(Mode { stages })
}

fn is_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// A file in quotes, inside the folder of the pairs.
fn file(word: &str, data: &Path) -> Option<String> {
    let name = word.strip_prefix('\'')?.strip_suffix('\'')?;
    let path = Path::new(name);
    let inside = path.starts_with(data)
        && !name.contains(['\'', '\\'])
        && path
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
    (inside && path.is_file()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<Vec<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        for name in ["lt-proc", "apertium-tagger", "a.bin"] {
            fs::write(data.join(name), "").unwrap();
        }
        let line = line.replace("DATA", data.to_str().unwrap());
        let mode = read(&line, data, data)?;
        let plain = |text: &str| text.replace(data.to_str().unwrap(), "DATA");
        Some(
            mode.stages
                .into_iter()
                .map(|stage| {
                    let name = stage
                        .program
                        .file_name()
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    let arguments = stage.arguments.iter().map(|argument| plain(argument));
                    std::iter::once(name).chain(arguments).collect()
                })
                .collect(),
        )
    }

    #[test]
    fn a_mode_is_read_as_programs_and_arguments() {
        assert_eq!(
            words("lt-proc $1 'DATA/a.bin' | apertium-tagger -g $2 'DATA/a.bin'\n").unwrap(),
            [
                vec!["lt-proc", "-z", "-n", "DATA/a.bin"],
                vec!["apertium-tagger", "-z", "-g", "DATA/a.bin"],
            ]
        );
    }

    #[test]
    fn a_line_that_says_more_than_a_pipe_is_not_used() {
        for line in [
            "",
            "lt-proc 'DATA/a.bin' | ",
            "lt-proc 'DATA/a.bin'; rm x",
            "lt-proc $(id)",
            "lt-proc `id`",
            "lt-proc > DATA/out",
            "lt-proc '/etc/passwd'",
            "lt-proc 'DATA/../etc/passwd'",
            "lt-proc DATA/a.bin",
            "lt-proc 'DATA/missing.bin'",
            "/bin/sh -c x",
            "../lt-proc 'DATA/a.bin'",
            "unknown 'DATA/a.bin'",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn a_file_is_a_pair_by_its_name() {
        let of = |name: &str| pair(Path::new(name));
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(of("/m/eng-spa.mode"), both("en", "es"));
        assert_eq!(of("/m/fr-es.mode"), both("fr", "es"));
        assert_eq!(of("/m/nob-nno.mode"), both("nob", "nno"));
        for name in [
            "/m/eng-cat_valencia.mode",
            "/m/eco-es-fr.mode",
            "/m/README",
            "/m/eng-spa.txt",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
