//! Which processes a `dev` has and what each listens on. All sockets are bound here and kept, so that a process that is
//! started again gets the same ones, and no connection is refused meanwhile.

use crate::cli::{DevArgs, Ports};
use crate::failure::Failure;
use daemon::listen::Listeners;
use model::Role;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The IMAP port of the first front-end.
const IMAP_PORT: u16 = 1143;
/// The port for IMAP inside TLS.
const IMAPS_PORT: u16 = 1993;
/// The POP3 port.
const POP3_PORT: u16 = 1110;
/// The port for POP3 inside TLS.
const POP3S_PORT: u16 = 1995;
/// The submission port.
const SUBMISSION_PORT: u16 = 1587;
/// The port for submission inside TLS.
const SUBMISSIONS_PORT: u16 = 1465;
/// The MX's port.
const MX_PORT: u16 = 1025;
/// The port for metrics and health of all.
const METRICS_PORT: u16 = 1090;
/// Shards of a node: a thread for each core, and no more than a laptop can use.
const SHARDS_MAX: usize = 8;
/// Any free port.
const FREE: u16 = 0;

/// A socket with its name.
#[derive(Debug)]
pub struct Socket {
    /// As the role asks for it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The socket.
    pub listener: TcpListener,
}

/// A process to run.
#[derive(Debug)]
pub struct Process {
    /// What it is.
    pub role: Role,
    /// From 1, within its role.
    pub index: u16,
    /// What it listens on.
    pub sockets: Vec<Socket>,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Plan {
    /// In the order in which they start; they end in the opposite one.
    pub processes: Vec<Process>,
    /// For metrics and health of all, served by `dev` itself.
    pub metrics: Socket,
}

impl Process {
    /// `imap-1`
    pub fn name(&self) -> String {
        format!("{}-{}", self.role, self.index)
    }

    /// Where the socket of this name listens; the plan always has those that are asked for.
    pub fn address(&self, name: &str) -> SocketAddr {
        let found = self.sockets.iter().find(|socket| socket.name == name);
        found.map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, FREE)), |socket| socket.address)
    }

    /// A node's session sockets, in shard order.
    pub fn sessions(&self) -> Vec<SocketAddr> {
        let sessions = self.sockets.iter().filter(|socket| socket.name.starts_with("node-session-"));
        sessions.map(|socket| socket.address).collect()
    }
}

impl Plan {
    /// Binds every socket on loopback. Needs a tokio runtime.
    pub fn bind(args: &DevArgs) -> Result<Self, Failure> {
        let usual = |port: u16, index: u16| if args.ports == Ports::Default && index == 1 { port } else { FREE };
        let shards = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS_MAX));
        let mut processes = vec![process(Role::Directory, 1, &[("directory".to_owned(), FREE)])?];
        for index in 1..=args.nodes {
            let mut sockets: Vec<_> = (0..shards).map(|shard| (format!("node-session-{shard}"), FREE)).collect();
            sockets.push(("node-grpc".to_owned(), FREE));
            processes.push(process(Role::Node, index, &sockets)?);
        }
        for index in 1..=args.imap {
            let sockets =
                [("imap".to_owned(), usual(IMAP_PORT, index)), ("imaps".to_owned(), usual(IMAPS_PORT, index))];
            processes.push(process(Role::Imap, index, &sockets)?);
        }
        let sockets = [("pop3".to_owned(), usual(POP3_PORT, 1)), ("pop3s".to_owned(), usual(POP3S_PORT, 1))];
        processes.push(process(Role::Pop3, 1, &sockets)?);
        let sockets = [
            ("submission".to_owned(), usual(SUBMISSION_PORT, 1)),
            ("submissions".to_owned(), usual(SUBMISSIONS_PORT, 1)),
        ];
        processes.push(process(Role::Submission, 1, &sockets)?);
        processes.push(process(Role::Mx, 1, &[("mx".to_owned(), usual(MX_PORT, 1))])?);
        processes.push(process(Role::Outbound, 1, &[])?);
        processes.push(process(Role::Backup, 1, &[])?);
        Ok(Self { processes, metrics: bind("metrics", usual(METRICS_PORT, 1))? })
    }

    /// The processes of one role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(move |process| process.role == role)
    }

    /// Where the socket of a role's first process listens.
    pub fn first(&self, role: Role, name: &str) -> SocketAddr {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, FREE));
        self.of(role).next().map_or(nowhere, |process| process.address(name))
    }
}

fn process(role: Role, index: u16, sockets: &[(String, u16)]) -> Result<Process, Failure> {
    let mut bound = Vec::with_capacity(sockets.len() + 1);
    for (name, port) in sockets {
        bound.push(bind(name, *port)?);
    }
    bound.push(bind("metrics", FREE)?);
    Ok(Process { role, index, sockets: bound })
}

fn bind(name: &str, port: u16) -> Result<Socket, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = Listeners::none().take(name, address).map_err(|error| {
        let or_free = if port == FREE { "" } else { ", or give --ports auto" };
        Failure::refused(format!("{error}{or_free}"))
    })?;
    let listener = listener.into_std()?;
    Ok(Socket { name: name.to_owned(), address: listener.local_addr()?, listener })
}
