//! The command line: `conclave serve`, `conclave config check`, `conclave audit verify`. Reads the settings, starts the
//! server, and says in plain words what is wrong when it cannot.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use conclave::config::{Config, LogFormat};
use conclave::server::compose;
use conclave::telemetry;

/// A moderated meeting server in which nobody is heard, seen or let in without a permit.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Where),
    /// Look at the settings.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Look at the audit trail.
    Audit {
        #[command(subcommand)]
        what: AuditCommand,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the settings and explain every error with its key.
    Check(Where),
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Read the whole audit trail and find any row that was edited, dropped or swapped.
    Verify(Where),
}

#[derive(Args)]
struct Where {
    /// The settings file (TOML). Without it the defaults and the environment hold.
    #[arg(long, env = "CONCLAVE_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder, over the settings.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The address for HTTPS, over the settings; media uses the same port over UDP.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

impl Where {
    fn read(&self) -> anyhow::Result<Config> {
        let mut config = Config::read(self.config.as_deref(), std::env::vars())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        if let Some(listen) = self.listen {
            config.listen = listen;
            config.media.listen = vec![listen];
        }
        Ok(config)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(place) => {
            let config = place.read()?;
            telemetry::log(config.log.format == LogFormat::Json, &config.log.filter)
                .map_err(anyhow::Error::msg)?;
            runtime()?.block_on(compose::serve(config, say))
        }
        Command::Config {
            what: ConfigCommand::Check(place),
        } => {
            let config = place.read()?;
            say(&format!(
                "the settings are in order: data in `{}`, listening on {}",
                config.data.display(),
                config.listen
            ));
            Ok(())
        }
        Command::Audit {
            what: AuditCommand::Verify(place),
        } => {
            let config = place.read()?;
            let report = runtime()?.block_on(compose::verify_audit(&config))?;
            match report.first_bad {
                None => say(&format!(
                    "{} rows, every link of the chain holds",
                    report.rows
                )),
                Some(row) => anyhow::bail!("row {row} is altered, missing or out of place"),
            }
            Ok(())
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

#[expect(
    clippy::print_stdout,
    reason = "the command line is the one place that speaks to a terminal"
)]
fn say(text: &str) {
    println!("{text}");
}
