//! `brevdue queue …`: what waits to leave, on every node, and what the operator does about it.

use super::Admin;
use crate::cli::{QueueCommand, QueueMeant};
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::terminal;
use daemon::tls::Internal;
use model::Role;
use node_client::queue::{Queue, QueueError, Queues};
use serde::Serialize;
use std::collections::BTreeMap;
use wire::queue::{Action, ChangeRequest, Destination, Entry, EntryRecipient, ListRequest, Origin};

/// Entries that are asked for at once.
const PAGE_ENTRIES: u32 = 500;

/// Does what was asked.
pub async fn run(admin: &Admin, command: &QueueCommand, output: Output) -> Result<(), Failure> {
    let tls = Internal::load(&admin.config.internal, Role::Admin)?;
    let queues = Queues::new(admin.directory.clone(), tls.client);
    match command {
        QueueCommand::List { destination, limit } => list(&queues, destination.as_deref(), *limit, output).await,
        QueueCommand::Destinations { limit } => destinations(&queues, *limit, output).await,
        QueueCommand::Show { id } => show(&queues, id, output).await,
        QueueCommand::Retry(change) => ask(&queues, change, Action::Retry, "tried again now", output).await,
        QueueCommand::Hold(change) => ask(&queues, change, Action::Hold, "held", output).await,
        QueueCommand::Release(change) => ask(&queues, change, Action::Release, "released", output).await,
        QueueCommand::Drop { meant, yes } => {
            let question = "Drop this mail? Neither its senders nor its recipients are told.";
            if !yes && !terminal::confirm(question, "give --yes to drop without being asked")? {
                return Err(Failure::refused("not dropped"));
            }
            ask(&queues, meant, Action::Drop, "dropped", output).await
        }
    }
}

async fn list(queues: &Queues, destination: Option<&str>, limit: u32, output: Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut total = 0;
    for queue in queues.all().await? {
        total += pages(&queue, destination.unwrap_or_default(), limit, &mut rows).await.map_err(|e| of(&queue, e))?;
    }
    let listed = List { total, entries: rows };
    output.answer(&listed, || listed.lines())
}

/// The entries of one node, page by page; how many there are in all.
async fn pages(queue: &Queue, destination: &str, limit: u32, rows: &mut Vec<Row>) -> Result<u64, QueueError> {
    let mut after_entry = 0;
    loop {
        let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let request =
            ListRequest { destination: destination.to_owned(), limit: left.clamp(1, PAGE_ENTRIES), after_entry };
        let page = queue.list(request).await?;
        let last = page.entries.last().map(|entry| entry.entry);
        rows.extend(page.entries.into_iter().take(left as usize).map(|entry| Row::new(queue.node(), entry)));
        match last {
            Some(last) if (rows.len() as u64) < u64::from(limit) => after_entry = last,
            _ => return Ok(page.total),
        }
    }
}

#[derive(Serialize)]
struct List {
    total: u64,
    entries: Vec<Row>,
}

impl List {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<Vec<String>> =
            vec![["ID", "ARRIVED", "OCTETS", "SENDER", "RECIPIENT", "STATE"].map(str::to_owned).to_vec()];
        for row in &self.entries {
            for (at, recipient) in row.recipients.iter().enumerate() {
                let first = |text: String| if at == 0 { text } else { String::new() };
                lines.push(vec![
                    first(row.id.clone()),
                    first(row.arrived.clone()),
                    first(row.octets.to_string()),
                    first(format!("<{}>", row.sender)),
                    recipient.address.clone(),
                    recipient.state(),
                ]);
            }
        }
        let mut lines = if self.entries.is_empty() { Vec::new() } else { table(&lines) };
        lines.push(format!("{} of {} messages", self.entries.len(), self.total));
        lines
    }
}

#[derive(Serialize)]
struct Row {
    id: String,
    arrived: String,
    octets: u64,
    sender: String,
    mailbox: String,
    origin: &'static str,
    recipients: Vec<RecipientRow>,
}

#[derive(Serialize)]
struct RecipientRow {
    address: String,
    destination: String,
    attempts: u32,
    next_attempt: String,
    held: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    held_why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    leased_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    paused_until: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remote: String,
}

impl Row {
    fn new(node: &str, entry: Entry) -> Self {
        let envelope = entry.envelope.unwrap_or_default();
        let origin = match envelope.origin() {
            Origin::Submission => "submission",
            Origin::Forward => "forward",
            Origin::Webhook => "webhook",
            Origin::System => "system",
            Origin::Unspecified => "unknown",
        };
        Self {
            id: format!("{node}/{}", entry.entry),
            arrived: moment(entry.arrived_ms),
            octets: entry.size,
            sender: envelope.reverse_path,
            mailbox: envelope.sender_mailbox,
            origin,
            recipients: entry.recipients.into_iter().map(RecipientRow::from).collect(),
        }
    }
}

