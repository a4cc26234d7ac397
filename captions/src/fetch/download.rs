//! Downloads one file over HTTPS: what came before a line was cut is kept and the rest asked for; the digest of the whole
//! decides.

use std::fmt;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use super::{FetchError, Folder, MAX_FILE, Part, Wanted, digest, hex, is_file_name};
use crate::models::Found;
use crate::trust;

/// How often a cut line is taken up again without a byte having come.
const TRIES: u32 = 5;
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two tries, times their number.
const PAUSE: Duration = Duration::from_millis(500);
/// The largest index.
const MAX_INDEX: u64 = 256 * 1024;
/// Publishers hand large files to other hosts of theirs.
const REDIRECTS: u32 = 5;

/// Where models come from.
pub struct Source {
    agent: Agent,
    base: String,
}

/// `models.json`: what an operator's own address has.
#[derive(Deserialize)]
struct Index {
    models: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    file: String,
    sha256: String,
    #[serde(default)]
    size: Option<u64>,
}

impl Source {
    /// An address, to which a file's name is added after a slash.
    ///
    /// # Errors
    /// It is not `https://`, nor `http://` on this machine, or the system trusts no certificate.
    pub fn new(address: &str) -> Result<Self, FetchError> {
        let wrong = || FetchError::Address(address.to_owned());
        let here = address.strip_prefix("http://").is_some_and(|rest| {
            let host = rest.split('/').next().unwrap_or(rest);
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        });
        let sound = address.bytes().all(|byte| byte.is_ascii_graphic())
            && !address.contains(['?', '#', '@', '\\']);
        if !sound || !here && !address.starts_with("https://") {
            return Err(wrong());
        }
        let mut config = Agent::config_builder()
            .https_only(!here)
            .max_redirects(if here { 0 } else { REDIRECTS })
            .http_status_as_error(false)
            .user_agent("conclave")
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        if here {
            config = config.proxy(None);
        } else {
            let trust = trust::tls().ok_or(FetchError::Line(trust::NO_ROOTS.into()))?;
            config = config.tls_config(trust);
        }
        Ok(Self {
            agent: config.build().new_agent(),
            base: address.trim_end_matches('/').to_owned(),
        })
    }

