//! The command line: `conclave serve`, `conclave config`, `conclave policy`, `conclave audit`, `conclave store`,
//! `conclave accounts`, `conclave api-keys`,
//! `conclave keys`, `conclave sessions`, `conclave captions`. Reads the
//! settings, starts the server, and says in plain words what is wrong when it cannot.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use conclave::auth::reset::ByHand;
use conclave::clock::Timestamp;
use conclave::config::{Config, LogFormat};
use conclave::ids::{ApiKeyId, RoomId};
use conclave::server::compose;
use conclave::server::emergency;
use conclave::server::factor;
use conclave::server::models::Models;
use conclave::server::people;
use conclave::server::policy::{self, Examined, Question};
use conclave::server::programs;
use conclave::server::storage;
use conclave::store::trail::AuditFilter;
use conclave::telemetry;
use conclave_policy::scopes::Scope;

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
    /// Look at the rules.
    Policy {
        #[command(subcommand)]
        what: PolicyCommand,
    },
    /// Look at the audit trail.
    Audit {
        #[command(subcommand)]
        what: AuditCommand,
    },
    /// Look after the keys that seal what is personal.
    Keys {
        #[command(subcommand)]
        what: KeysCommand,
    },
    /// Look after the sessions of those who are signed in.
    Sessions {
        #[command(subcommand)]
        what: SessionsCommand,
    },
    /// Help people back into their accounts.
    Accounts {
        #[command(subcommand)]
        what: AccountsCommand,
    },
    /// Look after the keys of other programs.
    ApiKeys {
        #[command(subcommand)]
        what: ApiKeysCommand,
    },
    /// Look after the database.
    Store {
        #[command(subcommand)]
        what: StoreCommand,
    },
    /// Get models that captions are recognised with.
    Captions {
        #[command(subcommand)]
        what: CaptionsCommand,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Seal the keys of organisations, rooms and accounts anew with a new key. A running server does it itself, and goes on meanwhile;
    /// what was interrupted is taken up again.
    Rotate {
        #[command(flatten)]
        place: Where,
        /// Replace those keys too, and seal every value anew: for when they may have been seen.
        #[arg(long)]
        deep: bool,
    },
    /// Print a new master key, for the settings under `keys`.
    Make,
    /// Wrap the key file by the master key of other settings. A running server goes on, and is started with those settings next.
    Master {
        #[command(flatten)]
        place: Where,
        /// The settings file that names the other master key, and the same data folder.
        #[arg(long)]
        to: PathBuf,
    },
}

#[derive(Subcommand)]
enum SessionsCommand {
    /// Sign everyone out, everywhere, at once, and replace the keys of sessions: for when one may have been seen.
    EndAll(Where),
}

#[derive(Subcommand)]
enum AccountsCommand {
    /// Print a link with which the holder of an account chooses a new password. It works once, for a day. The server may run.
    Reset {
        #[command(flatten)]
        place: Where,
        /// The address of the account.
        email: String,
        /// Passkeys and recovery codes go with the old password: for somebody who has lost them.
        #[arg(long)]
        all: bool,
    },
    /// Print a link that proves the address of an account, or gives it another one. It works once, for a day. The server may run.
    Verify {
        #[command(flatten)]
        place: Where,
        /// The address of the account.
        email: String,
        /// The address that it is to have.
        #[arg(long)]
        to: Option<String>,
    },
    /// Stop asking those who lead for a second factor: for when every administrator has lost theirs. The server must not run.
    FactorOff {
        #[command(flatten)]
        place: Where,
        /// The address of the administrator in whose name it is done.
        #[arg(long)]
        admin: String,
    },
}

