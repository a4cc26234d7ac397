//! Models are fetched from a real server on this machine: whole, cut, resumed, wrong; and added from files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use conclave_captions::fetch::{FetchError, Folder, Source, Wanted};
use conclave_captions::models::fuzz::smallest;
use conclave_captions::models::{KNOWN, ModelFault};

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How the server answers a request; the last way stays.
#[derive(Clone, Debug)]
enum Way {
    /// As it should.
    Well,
    /// As if the request named no range.
    Whole,
    /// Closes the connection after this many bytes of the body.
    Cut(usize),
    /// Says nothing of the length and closes after this many bytes.
    Endless(usize),
    /// Sends bytes from another place than asked.
    Elsewhere,
    Status(&'static str),
}

struct Server {
    address: SocketAddr,
    /// `Range` of every request for the file.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn start(file: Vec<u8>, index: &str, ways: &[Way]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&ranges);
        let mut ways: VecDeque<Way> = ways.iter().cloned().collect();
        let index = index.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &file, &index, &mut ways, &kept);
            }
        });
        Self { address, ranges }
    }

    fn source(&self) -> Source {
        Source::new(&format!("http://{}", self.address)).unwrap()
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.ranges.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    file: &[u8],
    index: &str,
    ways: &mut VecDeque<Way>,
    ranges: &Mutex<Vec<Option<String>>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range:") {
            range = Some(value.trim().to_owned());
        }
    }
    if first.starts_with("GET /models.json ") {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            index.len()
        );
        stream.write_all(head.as_bytes())?;
        return stream.write_all(index.as_bytes());
    }
    if !first.starts_with("GET /model.bin ") {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    ranges.lock().unwrap().push(range.clone());
    let from: usize = range.map_or(0, |range| {
        range
            .strip_prefix("bytes=")
            .unwrap()
            .strip_suffix('-')
            .unwrap()
            .parse()
            .unwrap()
    });
    let way = if ways.len() > 1 {
        ways.pop_front().unwrap()
    } else {
        ways[0].clone()
    };
    let all = file.len();
    let partial = |from: usize| {
        format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{all}\r\nContent-Length: {}",
            all - 1,
            all - from
        )
    };
    let whole = format!("200 OK\r\nContent-Length: {all}");
    let (head, body) = match way {
        Way::Status(status) => (format!("{status}\r\nContent-Length: 0"), &file[..0]),
        Way::Whole => (whole, file),
        Way::Endless(count) => ("200 OK".to_owned(), &file[..count]),
        Way::Elsewhere => {
            let other = (from + 1).min(all - 1);
            (partial(other), &file[other..])
        }
        Way::Cut(count) if from == 0 => (whole, &file[..count]),
        Way::Cut(count) => (partial(from), &file[from..all.min(from + count)]),
        Way::Well if from >= all && from > 0 => (
            format!(
                "416 Range Not Satisfiable\r\nContent-Range: bytes */{all}\r\nContent-Length: 0"
            ),
            &file[..0],
        ),
        Way::Well if from > 0 => (partial(from), &file[from..]),
        Way::Well => (whole, file),
    };
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    stream.write_all(body)
}

fn wanted(file: &[u8]) -> Wanted {
    Wanted::given("model.bin", &sha256(file)).unwrap()
}

fn fetch(
    server: &Server,
    wanted: &Wanted,
    folder: &Path,
) -> Result<Vec<(u64, Option<u64>)>, FetchError> {
    let mut told = Vec::new();
    let folder = Folder::open(folder)?;
    let (path, found) = server
        .source()
        .fetch(wanted, &folder, &mut |done, of| told.push((done, of)))?;
    assert_eq!(path, folder.path("model.bin"));
    assert_eq!(found.size, fs::metadata(&path).unwrap().len());
    Ok(told)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_model_is_fetched_whole() {
    let file = smallest();
    let server = Server::start(file.clone(), "", &[Way::Well]);
    let folder = tempfile::tempdir().unwrap();
    let told = fetch(&server, &wanted(&file), folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("model.bin")).unwrap(), file);
    assert_eq!(names(folder.path()), ["model.bin"]);
    let all = Some(file.len() as u64);
    assert_eq!(told.first(), Some(&(0, all)));
    assert_eq!(told.last(), Some(&(file.len() as u64, all)));
    assert!(told.is_sorted());
    assert_eq!(
        Folder::open(folder.path()).unwrap().models(),
        [("model.bin".to_owned(), file.len() as u64)]
    );
}

