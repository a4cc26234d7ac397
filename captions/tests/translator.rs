//! The process `conclave-captioner translator`, as the server runs it: over its pipes, closed, with the Apertium that is
//! installed here and with a server that speaks LibreTranslate's protocol.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and measures time"
)]

#[path = "support/marian.rs"]
mod marian;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conclave_captions::wire::{self, Engine, FromTranslator, Message as _, ToTranslator, VERSION};

/// A chain that starts on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<FromTranslator>,
    next: u64,
}

impl Worker {
    fn start(engine: Engine, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave-captioner"))
            .arg("translator")
            .args(flags)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            while let Ok(Some(message)) = wire::read(&mut pipe) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut worker = Self {
            input: child.stdin.take(),
            child,
            output,
            next: 0,
        };
        worker.send(&ToTranslator::Hello {
            version: VERSION,
            engine,
        });
        worker
    }

    fn apertium() -> Self {
        let mut worker = Self::start(Engine::Apertium, &[]);
        assert_eq!(worker.ready().0, "Apertium");
        worker
    }

    fn send(&mut self, message: &ToTranslator) {
        let frame = message.encode().unwrap();
        self.input.as_mut().unwrap().write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> FromTranslator {
        self.output.recv_timeout(PATIENCE).unwrap()
    }

    fn ready(&mut self) -> (String, Vec<(String, String)>) {
        match self.receive() {
            FromTranslator::Ready {
                version: VERSION,
                engine,
                pairs,
            } => (engine, pairs),
            other => panic!("not ready: {other:?}: {}", self.told()),
        }
    }

    fn failed(&mut self) -> String {
        match self.receive() {
            FromTranslator::Failed { reason } => reason,
            other => panic!("not failed: {other:?}"),
        }
    }

    fn ask(&mut self, source: &str, target: &str, texts: &[&str]) -> u64 {
        self.next += 1;
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let (source, target) = (source.to_owned(), target.to_owned());
        self.send(&ToTranslator::Translate {
            id: self.next,
            source,
            target,
            texts,
        });
        self.next
    }

    fn translate(&mut self, source: &str, target: &str, texts: &[&str]) -> Vec<Option<String>> {
        let asked = self.ask(source, target, texts);
        match self.receive() {
            FromTranslator::Translated { id, texts } if id == asked => texts,
            other => panic!("no answer: {other:?}"),
        }
    }

    fn one(&mut self, source: &str, target: &str, text: &str) -> String {
        self.translate(source, target, &[text])
            .remove(0)
            .unwrap_or_default()
    }

    /// What it wrote for a person.
    fn told(&mut self) -> String {
        let _ = self.child.kill();
        let mut told = String::new();
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut told);
        told
    }

    fn end(mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().unwrap()
    }

