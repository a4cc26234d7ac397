//! What a closed worker cannot do, tried by real processes: this program starts itself, the child closes itself as a worker
//! does and then tries to break out. Without a test harness, whose threads could not be closed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says so"
)]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use conclave_captions::sandbox::{self, Demand, Reach, SandboxError};
use conclave_captions::translate::Translator as _;
use conclave_captions::translate::apertium::Apertium;

/// What the children try, and whether a recogniser, an HTTP translator and one of Apertium may.
const ATTEMPTS: &[Attempt] = &[
    Attempt {
        what: "read its model",
        may: [true, false, false],
        attempt: |given| read(&given.model),
    },
    Attempt {
        what: "compute in a new thread",
        may: [true; 3],
        attempt: |_| thread(),
    },
    Attempt {
        what: "read /etc/passwd",
        may: [false; 3],
        attempt: |_| read(Path::new("/etc/passwd")),
    },
    Attempt {
        what: "read its own memory",
        may: [false; 3],
        attempt: |_| read(Path::new("/proc/self/maps")),
    },
    Attempt {
        what: "read its environment",
        may: [false; 3],
        attempt: |_| read(Path::new("/proc/self/environ")),
    },
    Attempt {
        what: "read beside its model",
        may: [false; 3],
        attempt: |given| read(&given.secret),
    },
    Attempt {
        what: "list a folder",
        may: [false; 3],
        attempt: |_| list("/"),
    },
    Attempt {
        what: "write a file",
        may: [false; 3],
        attempt: |given| write(&given.folder.join("new")),
    },
    Attempt {
        what: "write into its model",
        may: [false; 3],
        attempt: |given| write(&given.model),
    },
    Attempt {
        what: "remove its model",
        may: [false; 3],
        attempt: |given| given.remove(),
    },
    Attempt {
        what: "run a program",
        may: [false; 3],
        attempt: |_| run("/bin/true"),
    },
    Attempt {
        what: "run a shell",
        may: [false; 3],
        attempt: |_| run("/bin/sh"),
    },
    Attempt {
        // What becomes one of the programs, as closed as whoever starts it.
        what: "run itself",
        may: [false, false, true],
        attempt: |_| run("/proc/self/exe"),
    },
    Attempt {
        what: "run lt-proc",
        may: [false, false, true],
        attempt: |_| run("/usr/bin/lt-proc"),
    },
    Attempt {
        what: "read a library that nothing needs",
        may: [false; 3],
        attempt: |_| read(&unneeded()),
    },
    Attempt {
        what: "list Apertium's folder",
        may: [false; 3],
        attempt: |_| list("/usr/share/apertium"),
    },
    Attempt {
        what: "make a pipe larger",
        may: [false; 3],
        attempt: |_| calls::larger_pipe(),
    },
    Attempt {
        what: "connect to the port",
        may: [false, true, false],
        attempt: |given| connect(given.port),
    },
    Attempt {
        what: "connect to another port",
        may: [false; 3],
        attempt: |given| connect(given.other),
    },
    Attempt {
        what: "listen",
        may: [false; 3],
        attempt: |_| TcpListener::bind("127.0.0.1:0").is_ok(),
    },
    Attempt {
        what: "send datagrams",
        may: [false; 3],
        attempt: |_| UdpSocket::bind("127.0.0.1:0").is_ok(),
    },
    Attempt {
        what: "connect to a Unix socket",
        may: [false; 3],
        attempt: |given| UnixStream::connect(given.folder.join("socket")).is_ok(),
    },
    Attempt {
        what: "make a pair of sockets",
        may: [false; 3],
        attempt: |_| UnixDatagram::pair().is_ok(),
    },
    Attempt {
        what: "trace a process",
        may: [false; 3],
        attempt: |_| calls::be_traced(),
    },
    Attempt {
        what: "look into another process",
        may: [false; 3],
        attempt: |_| calls::memory_of_parent(),
    },
    Attempt {
        what: "kill the server",
        may: [false; 3],
        attempt: |_| calls::signal_parent(),
    },
    Attempt {
        what: "make a name space",
        may: [false; 3],
        attempt: |_| calls::unshare(),
    },
    Attempt {
        what: "raise its limits",
        may: [false; 3],
        attempt: |_| calls::more_files(),
    },
    Attempt {
        what: "be traced or dumped",
        may: [false; 3],
        attempt: |_| calls::dumpable(),
    },
    Attempt {
        what: "take all memory",
        may: [false; 3],
        attempt: |_| calls::memory(6 << 30),
    },
];