impl From<EntryRecipient> for RecipientRow {
    fn from(recipient: EntryRecipient) -> Self {
        Self {
            address: recipient.address,
            destination: recipient.destination,
            attempts: recipient.attempts,
            next_attempt: moment(recipient.next_attempt_ms),
            held: recipient.held,
            held_why: recipient.held_why,
            leased_by: recipient.leased_by,
            paused_until: until(recipient.paused_until_ms),
            status: recipient.last_status,
            remote: recipient.last_remote,
        }
    }
}

impl RecipientRow {
    fn state(&self) -> String {
        if self.held {
            "held".to_owned()
        } else if !self.leased_by.is_empty() {
            format!("with {}", self.leased_by)
        } else if self.attempts == 0 && self.paused_until.is_empty() {
            "new".to_owned()
        } else {
            let next = if self.paused_until > self.next_attempt { &self.paused_until } else { &self.next_attempt };
            format!("next {next}, tried {}: {}", self.attempts, self.status)
        }
    }
}

fn until(ms: i64) -> String {
    if ms == 0 { String::new() } else { moment(ms) }
}

async fn destinations(queues: &Queues, limit: u32, output: Output) -> Result<(), Failure> {
    let mut by_name: BTreeMap<String, DestinationRow> = BTreeMap::new();
    for queue in queues.all().await? {
        for found in queue.destinations(limit).await.map_err(|e| of(&queue, e))?.destinations {
            by_name.entry(found.destination.clone()).or_default().add(found);
        }
    }
    let mut rows: Vec<_> = by_name.into_values().collect();
    rows.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.destination.cmp(&b.destination)));
    rows.truncate(limit as usize);
    output.answer(&rows, || {
        let head = ["DESTINATION", "RECIPIENTS", "LEASED", "HELD", "PAUSED"].map(str::to_owned).to_vec();
        let cells = |row: &DestinationRow| {
            let paused = format!("{} {}", row.paused_until, row.paused_status);
            let counts = [row.recipients, row.leased, row.held].map(|count| count.to_string());
            [&[row.destination.clone()][..], &counts, &[paused]].concat()
        };
        table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>())
    })
}

#[derive(Serialize, Default)]
struct DestinationRow {
    destination: String,
    recipients: u64,
    leased: u64,
    held: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    paused_until: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    paused_status: String,
}

impl DestinationRow {
    fn add(&mut self, found: Destination) {
        self.destination = found.destination;
        self.recipients += found.recipients;
        self.leased += found.leased;
        self.held += found.held;
        let paused = until(found.paused_until_ms);
        if paused > self.paused_until {
            (self.paused_until, self.paused_status) = (paused, found.paused_status);
        }
    }
}

async fn show(queues: &Queues, id: &str, output: Output) -> Result<(), Failure> {
    let (queue, entry) = place(queues, id).await?;
    let row = Row::new(queue.node(), queue.show(entry).await.map_err(|error| not_there(id, error))?);
    output.answer(&row, || {
        let mut lines = vec![
            format!("{}  {}  {} octets  {}", row.id, row.arrived, row.octets, row.origin),
            format!("from <{}>", row.sender),
        ];
        for recipient in &row.recipients {
            lines.push(format!("to {} ({}): {}", recipient.address, recipient.destination, recipient.state()));
            if !recipient.held_why.is_empty() {
                lines.push(format!("   {}", recipient.held_why));
            }
            if !recipient.remote.is_empty() {
                lines.push(format!("   {} said so", recipient.remote));
            }
        }
        lines
    })
}

async fn ask(queues: &Queues, meant: &QueueMeant, action: Action, done: &str, output: Output) -> Result<(), Failure> {
    let mut request = ChangeRequest { action: action.into(), all: meant.all, ..ChangeRequest::default() };
    request.destination = meant.destination.clone().unwrap_or_default();
    let mut recipients = 0;
    if let Some(id) = &meant.id {
        let (queue, entry) = place(queues, id).await?;
        recipients += queue.change(ChangeRequest { entry, ..request }).await.map_err(|error| not_there(id, error))?;
    } else {
        for queue in queues.all().await? {
            recipients += queue.change(request.clone()).await.map_err(|error| of(&queue, error))?;
        }
    }
    output.answer(&Changed { recipients }, || vec![format!("{recipients} recipients {done}")])
}

#[derive(Serialize)]
struct Changed {
    recipients: u64,
}

/// The queue and the number that an id names.
async fn place(queues: &Queues, id: &str) -> Result<(Queue, u64), Failure> {
    let bad = || Failure::refused(format!("{id}: no id; `brevdue queue list` shows them, such as node-1/263"));
    let (node, entry) = id.rsplit_once('/').ok_or_else(bad)?;
    let entry = entry.parse().map_err(|_| bad())?;
    Ok((queues.of_node(node).await?, entry))
}

fn not_there(id: &str, error: QueueError) -> Failure {
    match error {
        QueueError::Lost(_) => Failure::refused(format!("{id}: not in the queue (any more)")),
        error @ (QueueError::Refused(_) | QueueError::Unavailable(_)) => Failure::refused(error).of(id),
    }
}

fn of(queue: &Queue, error: QueueError) -> Failure {
    Failure::refused(error).of(queue.node())
}
