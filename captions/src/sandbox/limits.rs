//! Limits that need no filter: memory, processor, core dumps, files written, who may look inside, and that the process
//! ends with the server.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

use super::SandboxError;

/// Open files: pipes to some programs and the threads' own; a worker uses a tenth.
const FILES: u64 = 256;
/// How far behind the server the processor serves it.
const NICE: i32 = 10;

/// Landlock binds the calling thread and those that it starts.
pub(super) fn one_thread() -> Result<(), SandboxError> {
    let failed = SandboxError::step("counting threads");
    let threads = std::fs::read_dir("/proc/self/task")
        .map_err(|error| failed(&error))?
        .count();
    if threads == 1 {
        Ok(())
    } else {
        Err(SandboxError::Threads(threads))
    }
}

/// Closes what was left open for this process beside its three pipes. To be called first: nothing else is open then.
pub fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let names = open.flatten().map(|entry| entry.file_name());
    let numbers: Vec<i32> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The list itself was one of them, and is closed.
        let _ = nix::unistd::close(number);
    }
}

pub(super) fn set(memory: u64) -> Result<(), SandboxError> {
    let failed = SandboxError::step("setting limits");
    // The kernel sends it when the *thread* that started this process ends: the server starts workers from threads that
    // live as long as it does.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(&error))?;
    // No core dump, and no other process of this user may trace it or read its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed(&error))?;
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, FILES),
        (Resource::Data, memory),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).map_err(|error| failed(&error))?;
    }
    nice(NICE).map_err(|error| failed(&error))?;
    Ok(())
}