    /// What the address's own index says of a name.
    ///
    /// # Errors
    /// There is no index, or not the name in it.
    pub fn look_up(&self, name: &str) -> Result<Wanted, FetchError> {
        let missing = || FetchError::NoDigest(name.to_owned());
        let mut answer = self.get("models.json", 0).map_err(|_| missing())?;
        if answer.status() != 200 {
            return Err(missing());
        }
        let body = answer.body_mut().with_config().limit(MAX_INDEX);
        let text = body.read_to_vec().map_err(|error| line(&error))?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| FetchError::Line(format!("`models.json`: {error}")))?;
        let entry = index
            .models
            .into_iter()
            .find(|entry| entry.name == name)
            .ok_or_else(missing)?;
        if !is_file_name(&entry.file) {
            return Err(FetchError::Name(entry.file));
        }
        Ok(Wanted {
            sha256: digest(&entry.sha256)?,
            file: entry.file,
            size: entry.size,
        })
    }

    /// Fetches a file into a folder. `progress` is told how many bytes are there, of how many if that is known.
    ///
    /// # Errors
    /// See [`FetchError`]. What came of a file that was cut stays for the next time.
    pub fn fetch(
        &self,
        wanted: &Wanted,
        folder: &Folder,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(PathBuf, Found), FetchError> {
        if !is_file_name(&wanted.file) {
            return Err(FetchError::Name(wanted.file.clone()));
        }
        let part = Part::take(&folder.path(&wanted.file))?;
        let mut tries = 0;
        let mut hash = self.resume(&part)?;
        loop {
            let before = hash.1;
            match self.rest(wanted, &part, &mut hash, progress) {
                Ok(()) => break,
                Err(Cut::Whole(error)) => return Err(error),
                Err(Cut::Line(why)) => {
                    tries = if hash.1 > before { 1 } else { tries + 1 };
                    if tries >= TRIES {
                        return Err(FetchError::Line(why));
                    }
                    std::thread::sleep(PAUSE * tries);
                }
            }
        }
        let found = hex(hash.0);
        if found != wanted.sha256 {
            part.discard();
            return Err(FetchError::Wrong {
                name: wanted.file.clone(),
                found,
                wanted: wanted.sha256.clone(),
            });
        }
        part.keep()
    }

    /// The digest and length of what is there already.
    fn resume(&self, part: &Part) -> Result<(Context, u64), FetchError> {
        let mut hash = Context::new(&SHA256);
        let mut file = &part.file;
        let mut chunk = vec![0; 256 * 1024];
        let mut length = 0;
        loop {
            let count = file
                .read(&mut chunk)
                .map_err(FetchError::disk(&part.path))?;
            let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok((hash, length));
            };
            hash.update(bytes);
            length += count as u64;
        }
    }

    /// Asks for what is missing and appends it.
    fn rest(
        &self,
        wanted: &Wanted,
        part: &Part,
        hash: &mut (Context, u64),
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), Cut> {
        if wanted.size.is_some_and(|size| size == hash.1) {
            return Ok(());
        }
        let mut answer = self
            .get(&wanted.file, hash.1)
            .map_err(|error| Cut::Line(error.to_string()))?;
        let begins = match answer.status().as_u16() {
            206 => first_byte(&answer),
            200 => Some(0),
            // All is there, or more than there is.
            416 if hash.1 > 0 => {
                let whole = of_range(&answer).and_then(|(_, whole)| whole.parse().ok());
                if whole == Some(hash.1) {
                    return Ok(());
                }
                restart(part, hash)?;
                return Err(Cut::Line("the part that was there did not fit".into()));
            }
            status @ (429 | 500..) => {
                return Err(Cut::Line(format!("the server answers {status}")));
            }
            status => {
                let why = format!("the server answers {status} for `{}`", wanted.file);
                return Err(Cut::Whole(FetchError::Line(why)));
            }
        };
        if begins != Some(hash.1) {
            restart(part, hash)?;
            if begins != Some(0) {
                return Err(Cut::Line(
                    "the server sends another part than was asked for".into(),
                ));
            }
        }
        let length = answer.body().content_length().map(|length| hash.1 + length);
        let whole = wanted.size.or(length);
        let stated = length.unwrap_or(0).max(wanted.size.unwrap_or(0));
        if stated > MAX_FILE {
            return Err(Cut::Whole(FetchError::TooLarge(stated)));
        }
        if let (Some(wanted_size), Some(stated)) = (wanted.size, length)
            && wanted_size != stated
        {
            let why = format!("the server's file has {stated} bytes, the model has {wanted_size}");
            return Err(Cut::Whole(FetchError::Line(why)));
        }
        let mut body = answer.body_mut().as_reader();
        let mut file = &part.file;
        let disk = |error| Cut::Whole(FetchError::disk(&part.path)(error));
        file.seek(SeekFrom::Start(hash.1)).map_err(disk)?;
        let mut chunk = vec![0; 256 * 1024];
        loop {
            progress(hash.1, whole);
            let count = match body.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Cut::Line(error.to_string())),
            };
            let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if hash.1 + count as u64 > wanted.size.unwrap_or(MAX_FILE) {
                part.discard();
                return Err(Cut::Whole(FetchError::TooLarge(hash.1 + count as u64)));
            }
            file.write_all(bytes).map_err(disk)?;
            hash.0.update(bytes);
            hash.1 += count as u64;
        }
        match whole {
            Some(whole) if hash.1 < whole => Err(Cut::Line("the line was cut".into())),
            _ => Ok(()),
        }
    }

    fn get(&self, file: &str, from: u64) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(format!("{}/{file}", self.base));
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request.call()
    }
}

/// What ends an attempt.
enum Cut {
    /// Another may go on.
    Line(String),
    /// No other would fare better.
    Whole(FetchError),
}

fn restart(part: &Part, hash: &mut (Context, u64)) -> Result<(), Cut> {
    let emptied = part.file.set_len(0);
    emptied.map_err(|error| Cut::Whole(FetchError::disk(&part.path)(error)))?;
    *hash = (Context::new(&SHA256), 0);
    Ok(())
}

/// `Content-Range: bytes 100-199/200`: (`100-199`, `200`).
fn of_range(answer: &Response<Body>) -> Option<(&str, &str)> {
    let range = answer.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('/')
}

fn first_byte(answer: &Response<Body>) -> Option<u64> {
    of_range(answer)?.0.split_once('-')?.0.parse().ok()
}

fn line(error: &dyn fmt::Display) -> FetchError {
    FetchError::Line(error.to_string())
}
