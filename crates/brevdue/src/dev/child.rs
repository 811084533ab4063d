//! One process of a `dev`: this very binary in another role, with its sockets, its log and a lifeline.
//!
//! The lifeline is the child's standard input: when `dev` dies, however it dies, it closes and the child drains and ends.

use super::folder::{Folder, Lock, write_whole};
use super::plan::Process;
use crate::failure::Failure;
use command_fds::{CommandFdExt, FdMapping};
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tokio::process::{Child, ChildStdin};

/// The first descriptor that is passed (sd_listen_fds(3)).
const FIRST_DESCRIPTOR: i32 = 3;

/// A running child.
pub struct Started {
    /// The child.
    pub child: Child,
    /// Kept apart from the child, since waiting for a child closes what is still in it.
    pub lifeline: Option<ChildStdin>,
}

/// Starts it, and notes its id in its pid file.
pub fn start(folder: &Folder, lock: &Lock, process: &Process) -> Result<Started, Failure> {
    let name = process.name();
    let mut options = OpenOptions::new();
    let log = options.create(true).append(true).mode(0o600).open(folder.log(&name))?;
    let mut command = Command::new(program()?);
    command
        .arg0("brevdue")
        .arg(process.role.name())
        .arg("--config")
        .arg(folder.config(&name))
        .arg("--end-with-stdin")
        .env("LISTEN_FDS", process.sockets.len().to_string())
        .env("LISTEN_FDNAMES", names(process))
        .env_remove("LISTEN_PID")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C is for `dev`, which ends its processes in order.
        .process_group(0)
        .fd_mappings(descriptors(lock, process)?)?;
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn()?;
    if let Some(id) = child.id() {
        write_whole(&folder.pid(&name), &format!("{id}\n"))?;
    }
    Ok(Started { lifeline: child.stdin.take(), child })
}

/// This binary, also when its file was replaced by a newer build meanwhile.
fn program() -> Result<PathBuf, Failure> {
    let own = PathBuf::from("/proc/self/exe");
    Ok(if own.exists() { own } else { std::env::current_exe()? })
}

fn names(process: &Process) -> String {
    process.sockets.iter().map(|socket| socket.name.as_str()).collect::<Vec<_>>().join(":")
}

/// The sockets, and after them the lock, which nobody looks at: it only has to stay open.
fn descriptors(lock: &Lock, process: &Process) -> Result<Vec<FdMapping>, Failure> {
    let sockets = process.sockets.iter().map(|socket| socket.listener.try_clone().map(OwnedFd::from));
    let descriptors = (FIRST_DESCRIPTOR..).zip(sockets.chain([lock.descriptor()]));
    descriptors.map(|(child_fd, descriptor)| Ok(FdMapping { parent_fd: descriptor?, child_fd })).collect()
}
