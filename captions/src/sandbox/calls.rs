//! Seccomp: which system calls a closed process may still make. A list of what is allowed; all else answers `EPERM`. The
//! kernel's own rule for another architecture's calls is to kill.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::SandboxError;

/// What a process may do beside computing, reading what Landlock leaves and speaking over its pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    /// Nothing: no socket, no program, no new process, no code from data.
    Alone,
    /// Connect over TCP.
    Connect,
    /// Run programs.
    Programs,
}

/// Memory, threads of its own, clocks, pipes, open files. Landlock decides which file `openat` opens.
const ORDINARY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The older forms of the above, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getpgrp,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// For a client of TCP.
const CONNECTING: &[c_long] = &[
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// For starting programs, waiting for them and ending them. Signals reach only them (Landlock's scope, where there is one).
const RUNNING: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_kill,
    libc::SYS_wait4,
    libc::SYS_waitid,
];

/// What may be asked of an open file: copies, and whether they are kept and wait. Not whom to send signals, nor how much a
/// pipe holds.
const OF_FILES: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
];

/// Name spaces cannot be entered or left. `CLONE_NEWTIME` shares a bit with the exit signal and is taken by `clone3` alone.
const NEW_NAMESPACE: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Installs the filter for all threads and programs to come.
pub(super) fn close(calls: Calls) -> Result<(), SandboxError> {
    let failed = SandboxError::step("seccomp");
    // glibc starts threads by `clone3`, whose flags no filter can see, and by `clone` where that is unknown.
    let unknown = filter(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    );
    let listed = rules(calls).and_then(|rules| {
        filter(
            rules,
            SeccompAction::Errno(libc::EPERM.unsigned_abs()),
            SeccompAction::Allow,
        )
    });
    for program in [unknown, listed] {
        let program = program.map_err(|error| failed(&error))?;
        seccompiler::apply_filter_all_threads(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, listed, arch)?.try_into()
}

fn rules(calls: Calls) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in ORDINARY.iter().chain(OLDER) {
        rules.insert(*call, Vec::new());
    }
    let zero = |argument, mask| only(argument, SeccompCmpOp::MaskedEq(mask), 0);
    let own = u64::from(std::process::id());
    let name_itself = only(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?;
    let name_memory = only(0, SeccompCmpOp::Eq, libc::PR_SET_VMA as u64)?;
    let mut of_itself = vec![rule(&[name_itself])?, rule(&[name_memory])?];
    if calls == Calls::Programs {
        // What starts a program ends with this process.
        let with_parent = only(0, SeccompCmpOp::Eq, libc::PR_SET_PDEATHSIG as u64)?;
        let by_force = only(1, SeccompCmpOp::Eq, libc::SIGKILL as u64)?;
        of_itself.push(rule(&[with_parent, by_force])?);
    }
    rules.insert(libc::SYS_prctl, of_itself);
    let of_files = OF_FILES.iter().map(|what| {
        let what = u64::from(what.unsigned_abs());
        rule(&[only(1, SeccompCmpOp::Eq, what)?])
    });
    rules.insert(libc::SYS_fcntl, of_files.collect::<Result<_, _>>()?);
    // Reading limits, not setting them.
    let reading = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![rule(&[reading])?]);
    if calls != Calls::Programs {
        // To end itself; a program that is started ends with its own id.
        rules.insert(
            libc::SYS_tgkill,
            vec![rule(&[only(0, SeccompCmpOp::Eq, own)?])?],
        );
        // Threads only.
        let threads = libc::CLONE_THREAD as u64;
        let thread = only(0, SeccompCmpOp::MaskedEq(threads), threads)?;
        rules.insert(
            libc::SYS_clone,
            vec![rule(&[thread, zero(0, NEW_NAMESPACE)?])?],
        );
        // No page of data becomes code.
        let no_code = zero(2, libc::PROT_EXEC as u64)?;
        rules.insert(libc::SYS_mmap, vec![rule(std::slice::from_ref(&no_code))?]);
        rules.insert(libc::SYS_mprotect, vec![rule(&[no_code])?]);
    } else {
        rules.insert(libc::SYS_clone, vec![rule(&[zero(0, NEW_NAMESPACE)?])?]);
        for call in RUNNING
            .iter()
            .chain(&[libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_tgkill])
        {
            rules.insert(*call, Vec::new());
        }
        #[cfg(target_arch = "x86_64")]
        for call in [libc::SYS_vfork, libc::SYS_fork] {
            rules.insert(call, Vec::new());
        }
    }
    if calls == Calls::Connect {
        for call in CONNECTING {
            rules.insert(*call, Vec::new());
        }
        // TCP by IPv4 and IPv6. Other kinds of stream (MPTCP, SMC, SCTP) are not held by the rule for the port.
        let mut tcp = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in [0, libc::IPPROTO_TCP] {
                tcp.push(rule(&[
                    only(0, SeccompCmpOp::Eq, family as u64)?,
                    only(1, SeccompCmpOp::MaskedEq(0xF), libc::SOCK_STREAM as u64)?,
                    only(2, SeccompCmpOp::Eq, protocol as u64)?,
                ])?);
            }
        }
        rules.insert(libc::SYS_socket, tcp);
        // Only over what is connected: data with an address, or in the first packet, would connect unasked.
        let nowhere = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
        let not_first = zero(3, libc::MSG_FASTOPEN as u64)?;
        rules.insert(libc::SYS_sendto, vec![rule(&[nowhere, not_first])?]);
        let blocking = only(1, SeccompCmpOp::Eq, libc::FIONBIO)?;
        rules.insert(libc::SYS_ioctl, vec![rule(&[blocking])?]);
    }
    Ok(rules)
}

fn only(
    argument: u8,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(conditions.to_vec())
}
