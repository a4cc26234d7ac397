//! Landlock: which files may be read, which programs run, which port be connected to. Everything that is not named is
//! closed, including what the process could open a moment before.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetStatus, Scope,
};

use super::{Reach, SandboxError};

/// What every program needs beside its own files and libraries, where it is there: the list of libraries, the one locale
/// that the programs run in.
const LIBRARIES: &[&str] = &["/etc/ld.so.cache", "/usr/lib/locale/C.utf8"];
/// The loader, which the kernel runs before the program.
const LOADERS: &[&str] = &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
/// Where programs write what no one reads.
const NOWHERE: &str = "/dev/null";

pub(super) fn close(reach: &Reach) -> Result<(), SandboxError> {
    let failed = SandboxError::step("landlock");
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(|_| SandboxError::NoLandlock)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V7))
        .map_err(|error| failed(&error))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)
        .map_err(|error| failed(&error))?;
    if let Reach::Address(_) = reach {
        ruleset = ruleset.set_compatibility(CompatLevel::HardRequirement);
    }
    let ruleset = ruleset
        .handle_access(AccessNet::from_all(ABI::V4))
        .map_err(|_| SandboxError::NoPortRules)?
        .set_compatibility(CompatLevel::BestEffort);
    let mut rules = ruleset.create().map_err(|error| failed(&error))?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match reach {
        Reach::Files(paths) => {
            for path in paths {
                rules = allow(rules, path, read)?;
            }
        }
        Reach::Address(address) => {
            rules = rules
                .add_rule(NetPort::new(address.port(), AccessNet::ConnectTcp))
                .map_err(|error| failed(&error))?;
        }
        Reach::Programs { run, read: files } => {
            let run_it = AccessFs::ReadFile | AccessFs::Execute;
            for path in run {
                rules = allow(rules, path, run_it)?;
            }
            for path in files {
                rules = allow(rules, path, read)?;
            }
            let there =
                |paths: &'static [&str]| paths.iter().map(Path::new).filter(|path| path.exists());
            for path in there(LIBRARIES) {
                rules = allow(rules, path, read)?;
            }
            for path in there(LOADERS) {
                rules = allow(rules, path, run_it)?;
            }
            rules = allow(
                rules,
                Path::new(NOWHERE),
                AccessFs::ReadFile | AccessFs::WriteFile,
            )?;
        }
    }
    let status = rules.restrict_self().map_err(|error| failed(&error))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(SandboxError::NoLandlock);
    }
    Ok(())
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, SandboxError> {
    let failed = SandboxError::step("landlock");
    let missing = || SandboxError::Missing { path: path.into() };
    let folder = std::fs::metadata(path).map_err(|_| missing())?.is_dir();
    let opened = PathFd::new(path).map_err(|_| missing())?;
    let access = if folder {
        access
    } else {
        access & AccessFs::from_file(ABI::V1)
    };
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(|error| failed(&error))
}