struct Attempt {
    what: &'static str,
    may: [bool; 3],
    attempt: fn(&Given) -> bool,
}

/// What a child is given, and what it must not reach.
struct Given {
    folder: PathBuf,
    model: PathBuf,
    secret: PathBuf,
    port: u16,
    other: u16,
}

impl Given {
    fn new(folder: &Path, port: u16, other: u16) -> Self {
        Self {
            folder: folder.into(),
            model: folder.join("model.bin"),
            secret: folder.join("secret"),
            port,
            other,
        }
    }

    fn remove(&self) -> bool {
        fs::remove_file(&self.model).is_ok()
    }
}

fn read(path: &Path) -> bool {
    let mut byte = [0];
    File::open(path).is_ok_and(|mut file| file.read(&mut byte).is_ok())
}

/// Of the machine, but not of translating: this test finds it because it is installed with `make setup`.
fn unneeded() -> PathBuf {
    let folder = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    ["libcrypt.so.1", "libresolv.so.2", "libutil.so.1"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .unwrap()
}

fn list(path: &str) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

fn write(path: &Path) -> bool {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .is_ok_and(|mut file| file.write_all(b"x").is_ok())
}

fn run(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}

fn connect(port: u16) -> bool {
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&to, Duration::from_secs(2)).is_ok()
}

fn thread() -> bool {
    let thread = std::thread::Builder::new().spawn(|| (0..1_000_000_u64).sum::<u64>());
    thread.is_ok_and(|thread| thread.join().unwrap() == 499_999_500_000)
}

/// System calls that the standard library does not make.
mod calls {
    use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};

    fn parent() -> Pid {
        rustix::process::getppid().unwrap()
    }

    /// What the child of a debugger does first.
    pub(super) fn be_traced() -> bool {
        nix::sys::ptrace::traceme().is_ok()
    }

    pub(super) fn memory_of_parent() -> bool {
        let path = format!("/proc/{}/maps", parent().as_raw_nonzero());
        std::fs::read(path).is_ok()
    }

    pub(super) fn signal_parent() -> bool {
        rustix::process::kill_process(parent(), Signal::CONT).is_ok()
    }

    pub(super) fn unshare() -> bool {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).is_ok()
    }

    pub(super) fn more_files() -> bool {
        let limit = Rlimit {
            current: Some(64),
            maximum: Some(64),
        };
        rustix::process::setrlimit(Resource::Nofile, limit).is_ok()
    }

    pub(super) fn dumpable() -> bool {
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).is_ok()
    }

    pub(super) fn larger_pipe() -> bool {
        let (reader, _writer) = std::io::pipe().unwrap();
        nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 17)).is_ok()
    }

    pub(super) fn memory(bytes: usize) -> bool {
        Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
    }
}