#[derive(Subcommand)]
enum ApiKeysCommand {
    /// List every key that was not taken back. The server may run.
    List(Where),
    /// Make a key, and print it this once. The server must not run.
    Create {
        #[command(flatten)]
        place: Where,
        /// The address of the administrator in whose name it is made; it is over when they administer no more.
        #[arg(long)]
        admin: String,
        /// What it is called.
        #[arg(long)]
        name: String,
        /// What it is for, such as `rooms:write`; may be given several times.
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// How many days it is taken.
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Take a key back. The server must not run.
    Revoke {
        #[command(flatten)]
        place: Where,
        /// The address of the administrator in whose name it is taken back.
        #[arg(long)]
        admin: String,
        /// Its identifier, as `list` shows it.
        key: ApiKeyId,
    },
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Move everything from the database of these settings to that of others, as from SQLite to PostgreSQL. The server must not run.
    Move {
        #[command(flatten)]
        place: Where,
        /// The settings file that names the other database, and the same data folder.
        #[arg(long)]
        to: PathBuf,
    },
}

#[derive(Subcommand)]
enum CaptionsCommand {
    /// List the known models with size, languages and cost, and those that are here.
    Models(Where),
    /// Download a model; what a cut line left is taken up again.
    Fetch {
        #[command(flatten)]
        place: Where,
        /// Its name, such as `base`.
        name: String,
        /// Its digest, where none is known for the name.
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Take a model from a file, for a machine without a line.
    Add {
        #[command(flatten)]
        place: Where,
        /// The file.
        file: PathBuf,
        /// Its digest, to be compared.
        #[arg(long)]
        sha256: Option<String>,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the settings and explain every error with its key.
    Check(Where),
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Read the whole audit trail and name any row that was edited, dropped, swapped or truncated.
    Verify {
        #[command(flatten)]
        place: Where,
        /// The file with signed heads that was kept outside, over the settings.
        #[arg(long)]
        heads: Option<PathBuf>,
    },
    /// Write the audit trail as lines of JSON: ids only, no names.
    Export {
        #[command(flatten)]
        place: Where,
        /// Not before this time: 2026-11-21, 2026-11-21T08:30:00Z, or milliseconds since 1970.
        #[arg(long, value_parser = time)]
        from: Option<Timestamp>,
        /// Before this time.
        #[arg(long, value_parser = time)]
        to: Option<Timestamp>,
        /// Only this room.
        #[arg(long)]
        room: Option<RoomId>,
    },
    /// Print the public key with which signed heads are checked.
    Key(Where),
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Check an organisation's rules file and name each fault.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Print what everyone may do, and when.
    Table {
        #[command(flatten)]
        place: Where,
        /// Another rules file than that of the settings; `built-in` for none.
        #[arg(long)]
        rules: Option<PathBuf>,
        /// Only this role.
        #[arg(long)]
        role: Option<String>,
        /// Only this action.
        #[arg(long)]
        action: Option<String>,
    },
    /// Say which rule allows or denies something, or that none allows it.
    Explain {
        #[command(flatten)]
        place: Where,
        /// Another rules file than that of the settings; `built-in` for none.
        #[arg(long)]
        rules: Option<PathBuf>,
        /// Who, such as `guest`.
        #[arg(long)]
        role: String,
        /// What, such as `share_screen`.
        #[arg(long)]
        action: String,
        /// The room whose settings count; without one the strictest do.
        #[arg(long)]
        room: Option<String>,
        /// What is true, such as `right=granted`; may be given several times.
        #[arg(long = "fact")]
        facts: Vec<String>,
    },
    /// List the decisions that change from one rules file to another.
    Diff {
        /// The one, or `built-in`; alone it is compared with the server's own rules.
        before: PathBuf,
        /// The other, or `built-in`.
        after: Option<PathBuf>,
    },
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
            config.turn.secret()?;
            say(&format!(
                "the settings are in order: data in `{}`, listening on {}",
                config.data.display(),
                config.listen
            ));
            Ok(())
        }
        Command::Policy { what } => policy(what),
        Command::Audit { what } => audit(what),
        Command::Keys {
            what: KeysCommand::Rotate { place, deep },
        } => {
            say(&runtime()?.block_on(storage::rotate(&place.read()?, *deep))?);
            Ok(())
        }
        Command::Keys {
            what: KeysCommand::Make,
        } => {
            say(storage::make_master().expose());
            Ok(())
        }
        Command::Sessions {
            what: SessionsCommand::EndAll(place),
        } => {
            say(&runtime()?.block_on(emergency::end_all(&place.read()?))?);
            Ok(())
        }
        Command::Keys {
            what: KeysCommand::Master { place, to },
        } => {
            let (from, to) = (place.read()?, Config::read(Some(to), std::iter::empty())?);
            say(&storage::change_master(&from, &to)?);
            Ok(())
        }
        Command::Accounts { what } => accounts(what),
        Command::ApiKeys { what } => api_keys(what),
        Command::Store {
            what: StoreCommand::Move { place, to },
        } => {
            let (from, to) = (place.read()?, Config::read(Some(to), std::iter::empty())?);
            say(&runtime()?.block_on(storage::relocate(&from, &to))?);
            Ok(())
        }
        Command::Captions { what } => captions(what),
    }
}

fn accounts(command: &AccountsCommand) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let text = match command {
        AccountsCommand::Reset { place, email, all } => {
            let what = ByHand::Reset { all: *all };
            runtime.block_on(people::link(&place.read()?, email, &what))?
        }
        AccountsCommand::Verify { place, email, to } => {
            let what = ByHand::Verify { to: to.clone() };
            runtime.block_on(people::link(&place.read()?, email, &what))?
        }
        AccountsCommand::FactorOff { place, admin } => {
            runtime.block_on(factor::off(&place.read()?, admin))?
        }
    };
    say(&text);
    Ok(())
}