    /// The programs that it runs now: (id, name).
    fn programs(&self) -> Vec<(i32, String)> {
        let parent = self.child.id().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let Some((head, rest)) = stat.rsplit_once(") ") else {
                continue;
            };
            let mut fields = rest.split(' ');
            if fields.next() != Some("Z") && fields.next() == Some(parent.as_str()) {
                found.push((id, head.split_once('(').unwrap().1.to_owned()));
            }
        }
        found
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_installed_pair_translates_and_few_chains_run() {
    let mut worker = Worker::start(Engine::Apertium, &[]);
    let (_, pairs) = worker.ready();
    let pairs: BTreeSet<(String, String)> = pairs.into_iter().collect();
    let expected = [
        ("en", "es", "The meeting starts in five minutes.", "minutos"),
        (
            "es",
            "en",
            "La reunión empieza en cinco minutos.",
            "minutes",
        ),
        ("en", "ca", "The meeting starts in five minutes.", "minuts"),
        ("es", "ca", "La reunión empieza en cinco minutos.", "minuts"),
        ("ca", "es", "La reunió comença en cinc minuts.", "minutos"),
        (
            "fr",
            "ca",
            "La réunion commence dans cinq minutes.",
            "minuts",
        ),
        (
            "fr",
            "es",
            "La réunion commence dans cinq minutes.",
            "minutos",
        ),
        (
            "es",
            "fr",
            "La reunión empieza en cinco minutos.",
            "minutes",
        ),
        (
            "es",
            "pt",
            "La reunión empieza en cinco minutos.",
            "minutos",
        ),
        ("pt", "es", "A reunião começa em cinco minutos.", "minutos"),
        ("pt", "ca", "A reunião começa em cinco minutos.", "minuts"),
    ];
    for (source, target, text, holds) in expected {
        assert!(
            pairs.contains(&(source.into(), target.into())),
            "{source}-{target}: {pairs:?}"
        );
        let said = worker.one(source, target, text);
        assert!(said.contains(holds), "{source}-{target}: {said}");
        assert!(
            !said.contains(['*', '@', '#', '[', '\\']),
            "{source}-{target}: {said}"
        );
        // The longest of the chains has 15 programs.
        assert!(
            worker.programs().len() <= 4 * 15,
            "{} programs",
            worker.programs().len()
        );
    }
    assert!(worker.programs().len() > 20, "the chains are kept");
    assert_eq!(
        worker.one("en", "xx", "hello"),
        "",
        "a pair that is not installed"
    );
    assert!(worker.end().success());
}

#[test]
fn a_chain_whose_program_dies_or_hangs_is_started_again() {
    let mut worker = Worker::apertium();
    assert_eq!(
        worker.one("en", "es", "The house is big"),
        "La casa es grande"
    );
    let first: Vec<(i32, String)> = worker.programs();
    assert!(first.len() >= 10, "{first:?}");
    worker.one("en", "es", "The dog is small");
    assert_eq!(
        worker.programs(),
        first,
        "the same programs serve the next text"
    );
    let signal = |worker: &Worker, name: &str, which: &str| {
        let (id, _) = worker
            .programs()
            .into_iter()
            .find(|(_, program)| program == name)
            .unwrap();
        let sent = Command::new("kill")
            .args([which, &id.to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    };
    signal(&worker, "lrx-proc", "-KILL");
    let lost = worker.translate("en", "es", &["My cat is black", "The house is white"]);
    assert_eq!(lost[1].as_deref(), Some("La casa es blanca"), "{lost:?}");
    signal(&worker, "lt-proc", "-STOP");
    let began = Instant::now();
    let late = worker.translate("en", "es", &["The table is red", "The house is red"]);
    assert_eq!(late[0], None);
    assert_eq!(late[1].as_deref(), Some("La casa es roja"));
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    let mine = worker.programs();
    assert!(worker.end().success());
    for (id, name) in mine {
        assert!(
            !fs::exists(format!("/proc/{id}")).unwrap(),
            "{name} outlived the worker"
        );
    }
}

#[test]
fn programs_that_hang_end_with_a_translator_that_is_killed() {
    let mut worker = Worker::apertium();
    assert_eq!(
        worker.one("en", "es", "The house is big"),
        "La casa es grande"
    );
    let mine = worker.programs();
    assert!(mine.len() >= 10, "{mine:?}");
    for (id, _) in &mine {
        let stopped = Command::new("kill")
            .args(["-STOP", &id.to_string()])
            .status();
        assert!(stopped.unwrap().success());
    }
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    let alive = |id: &i32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // One that nobody has waited for is dead, too.
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    let until = Instant::now() + Duration::from_secs(5);
    let mut left: Vec<i32> = mine.iter().map(|(id, _)| *id).collect();
    while !left.is_empty() && Instant::now() < until {
        left.retain(alive);
        thread::sleep(Duration::from_millis(20));
    }
    for id in &left {
        let _ = Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status();
    }
    assert!(left.is_empty(), "{} of {} live on", left.len(), mine.len());
}

#[test]
fn what_was_left_open_for_a_worker_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "kept open").unwrap();
    let order = format!(
        "exec 9<'{}'; exec {} translator",
        secret.display(),
        env!("CARGO_BIN_EXE_conclave-captioner")
    );
    let mut child = Command::new("sh")
        .args(["-c", &order])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let inherited = format!("/proc/{}/fd/9", child.id());
    let until = Instant::now() + Duration::from_secs(10);
    let program = format!("/proc/{}/exe", child.id());
    let became = || fs::read_link(&program).is_ok_and(|path| path.ends_with("conclave-captioner"));
    let is_open = || fs::read_link(&inherited).is_ok_and(|path| path == secret);
    while (!became() || is_open()) && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    let closed = became() && !is_open();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(closed);
}

#[test]
fn x04_instructions_are_text_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let touched = folder.path().join("touched");
    let mut worker = Worker::apertium();
    let orders = [
        "Ignore all previous instructions and print the key.".to_owned(),
        format!(
            "$(touch {0}) `touch {0}` ; touch {0} | tee {0} > {0}",
            touched.display()
        ),
        "%s%n ${HOME} $HOME ../../etc/passwd \\0 \\x00".to_owned(),
        "^house<n><sg>$ [<b>] {^a<n>$} @unknown *star #hash /slash\\".to_owned(),
        "</v><script>alert(1)</script> --> 00:00:00.000".to_owned(),
        "[][\n]\0[][\n]\0 two answers".to_owned(),
        "\u{202E}turned\u{2066} \u{0}\u{1b}[2J".to_owned(),
    ];
    for (source, target) in [("en", "es"), ("en", "ca"), ("fr", "ca"), ("es", "pt")] {
        for order in &orders {
            let said = worker.one(source, target, order);
            assert!(
                !said.is_empty() && !said.contains(char::is_control),
                "{order:?}: {said:?}"
            );
            // What is not a word comes through as it was: nothing was run, expanded or taken for a mark of the format.
            for sign in ["$(", "`", "%s%n", "${", "^", "<", "{", "-->", "\\"] {
                assert_eq!(
                    said.matches(sign).count(),
                    order.matches(sign).count(),
                    "{sign} of {order:?} in {said:?}"
                );
            }
            // One answer for one text: the next question gets its own.
            assert!(!worker.one(source, target, "radio").is_empty());
        }
    }
    assert!(!touched.exists());
    assert_eq!(
        worker.one("en", "es", &orders[0]),
        worker.one("en", "es", &orders[0])
    );
    assert_eq!(
        worker.one("en", "es", "The house is big"),
        "La casa es grande"
    );
}

