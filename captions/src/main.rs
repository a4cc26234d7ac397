//! The caption workers: `conclave-captioner recogniser [THREADS]` and `conclave-captioner translator`. Started by the
//! server, which speaks to them over stdin and stdout (see `wire`); what they have to tell a person goes to stderr and
//! holds no speech.

use std::io::Write as _;
use std::process::ExitCode;

use conclave_captions::recognise;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next();
    let threads = arguments.next().and_then(|threads| threads.parse().ok());
    match kind.as_deref() {
        Some("recogniser") => recognise::process::run(threads),
        _ => {
            // Where nobody listens to stderr there is nobody to tell.
            let _ = writeln!(
                std::io::stderr(),
                "usage: conclave-captioner recogniser [THREADS] | translator"
            );
            ExitCode::from(2)
        }
    }
}