fn api_keys(command: &ApiKeysCommand) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let text = match command {
        ApiKeysCommand::List(place) => runtime.block_on(programs::list(&place.read()?))?,
        ApiKeysCommand::Create {
            place,
            admin,
            name,
            scopes,
            days,
        } => {
            let wanted = programs::Wanted {
                name: name.clone(),
                scopes: scopes.clone(),
                days: *days,
            };
            runtime.block_on(programs::create(&place.read()?, admin, wanted))?
        }
        ApiKeysCommand::Revoke { place, admin, key } => {
            runtime.block_on(programs::revoke(&place.read()?, admin, *key))?
        }
    };
    say(&text);
    Ok(())
}

/// What a key is for.
fn scope(text: &str) -> Result<Scope, String> {
    text.parse()
        .map_err(|_| format!("there is no scope `{text}`"))
}

fn policy(command: &PolicyCommand) -> anyhow::Result<()> {
    let text = match command {
        PolicyCommand::Check { file } => policy::check(file)?,
        PolicyCommand::Table {
            place,
            rules,
            role,
            action,
        } => {
            let config = place.read()?;
            let file = rules.as_deref().or(config.policy.rules.as_deref());
            Examined::load(file)?.table(role.as_deref(), action.as_deref())?
        }
        PolicyCommand::Explain {
            place,
            rules,
            role,
            action,
            room,
            facts,
        } => {
            let mut config = place.read()?;
            if rules.is_some() {
                config.policy.rules.clone_from(rules);
            }
            let question = Question {
                role: role.clone(),
                action: action.clone(),
                room: room.clone(),
                facts: facts.clone(),
            };
            runtime()?.block_on(compose::explain(&config, &question))?
        }
        PolicyCommand::Diff { before, after } => {
            let (before, after) = match after {
                Some(after) => (Some(before.as_path()), after),
                None => (None, before),
            };
            Examined::load(before)?.changes(&Examined::load(Some(after))?)
        }
    };
    say(&text);
    Ok(())
}

fn captions(command: &CaptionsCommand) -> anyhow::Result<()> {
    let text = match command {
        CaptionsCommand::Models(place) => Models::new(&place.read()?).list(),
        CaptionsCommand::Fetch {
            place,
            name,
            sha256,
        } => Models::new(&place.read()?).fetch(name, sha256.as_deref())?,
        CaptionsCommand::Add {
            place,
            file,
            sha256,
        } => Models::new(&place.read()?).add(file, sha256.as_deref())?,
    };
    say(&text);
    Ok(())
}

fn audit(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify { place, heads } => {
            let config = place.read()?;
            let report = runtime()?.block_on(compose::verify_audit(&config, heads.as_deref()))?;
            if report.findings.is_empty() {
                say(&format!(
                    "{} rows, every link of the chain holds; {} signed heads bear it out",
                    report.rows, report.heads
                ));
                return Ok(());
            }
            let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            anyhow::bail!("of {} rows:\n{}", report.rows, found.join("\n"))
        }
        AuditCommand::Export {
            place,
            from,
            to,
            room,
        } => {
            let config = place.read()?;
            let filter = AuditFilter {
                room: *room,
                from: *from,
                to: *to,
                ..AuditFilter::default()
            };
            let mut out = std::io::BufWriter::new(std::io::stdout());
            runtime()?.block_on(compose::export_audit(&config, &filter, &mut out))?;
            Ok(())
        }
        AuditCommand::Key(place) => {
            say(&compose::audit_key(&place.read()?)?);
            Ok(())
        }
    }
}

/// A point in time, as people write it.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        format!(
            "`{text}` is neither like 2026-11-21, 2026-11-21T08:30:00Z nor milliseconds since 1970"
        )
    })
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
