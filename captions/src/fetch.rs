//! Model files on this machine: fetches one by name, takes one from a file, lists what is there. What is kept under its
//! name has the digest that was stated and passed [`check`]; until then it is called `….part`. Asks no one but the
//! address it is given.

mod download;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::models::{Found, KNOWN, ModelFault, check, known};

pub use download::Source;

/// The largest file that is fetched or added: twice the largest Whisper model.
pub const MAX_FILE: u64 = 8 << 30;

/// Why a model was not fetched or added. Nothing is left under its name then.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name is neither known nor one that a file could have.
    #[error(
        "`{0}` is not a model: see `conclave captions models`, or give a name of letters, digits, `.`, `-` and `_`"
    )]
    Name(String),
    /// No digest is known for the name.
    #[error(
        "no SHA-256 is known for `{0}`: give it with --sha256, or list it in `models.json` at the models' address"
    )]
    NoDigest(String),
    /// The digest is not 64 hexadecimal digits.
    #[error("a SHA-256 has 64 hexadecimal digits")]
    Digest,
    /// The address is not `https://…`, nor `http://` on this machine.
    #[error(
        "`{0}` is not an address for models: it must begin with https:// (http:// only on this machine)"
    )]
    Address(String),
    /// The server answered otherwise, or the line failed for good.
    #[error("the file could not be fetched: {0}")]
    Line(String),
    /// The file is not the one that was meant.
    #[error("the file is not `{name}`: its SHA-256 is {found}, it must be {wanted}")]
    Wrong {
        /// Which was meant.
        name: String,
        /// Of what came.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// It is larger than any model.
    #[error("the file has {0} bytes, more than any model")]
    TooLarge(u64),
    /// Its content is no model that whisper.cpp may be given.
    #[error(transparent)]
    Fault(#[from] ModelFault),
    /// Another fetch of the same file runs.
    #[error("`{0}` is being fetched already")]
    Busy(PathBuf),
    /// The disk.
    #[error("`{path}`: {error}")]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
}

impl FetchError {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Disk {
            path: path.into(),
            error,
        }
    }
}

/// A file to be fetched or kept: what it is called and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the file.
    pub file: String,
    /// Its digest in lower case.
    pub sha256: String,
    /// Its size, where it was stated.
    pub size: Option<u64>,
}

impl Wanted {
    /// A name with a digest given by hand.
    ///
    /// # Errors
    /// The name or the digest is none.
    pub fn given(name: &str, sha256: &str) -> Result<Self, FetchError> {
        let file = known(name).map_or_else(|| name.to_owned(), |known| known.file.to_owned());
        if !is_file_name(&file) {
            return Err(FetchError::Name(name.to_owned()));
        }
        Ok(Self {
            file,
            sha256: digest(sha256)?,
            size: None,
        })
    }

    /// A name whose digest is known for sure.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        known(name).map(|known| Self {
            file: known.file.to_owned(),
            sha256: known.sha256.to_owned(),
            size: Some(known.size),
        })
    }
}

/// A digest in lower case, if it is one.
pub(crate) fn digest(text: &str) -> Result<String, FetchError> {
    let sound = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound
        .then(|| text.to_ascii_lowercase())
        .ok_or(FetchError::Digest)
}

/// A name without a folder, not hidden, not that of an unfinished file.
pub(crate) fn is_file_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && !name.ends_with(PART)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// What an unfinished file ends with.
pub(crate) const PART: &str = ".part";

/// A folder of models.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// The disk.
    pub fn open(path: &Path) -> Result<Self, FetchError> {
        fs::create_dir_all(path).map_err(FetchError::disk(path))?;
        Ok(Self(path.into()))
    }

    /// The folder as it is, which may be nowhere.
    #[must_use]
    pub fn there(path: &Path) -> Self {
        Self(path.into())
    }

    /// Where a file of this name is or will be.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// The models that are there: known ones by their size, others by their content.
    #[must_use]
    pub fn models(&self) -> Vec<(String, u64)> {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let mut found: Vec<(String, u64)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let size = entry.metadata().ok().filter(fs::Metadata::is_file)?.len();
                let model = is_file_name(&name)
                    && (KNOWN
                        .iter()
                        .any(|known| known.file == name && known.size == size)
                        || check_file(&entry.path()).is_ok());
                model.then_some((name, size))
            })
            .collect();
        found.sort();
        found
    }

    /// Copies a file here, for machines without a line. Without a digest its content alone is checked, unless its name and
    /// size are those of a known model: then it must be that.
    ///
    /// # Errors
    /// It is no model, or not the one that was meant.
    pub fn add(&self, from: &Path, sha256: Option<&str>) -> Result<(PathBuf, Found), FetchError> {
        let name = from
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !is_file_name(name) {
            return Err(FetchError::Name(name.to_owned()));
        }
        let mut file = File::open(from).map_err(FetchError::disk(from))?;
        let size = file.metadata().map_err(FetchError::disk(from))?.len();
        if size > MAX_FILE {
            return Err(FetchError::TooLarge(size));
        }
        let wanted = match sha256 {
            Some(given) => Some(digest(given)?),
            None => KNOWN
                .iter()
                .find(|known| known.file == name)
                .map(|known| known.sha256.to_owned()),
        };
        let part = Part::take(&self.path(name))?;
        part.file.set_len(0).map_err(FetchError::disk(&part.path))?;
        let mut hash = Context::new(&SHA256);
        let mut chunk = vec![0; 256 * 1024];
        let mut out = &part.file;
        let mut left = MAX_FILE;
        loop {
            let count = file.read(&mut chunk).map_err(FetchError::disk(from))?;
            let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            left = left
                .checked_sub(count as u64)
                .ok_or(FetchError::TooLarge(MAX_FILE + 1))?;
            hash.update(bytes);
            out.write_all(bytes).map_err(FetchError::disk(&part.path))?;
        }
        let found = hex(hash);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            part.discard();
            let name = name.to_owned();
            return Err(FetchError::Wrong {
                name,
                found,
                wanted,
            });
        }
        part.keep()
    }
}

/// An unfinished file, ours alone while it is held.
pub(crate) struct Part {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    target: PathBuf,
}

impl Part {
    pub(crate) fn take(target: &Path) -> Result<Self, FetchError> {
        let mut path = target.as_os_str().to_owned();
        path.push(PART);
        let path = PathBuf::from(path);
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(FetchError::disk(&path))?;
        file.try_lock()
            .map_err(|_| FetchError::Busy(target.into()))?;
        Ok(Self {
            file,
            path,
            target: target.into(),
        })
    }

    /// Removes it: what is in it is of no use.
    pub(crate) fn discard(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Gives it its name, once its content is that of a model and on the disk.
    pub(crate) fn keep(self) -> Result<(PathBuf, Found), FetchError> {
        let found = match check_file(&self.path) {
            Ok(found) => found,
            Err(error) => {
                self.discard();
                return Err(error);
            }
        };
        self.file.sync_all().map_err(FetchError::disk(&self.path))?;
        fs::rename(&self.path, &self.target).map_err(FetchError::disk(&self.target))?;
        if let Some(folder) = self.target.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(FetchError::disk(folder))?;
        }
        Ok((self.target, found))
    }
}

/// [`check`], of a file on the disk.
///
/// # Errors
/// It cannot be read or is no model.
pub fn check_file(path: &Path) -> Result<Found, FetchError> {
    let file = File::open(path).map_err(FetchError::disk(path))?;
    Ok(check(BufReader::with_capacity(256 * 1024, file))?)
}

pub(crate) fn hex(hash: Context) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in hash.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