#[test]
fn a_line_that_is_cut_is_taken_up_where_it_broke() {
    let file = smallest();
    let server = Server::start(
        file.clone(),
        "",
        &[
            Way::Cut(500_000),
            Way::Status("503 Busy"),
            Way::Cut(300_000),
            Way::Well,
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    fetch(&server, &wanted(&file), folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("model.bin")).unwrap(), file);
    let ranges = server.ranges();
    let from = |n: usize| {
        ranges[n].as_ref().map(|range| {
            range
                .trim_start_matches("bytes=")
                .trim_end_matches('-')
                .parse::<usize>()
                .unwrap()
        })
    };
    assert_eq!(ranges.len(), 4, "{ranges:?}");
    assert_eq!(from(0), None);
    assert_eq!(from(1), Some(500_000));
    assert_eq!(from(2), Some(500_000));
    assert_eq!(from(3), Some(800_000));
}

#[test]
fn what_an_earlier_run_left_is_used() {
    let file = smallest();
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("model.bin.part");
    fs::write(&part, &file[..1_000_000]).unwrap();
    let server = Server::start(file.clone(), "", &[Way::Well]);
    fetch(&server, &wanted(&file), folder.path()).unwrap();
    assert_eq!(server.ranges(), [Some("bytes=1000000-".to_owned())]);
    // All of it was there.
    fs::rename(folder.path().join("model.bin"), &part).unwrap();
    fetch(&server, &wanted(&file), folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["model.bin"]);
    // More than all of it, and a server that knows no ranges or sends other ones.
    for ways in [
        &[Way::Well][..],
        &[Way::Whole],
        &[Way::Elsewhere, Way::Well],
    ] {
        let server = Server::start(file.clone(), "", ways);
        fs::write(&part, [&file[..], b"more"].concat()).unwrap();
        fetch(&server, &wanted(&file), folder.path()).unwrap();
        assert_eq!(
            fs::read(folder.path().join("model.bin")).unwrap(),
            file,
            "{ways:?}"
        );
    }
}

#[test]
fn what_is_not_the_model_is_not_kept() {
    let file = smallest();
    let folder = tempfile::tempdir().unwrap();
    let nothing_left = |error: &FetchError| assert_eq!(names(folder.path()), [""; 0], "{error}");
    // Another file than the digest names.
    let server = Server::start(file.clone(), "", &[Way::Well]);
    let error = fetch(
        &server,
        &Wanted::given("model.bin", &"0".repeat(64)).unwrap(),
        folder.path(),
    )
    .unwrap_err();
    assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
    nothing_left(&error);
    // The right digest of something that is no model.
    let page = b"<html>sign in</html>".to_vec();
    let server = Server::start(page.clone(), "", &[Way::Well]);
    let error = fetch(&server, &wanted(&page), folder.path()).unwrap_err();
    assert!(
        matches!(error, FetchError::Fault(ModelFault::Magic)),
        "{error}"
    );
    nothing_left(&error);
    // A part that someone changed, and whose rest fits it.
    fs::write(folder.path().join("model.bin.part"), vec![7; 1_000]).unwrap();
    let server = Server::start(file.clone(), "", &[Way::Well]);
    let error = fetch(&server, &wanted(&file), folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
    nothing_left(&error);
    // More bytes than were stated.
    let mut sized = wanted(&file);
    sized.size = Some(1_000);
    let server = Server::start(file.clone(), "", &[Way::Endless(5_000)]);
    let error = fetch(&server, &sized, folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error}");
    nothing_left(&error);
    let server = Server::start(file.clone(), "", &[Way::Well]);
    let error = fetch(&server, &sized, folder.path()).unwrap_err();
    assert!(error.to_string().contains("has 1000"), "{error}");
}

#[test]
fn a_server_that_does_not_have_it_or_never_finishes_is_left() {
    let file = smallest();
    let folder = tempfile::tempdir().unwrap();
    for (way, why, asked) in [
        (Way::Status("404 Not Found"), "404", 1),
        (
            Way::Status("302 Found\r\nLocation: http://127.0.0.1:1/model.bin"),
            "",
            1,
        ),
        (Way::Status("500 Oh"), "500", 5),
        (Way::Cut(0), "", 5),
    ] {
        let server = Server::start(file.clone(), "", std::slice::from_ref(&way));
        let error = fetch(&server, &wanted(&file), folder.path()).unwrap_err();
        assert!(
            matches!(error, FetchError::Line(_)) && error.to_string().contains(why),
            "{way:?}: {error}"
        );
        assert!(
            server.ranges().len() <= asked,
            "{way:?}: {:?}",
            server.ranges()
        );
        assert!(!folder.path().join("model.bin").exists());
    }
}

#[test]
fn one_file_is_fetched_once_at_a_time() {
    let file = smallest();
    let folder = tempfile::tempdir().unwrap();
    let other = fs::File::create(folder.path().join("model.bin.part")).unwrap();
    other.lock().unwrap();
    let server = Server::start(file.clone(), "", &[Way::Well]);
    let error = fetch(&server, &wanted(&file), folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::Busy(_)), "{error}");
}

#[test]
fn an_index_of_the_operator_names_other_models() {
    let file = smallest();
    let index = format!(
        r#"{{"models":[{{"name":"ours","file":"model.bin","sha256":"{}","size":{}}},{{"name":"out","file":"../x.bin","sha256":"{}"}},{{"name":"bad","file":"x.bin","sha256":"12"}}]}}"#,
        sha256(&file).to_uppercase(),
        file.len(),
        "0".repeat(64)
    );
    let server = Server::start(file, &index, &[Way::Well]);
    let found = server.source().look_up("ours").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fetch(&server, &found, folder.path()).unwrap();
    assert!(matches!(
        server.source().look_up("out"),
        Err(FetchError::Name(_))
    ));
    assert!(matches!(
        server.source().look_up("bad"),
        Err(FetchError::Digest)
    ));
    assert!(matches!(
        server.source().look_up("theirs"),
        Err(FetchError::NoDigest(_))
    ));
    let none = Server::start(Vec::new(), "[]", &[Way::Well]);
    assert!(matches!(
        none.source().look_up("ours"),
        Err(FetchError::Line(_))
    ));
}

#[test]
fn only_https_or_this_machine_is_asked() {
    for address in [
        "http://example.org",
        "http://127.0.0.1.example.org",
        "ftp://x",
        "",
        "https://user@x",
        "http://localhost@x/",
        "file:///etc",
        "https://x?y",
    ] {
        assert!(
            matches!(Source::new(address), Err(FetchError::Address(_))),
            "{address}"
        );
    }
    for address in [
        "https://example.org/models/",
        "http://localhost:8000",
        "http://127.0.0.1:1/x",
        "http://[::1]:80",
    ] {
        assert!(Source::new(address).is_ok(), "{address}");
    }
    for name in [
        "../up",
        "/etc/passwd",
        ".hidden",
        "-flag",
        "a b",
        "x.part",
        "",
        "a/b",
    ] {
        assert!(
            matches!(
                Wanted::given(name, &"0".repeat(64)),
                Err(FetchError::Name(_))
            ),
            "{name}"
        );
    }
    assert!(matches!(
        Wanted::given("x.bin", "beef"),
        Err(FetchError::Digest)
    ));
    assert_eq!(Wanted::known("tiny").unwrap().file, KNOWN[0].file);
}

#[test]
fn a_file_is_added_after_it_was_checked() {
    let file = smallest();
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let folder = Folder::open(&to.path().join("models")).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = from.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (path, found) = folder.add(&put("mine.bin", &file), None).unwrap();
    assert_eq!(fs::read(path).unwrap(), file);
    assert_eq!(found.layers, 1);
    folder
        .add(&put("mine.bin", &file), Some(&sha256(&file)))
        .unwrap();
    let error = folder
        .add(&put("mine.bin", &file), Some(&"1".repeat(64)))
        .unwrap_err();
    assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
    let error = folder
        .add(&put("short.bin", &file[..file.len() - 1]), None)
        .unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    // What calls itself a known model must be that one.
    let error = folder.add(&put(KNOWN[0].file, &file), None).unwrap_err();
    assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
    assert!(folder.add(&from.path().join("missing.bin"), None).is_err());
    assert_eq!(
        folder.models(),
        [("mine.bin".to_owned(), file.len() as u64)]
    );
}
