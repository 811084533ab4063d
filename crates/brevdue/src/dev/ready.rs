//! What `dev` tells once everything listens: a file for programs, and lines to copy for people.

use super::folder::Folder;
use super::plan::{Plan, Process};
use super::supervise::Supervised;
use super::users::User;
use model::Role;
use serde::Serialize;

/// Users that are shown to people; the ready file has all.
const USERS_SHOWN_MAX: usize = 10;

/// The ready file; a public contract.
#[derive(Serialize)]
pub struct Ready {
    version: &'static str,
    pid: u32,
    data: String,
    domain: String,
    ports: Ports,
    imap_all: Vec<ImapPorts>,
    users: Vec<Person>,
    ca: String,
    processes: Vec<Running>,
}

#[derive(Serialize)]
struct Ports {
    #[serde(flatten)]
    imap: ImapPorts,
    #[serde(flatten)]
    pop3: Pop3Ports,
    #[serde(flatten)]
    submission: SubmissionPorts,
    mx: u16,
    metrics: u16,
}

#[derive(Serialize, Clone, Copy)]
struct ImapPorts {
    imap: u16,
    imaps: u16,
}

#[derive(Serialize, Clone, Copy)]
struct Pop3Ports {
    pop3: u16,
    pop3s: u16,
}

#[derive(Serialize, Clone, Copy)]
struct SubmissionPorts {
    submission: u16,
    submissions: u16,
}

#[derive(Serialize)]
struct Person {
    address: String,
    password: String,
}

#[derive(Serialize)]
struct Running {
    role: &'static str,
    index: u16,
    pid: u32,
}

/// Where everything listens: taken from the plan before its processes are started.
pub struct Places {
    imap_all: Vec<ImapPorts>,
    pop3: Pop3Ports,
    submission: SubmissionPorts,
    mx: u16,
    metrics: u16,
}

impl Places {
    /// Those of the plan.
    pub fn of(plan: &Plan) -> Self {
        let imap = |process: &Process| ImapPorts {
            imap: process.address("imap").port(),
            imaps: process.address("imaps").port(),
        };
        Self {
            imap_all: plan.of(Role::Imap).map(imap).collect(),
            pop3: Pop3Ports {
                pop3: plan.first(Role::Pop3, "pop3").port(),
                pop3s: plan.first(Role::Pop3, "pop3s").port(),
            },
            submission: SubmissionPorts {
                submission: plan.first(Role::Submission, "submission").port(),
                submissions: plan.first(Role::Submission, "submissions").port(),
            },
            mx: plan.first(Role::Mx, "mx").port(),
            metrics: plan.metrics.address.port(),
        }
    }
}

impl Ready {
    /// Everything about a `dev` that runs.
    pub fn new(folder: &Folder, places: Places, users: &[User], processes: &[Supervised]) -> Self {
        let imap = places.imap_all.first().copied().unwrap_or(ImapPorts { imap: 0, imaps: 0 });
        let running =
            |process: &Supervised| Running { role: process.role.name(), index: process.index, pid: process.pid() };
        let person = |user: &User| Person { address: user.address.alias(), password: user.password.to_string() };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            data: folder.path().display().to_string(),
            domain: users.first().map(|user| user.address.domain().to_string()).unwrap_or_default(),
            ports: Ports {
                imap,
                pop3: places.pop3,
                submission: places.submission,
                mx: places.mx,
                metrics: places.metrics,
            },
            imap_all: places.imap_all,
            users: users.iter().map(person).collect(),
            ca: folder.public_certificate().display().to_string(),
            processes: processes.iter().map(running).collect(),
        }
    }

    /// How to connect, for people.
    pub fn lines(&self) -> Vec<String> {
        let ports = &self.ports;
        let mut lines = vec![
            format!("Brevdue {} runs on this machine. Ctrl-C ends it; the mail stays.", self.version),
            String::new(),
            format!("  data     {}", self.data),
            format!("  IMAP     127.0.0.1:{}   inside TLS 127.0.0.1:{}", ports.imap.imap, ports.imap.imaps),
            format!("  POP3     127.0.0.1:{}   inside TLS 127.0.0.1:{}", ports.pop3.pop3, ports.pop3.pop3s),
            format!("  SMTP     127.0.0.1:{}   takes mail for the domains here", ports.mx),
            format!(
                "  sending  127.0.0.1:{}   inside TLS 127.0.0.1:{}",
                ports.submission.submission, ports.submission.submissions
            ),
            format!("  metrics  http://127.0.0.1:{}/metrics and /health", ports.metrics),
            format!("  CA       {}", self.ca),
        ];
        let shown = self.users.iter().take(USERS_SHOWN_MAX);
        lines.extend(shown.map(|user| format!("  user     {}   {}", user.address, user.password)));
        if let Some(more) = self.users.len().checked_sub(USERS_SHOWN_MAX + 1) {
            lines.push(format!("           and {} more, in {}/dev-users", more + 1, self.data));
        }
        if let Some(user) = self.users.first() {
            lines.extend(self.examples(user));
        }
        lines
    }

    /// Commands to copy: send a message, read it, and open the mailbox in mutt.
    fn examples(&self, user: &Person) -> Vec<String> {
        let (address, mx, imap) = (quoted(&user.address), self.ports.mx, self.ports.imap.imap);
        let sign_in = quoted(&format!("{}:{}", user.address, user.password));
        let settings =
            format!("set ssl_starttls=no; set imap_user={:?}; set imap_pass={:?}", user.address, user.password);
        vec![
            String::new(),
            "Send a message, read the first one, open the mailbox:".to_owned(),
            String::new(),
            format!(
                "  printf 'From: me@example.org\\nTo: %s\\nSubject: Hello\\n\\nHello!\\n' {address} |\n    \
                 curl -sS smtp://127.0.0.1:{mx} --crlf --mail-from me@example.org --mail-rcpt {address} -T -"
            ),
            format!("  curl -sS --user {sign_in} 'imap://127.0.0.1:{imap}/INBOX;MAILINDEX=1'"),
            format!("  mutt -e {} -f imap://127.0.0.1:{imap}/INBOX", quoted(&settings)),
        ]
    }
}

/// One word to a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_it_as_one_word() {
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
    }
}
