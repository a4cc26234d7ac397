//! The caption workers: `conclave-captioner recogniser [THREADS]` and `conclave-captioner translator`. Started by the
//! server, which speaks to them over stdin and stdout (see `wire`); what they have to tell a person goes to stderr and
//! holds no speech.

use std::io::Write as _;
use std::process::ExitCode;

use conclave_captions::sandbox::{self, Demand};
use conclave_captions::{panics, recognise, translate, wire};

const USAGE: &str = "usage: conclave-captioner recogniser [THREADS] [--without-sandbox]
       conclave-captioner translator [--allow-internal] [--without-sandbox]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next();
    if kind.as_deref() == Some(sandbox::LAUNCH) {
        let error = sandbox::launch(arguments);
        return say(&format!("launch: {error}"), 1);
    }
    sandbox::close_inherited();
    let (mut threads, mut internal, mut demand) = (None, false, Demand::Whole);
    for argument in arguments {
        match (argument.as_str(), argument.parse()) {
            ("--without-sandbox", _) => demand = Demand::WhatThereIs,
            ("--allow-internal", _) => internal = true,
            (_, Ok(number)) => threads = Some(number),
            _ => return say(USAGE, 2),
        }
    }
    match kind.as_deref() {
        Some("recogniser") => recognise::process::run(threads, demand),
        Some("translator") => {
            panics::tell_place("translator");
            let options = translate::Options { internal, demand };
            match translate::serve(std::io::stdin(), std::io::stdout(), options) {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => say(
                    &format!(
                        "translator: {}",
                        wire::line(&error.to_string(), wire::MAX_REASON)
                    ),
                    1,
                ),
            }
        }
        _ => say(USAGE, 2),
    }
}

/// Tells a person, if one listens.
fn say(line: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(code)
}
