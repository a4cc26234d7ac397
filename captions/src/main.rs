//! The caption workers: `conclave-captioner recogniser` and `conclave-captioner translator`. Started by the server, which
//! speaks to them over stdin and stdout (see `wire`); what they have to tell a person goes to stderr and holds no speech.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let kind = std::env::args().nth(1);
    match kind.as_deref() {
        _ => {
            // Where nobody listens to stderr there is nobody to tell.
            let _ = writeln!(
                std::io::stderr(),
                "usage: conclave-captioner recogniser|translator"
            );
            ExitCode::from(2)
        }
    }
}