fn child(kind: &str, given: &Given) -> Result<(), SandboxError> {
    let _closed = match kind {
        // The control: what an ordinary process can do, a closed one is shown not to.
        "ordinary" => None,
        "recogniser" => Some(sandbox::recogniser(&given.model, 1 << 30, Demand::Whole)?),
        "http" => {
            let at = SocketAddr::from(([127, 0, 0, 1], given.port));
            Some(sandbox::translator(&Reach::Address(at), Demand::Whole)?)
        }
        "apertium" => {
            let mut apertium = Apertium::installed().unwrap();
            let closed = sandbox::translator(&apertium.reach(), Demand::Whole)?;
            let said =
                apertium.translate(&["the house is big"], "en", "es", Duration::from_secs(20));
            println!(
                "translated\t{}",
                said == [Some("La casa es grande".to_owned())]
            );
            Some(closed)
        }
        "threads" => {
            let (_keep, wait) = std::sync::mpsc::channel::<()>();
            std::thread::spawn(move || wait.recv());
            match sandbox::recogniser(&given.model, 1 << 30, Demand::Whole) {
                Err(SandboxError::Threads(2)) => {}
                other => panic!("with two threads: {other:?}"),
            }
            return Ok(());
        }
        other => panic!("no child `{other}`"),
    };
    for attempt in ATTEMPTS {
        println!("{}\t{}", attempt.what, (attempt.attempt)(given));
    }
    println!("done\ttrue");
    Ok(())
}

/// Starts a child and returns what it says of each attempt.
fn outcomes(kind: &str, folder: &Path, port: u16, other: u16) -> Vec<(String, bool)> {
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args(["child", kind])
        .arg(folder)
        .args([port.to_string(), other.to_string()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {}: {told}", output.status);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(what, done)| (what.to_owned(), done == "true"))
        .collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((sandbox::LAUNCH, words)) = arguments
        .split_first()
        .map(|(first, words)| (first.as_str(), words))
    {
        panic!("{}", sandbox::launch(words.iter().cloned()));
    }
    if arguments == ["--version"] {
        // One of the attempts.
        return ExitCode::SUCCESS;
    }
    if let [mode, kind, folder, port, other] = arguments.as_slice()
        && mode == "child"
    {
        let given = Given::new(
            Path::new(folder),
            port.parse().unwrap(),
            other.parse().unwrap(),
        );
        return match child(kind, &given) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => panic!("{error}"),
        };
    }
    let folder = tempfile::tempdir().unwrap();
    let given = Given::new(folder.path(), 0, 0);
    fs::write(&given.model, "a model").unwrap();
    fs::write(&given.secret, "a secret").unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [port, other] = listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap().port());

    let (mut passed, mut failed) = (0, 0);
    let mut check = |name: String, right: bool| {
        println!("test {name} ... {}", if right { "ok" } else { "FAILED" });
        if right {
            passed += 1;
        } else {
            failed += 1;
        }
    };
    let control = tempfile::tempdir().unwrap();
    fs::write(control.path().join("model.bin"), "a model").unwrap();
    fs::write(control.path().join("secret"), "a secret").unwrap();
    let _other_socket = UnixListener::bind(control.path().join("socket")).unwrap();
    for (what, done) in outcomes("ordinary", control.path(), port, other) {
        check(format!("ordinary processes can {what}"), done);
    }
    for (n, kind) in ["recogniser", "http", "apertium"].into_iter().enumerate() {
        let outcomes = outcomes(kind, folder.path(), port, other);
        let of = |what: &str| {
            outcomes
                .iter()
                .find_map(|(name, done)| (name == what).then_some(*done))
        };
        for attempt in ATTEMPTS {
            let may = attempt.may.into_iter().nth(n).unwrap();
            let word = if may { "may" } else { "cannot" };
            check(
                format!("{kind} {word} {}", attempt.what),
                of(attempt.what) == Some(may),
            );
        }
        check(format!("{kind} lived to the end"), of("done") == Some(true));
        if kind == "apertium" {
            check(
                "apertium translates behind the wall".into(),
                of("translated") == Some(true),
            );
        }
    }
    outcomes("threads", folder.path(), port, other);
    check("a process with threads is not called closed".into(), true);
    check(
        "nothing was written".into(),
        fs::read(&given.model).unwrap() == b"a model",
    );
    // As libtest says it, so that whoever counts tests counts these.
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