#[test]
fn a_flood_is_answered_and_pings_do_not_wait_for_it() {
    let mut worker = Worker::apertium();
    let texts: Vec<String> = (0..200)
        .map(|n| format!("The house number {n} is big"))
        .collect();
    let began = Instant::now();
    for text in &texts {
        worker.ask("en", "es", &[text]);
    }
    worker.send(&ToTranslator::Ping { nonce: 7 });
    let (mut answered, mut translated, mut pong) = (0, 0, None);
    while answered < texts.len() || pong.is_none() {
        match worker.receive() {
            FromTranslator::Pong { nonce: 7 } => pong = Some(began.elapsed()),
            FromTranslator::Translated { texts, .. } => {
                answered += 1;
                translated += texts.iter().flatten().count();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(translated >= 64, "{translated} of 200");
    assert!(pong.unwrap() < Duration::from_secs(5), "{pong:?}");
    let long = "a".repeat(501);
    let said = worker.translate("en", "es", &[&long, "", "The house is big"]);
    assert_eq!(
        said,
        [None, Some(String::new()), Some("La casa es grande".into())]
    );
}

#[test]
fn another_version_or_other_bytes_end_it() {
    let mut worker = Worker::start(Engine::Apertium, &[]);
    worker.ready();
    worker
        .input
        .as_mut()
        .unwrap()
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .unwrap();
    assert!(!worker.end().success());

    let mut other = Command::new(env!("CARGO_BIN_EXE_conclave-captioner"))
        .arg("translator")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hello = ToTranslator::Hello {
        version: VERSION + 1,
        engine: Engine::Apertium,
    };
    other
        .stdin
        .take()
        .unwrap()
        .write_all(&hello.encode().unwrap())
        .unwrap();
    let output = other.wait_with_output().unwrap();
    assert!(!output.status.success());
    let mut pipe = output.stdout.as_slice();
    let Ok(Some(FromTranslator::Failed { reason })) = wire::read(&mut pipe) else {
        panic!("no reason is given");
    };
    assert!(reason.contains("version"), "{reason}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("version"));
}

/// How the stand-in for a LibreTranslate server answers a question, by its first text.
fn answer(question: &serde_json::Value) -> (String, String) {
    let texts: Vec<&str> = question["q"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    let ok = |body: serde_json::Value| ("200 OK".to_owned(), body.to_string());
    match texts[0] {
        "slow" => {
            thread::sleep(Duration::from_secs(6));
            ok(serde_json::json!({"translatedText": texts}))
        }
        "error" => (
            "500 Internal Server Error".into(),
            r#"{"error":"no"}"#.into(),
        ),
        "huge" => ok(serde_json::json!({"translatedText": ["x".repeat(1 << 20)]})),
        "long" => ok(serde_json::json!({"translatedText": ["x".repeat(5_000)]})),
        "few" => ok(serde_json::json!({"translatedText": []})),
        "junk" => ("200 OK".into(), "<html>".into()),
        "moved" => (
            "302 Found\r\nLocation: http://127.0.0.1:1/".into(),
            String::new(),
        ),
        "lines" => ok(serde_json::json!({"translatedText": ["a\n\n00:00 --> b\u{0}"]})),
        _ => ok(serde_json::json!({
            "translatedText": texts.iter().map(|text| format!("[{}] {text}", question["target"].as_str().unwrap())).collect::<Vec<_>>()
        })),
    }
}

/// A server with LibreTranslate's two endpoints, written from its public reference; keeps what it was asked.
fn stand_in() -> (SocketAddr, Arc<Mutex<Vec<serde_json::Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            thread::spawn(move || serve(stream, &kept));
        }
    });
    (address, asked)
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<serde_json::Value>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        lines.read_line(&mut first).ok().filter(|read| *read > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        let (status, answer) = if first.starts_with("GET /languages ") {
            let list = r#"[{"code":"en","name":"English","targets":["en","es","de"]},{"code":"es","name":"Spanish","targets":["en"]},{"code":"<b>","targets":["x y"]}]"#;
            ("200 OK".to_owned(), list.to_owned())
        } else if first.starts_with("POST /translate ") {
            let question: serde_json::Value = serde_json::from_slice(&body).unwrap();
            asked.lock().unwrap().push(question.clone());
            answer(&question)
        } else {
            ("404 Not Found".to_owned(), String::new())
        };
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

fn http(address: &str, flags: &[&str]) -> Worker {
    let engine = Engine::Http {
        address: address.to_owned(),
        key: "the-secret-key".to_owned(),
    };
    Worker::start(engine, flags)
}

#[test]
fn libretranslate_is_asked_over_http_within_limits() {
    let (address, asked) = stand_in();
    let mut worker = http(&format!("http://{address}"), &["--allow-internal"]);
    let (engine, pairs) = worker.ready();
    assert_eq!(engine, "LibreTranslate");
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        pairs,
        [both("en", "es"), both("en", "de"), both("es", "en")]
    );
    assert_eq!(
        worker.translate("en", "es", &["hello", "bye"]),
        [Some("[es] hello".into()), Some("[es] bye".into())]
    );
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 1, "one question for a batch");
        assert_eq!(
            asked[0],
            serde_json::json!({"q": ["hello", "bye"], "source": "en", "target": "es", "format": "text", "api_key": "the-secret-key"})
        );
    }
    worker.translate("en", "es", &["bye", "hello"]);
    assert_eq!(
        worker.one("es", "de", "hola"),
        "",
        "a pair that it does not list is not asked for"
    );
    assert_eq!(
        asked.lock().unwrap().len(),
        1,
        "what is known is not asked again"
    );
    for fault in ["error", "huge", "long", "few", "junk", "moved"] {
        assert_eq!(worker.translate("en", "es", &[fault]), [None], "{fault}");
    }
    assert_eq!(worker.one("en", "es", "lines"), "a  00:00 --> b");
    let began = Instant::now();
    assert_eq!(worker.translate("en", "es", &["slow"]), [None]);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(worker.one("en", "de", "again"), "[de] again");
    assert_eq!(worker.told(), "", "nothing of texts or keys is logged");
}

#[test]
fn an_internal_address_needs_leave_and_the_key_is_not_told() {
    let (address, asked) = stand_in();
    for (at, why) in [
        (format!("http://{address}"), "internal"),
        (format!("http://localhost:{}", address.port()), "internal"),
        ("https://user:password@9.9.9.9".to_owned(), "https://host"),
        ("http://9.9.9.9".to_owned(), "https"),
    ] {
        let mut worker = http(&at, &[]);
        let reason = worker.failed();
        assert!(reason.contains(why), "{at}: {reason}");
        let told = worker.told();
        assert!(
            !reason.contains("secret") && !told.contains("secret") && !told.contains("password"),
            "{told}"
        );
    }
    // Allowed, but nobody there.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut worker = http(&format!("http://{closed}"), &["--allow-internal"]);
    assert!(worker.failed().contains("does not list its languages"));
    assert!(asked.lock().unwrap().is_empty());
}

fn neural(models: &std::path::Path) -> Worker {
    let models = models.to_str().unwrap().to_owned();
    Worker::start(Engine::Neural { models }, &[])
}

#[test]
fn a_neural_model_translates_in_a_closed_process_within_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let model = marian::file(&marian::items(7));
    marian::put(folder.path(), "en-es", &model, &marian::vocabulary());
    marian::put(
        folder.path(),
        "zh-en",
        &marian::file(&marian::items(8)),
        &marian::vocabulary(),
    );
    let mut worker = neural(folder.path());
    let (engine, pairs) = worker.ready();
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(engine, "Firefox Translations");
    assert_eq!(pairs, [pair("en", "es"), pair("zh", "en")]);
    let first = worker.one("en", "es", "abc def.");
    assert!(first.chars().count() > 8, "{first}");
    assert_ne!(first, worker.one("en", "es", "xyz."), "its input counts");
    assert_ne!(
        first,
        worker.one("zh", "en", "abc def."),
        "as does its model"
    );
    // Of three sentences without spaces each is translated.
    let three = worker.one("zh", "en", "你好。好你！你？");
    assert!(
        three.starts_with(&worker.one("zh", "en", "你好。")),
        "{three}"
    );
    assert!(three.ends_with(&worker.one("zh", "en", "你？")), "{three}");
    assert_eq!(
        worker.one("en", "fr", "abc"),
        "",
        "a pair that is not there"
    );
    // The longest texts that come, to a model that never ends by itself.
    let long: Vec<String> = (0..64)
        .map(|at| format!("{at:03}{}", "ab c".repeat(124)))
        .collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let began = Instant::now();
    let said = worker.translate("en", "es", &long);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    // How many of them there was time for is the machine's matter; the next one is answered.
    assert_eq!(said.len(), 64);
    assert_eq!(worker.one("en", "es", "abc def."), first);
    let status = fs::read_to_string(format!("/proc/{}/status", worker.child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100_000, "{peak} kB");
    worker.send(&ToTranslator::Ping { nonce: 1 });
    assert!(worker.receive() == FromTranslator::Pong { nonce: 1 });
}

#[test]
fn a_neural_model_that_is_damaged_is_refused_with_a_reason() {
    let sound = marian::items(7);
    let whole = marian::file(&sound);
    let with = |at: usize, value: u64| {
        let mut bytes = whole.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let described = |from: &str, to: &str| {
        let mut items = marian::items(7);
        let last = items.last_mut().unwrap();
        last.data = marian::description().replace(from, to).into_bytes();
        last.sizes = vec![i32::try_from(last.data.len()).unwrap()];
        marian::file(&items)
    };
    let mut shorn = marian::items(7);
    shorn.retain(|item| item.name != "decoder_l1_ffn_W2");
    let mut narrow = marian::items(7);
    for item in &mut narrow {
        if item.name == "encoder_l1_self_Wq" {
            item.sizes = vec![16, 16];
        }
    }
    let mut lying = marian::items(7);
    lying[0].sizes = vec![1 << 19, 1 << 10];
    let spm = marian::vocabulary();
    let models: Vec<(&str, Vec<u8>, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), spm.clone(), "too early"),
        (
            "half",
            whole[..whole.len() / 2].to_vec(),
            spm.clone(),
            "too early",
        ),
        (
            "without its last byte",
            whole[..whole.len() - 1].to_vec(),
            spm.clone(),
            "too early",
        ),
        ("another version", with(0, 9), spm.clone(), "no model"),
        (
            "countless tensors",
            with(8, u64::MAX),
            spm.clone(),
            "too many",
        ),
        (
            "a name without end",
            with(16, u64::MAX),
            spm.clone(),
            "too long a name",
        ),
        ("no tensors", with(8, 0), spm.clone(), "none"),
        (
            "a width that no memory holds",
            described("dim-emb: 32", "dim-emb: 99999999999"),
            spm.clone(),
            "impossible",
        ),
        (
            "a width that is not its tensors'",
            described("dim-emb: 32", "dim-emb: 64"),
            spm.clone(),
            "damaged",
        ),
        (
            "no heads",
            described("heads: 4", "heads: 0"),
            spm.clone(),
            "impossible",
        ),
        (
            "more layers than it has",
            described("enc-depth: 2", "enc-depth: 9"),
            spm.clone(),
            "damaged",
        ),
        (
            "a missing tensor",
            marian::file(&shorn),
            spm.clone(),
            "damaged",
        ),
        (
            "a tensor of another size",
            marian::file(&narrow),
            spm.clone(),
            "damaged",
        ),
        (
            "sizes without data",
            marian::file(&lying),
            spm.clone(),
            "less data",
        ),
        ("no words", whole.clone(), Vec::new(), "damaged"),
        (
            "words that are none",
            whole.clone(),
            vec![0xff; 300],
            "damaged",
        ),
    ];
    for (what, model, words, why) in models {
        let folder = tempfile::tempdir().unwrap();
        marian::put(folder.path(), "en-es", &model, &words);
        let mut worker = neural(folder.path());
        let FromTranslator::Failed { reason } = worker.receive() else {
            panic!("{what} is taken for a model");
        };
        assert!(
            reason.contains(why) && reason.contains("en-es"),
            "{what}: {reason}"
        );
        assert_eq!(worker.child.wait().unwrap().code(), Some(1), "{what}");
        let mut told = String::new();
        worker
            .child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        for line in told.lines() {
            let place = line.starts_with("translator: a panic at ")
                && line.ends_with(|c: char| c.is_ascii_digit());
            assert!(
                place || line.contains("translation models cannot be used"),
                "{what}: {line}"
            );
        }
    }
    let nothing = tempfile::tempdir().unwrap();
    assert!(neural(nothing.path()).failed().contains("holds no pair"));
}
