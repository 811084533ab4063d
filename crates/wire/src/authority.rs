//! Which role may ask which verb: the whole table, in this one place. Servers enforce it before they look at a request.

use model::Role;

/// Everything that one process can ask of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// A session link to a node's shard (the WebSocket); not a gRPC method.
    Session,
    /// Node: one SMTP transaction's delivery.
    Deliver,
    /// Node: whether a delivery was committed.
    DeliveryStatus,
    /// Node: the check that does real work.
    Check,
    /// Node: closes a mailbox for good and removes its files.
    Erase,
    /// Node: lists files that were moved aside.
    ListAside,
    /// Node: removes a file that was moved aside.
    DiscardAside,
    /// Queue: one message for other hosts.
    Enqueue,
    /// Queue: whether a message was taken.
    EnqueueStatus,
    /// Queue: due recipients for a worker.
    Lease,
    /// Queue: the message of a leased entry.
    ReadEntry,
    /// Queue: leases go on.
    Renew,
    /// Queue: what became of leased recipients.
    Settle,
    /// Queue: a destination is left alone.
    Pause,
    /// Queue: lists destinations.
    ListDestinations,
    /// Queue: lists entries.
    ListEntries,
    /// Queue: one entry.
    ShowEntry,
    /// Queue: retries, holds, releases or drops.
    ChangeEntries,
    /// Backup: snapshots that wait for a store.
    StagedSnapshots,
    /// Backup: a snapshot's octets.
    ReadSnapshot,
    /// Backup: a snapshot is in a store.
    SnapshotUploaded,
    /// Backup: a snapshot could not be put into its store.
    SnapshotFailed,
    /// Backup: what became of a mailbox's newest snapshot.
    BackupState,
    /// Backup: a snapshot takes the place of a mailbox.
    RestoreMailbox,
    /// Backup: a snapshot of the catalogue is taken.
    TakeSnapshot,
    /// Directory: an address to its alias.
    Resolve,
    /// Directory: an alias with its wrapped keys.
    Credentials,
    /// Directory: the feed of changes.
    Watch,
    /// Directory: a mailbox's file was made.
    MarkBorn,
    /// Directory: adds a domain.
    AddDomain,
    /// Directory: lists domains.
    ListDomains,
    /// Directory: adds an alias.
    AddAlias,
    /// Directory: lists aliases.
    ListAliases,
    /// Directory: adds a credential.
    AddCredential,
    /// Directory: revokes a credential.
    RevokeCredential,
    /// Directory: a node says where it listens.
    RegisterNode,
    /// Directory: lists nodes.
    ListNodes,
    /// Directory: what is done with mail for a recipient.
    Route,
    /// Directory: whether a login may send as an address.
    MaySend,
    /// Directory: a domain's private DKIM keys.
    SigningKeys,
    /// Directory: the secrets of rewritten senders.
    SrsSecrets,
    /// Directory: a webhook with its secret.
    WebhookById,
    /// Directory: adds a rule.
    AddRule,
    /// Directory: changes a rule.
    ChangeRule,
    /// Directory: takes a rule away.
    RemoveRule,
    /// Directory: lists rules.
    ListRules,
    /// Directory: adds a webhook.
    AddWebhook,
    /// Directory: lists webhooks.
    ListWebhooks,
    /// Directory: changes a webhook.
    ChangeWebhook,
    /// Directory: takes a webhook away.
    RemoveWebhook,
    /// Directory: a domain with its settings and keys.
    ShowDomain,
    /// Directory: sets a domain's setting.
    SetDomain,
    /// Directory: makes a DKIM key.
    AddDkimKey,
    /// Directory: the next DKIM keys sign.
    RotateDkim,
    /// Directory: a DKIM key signs no more.
    RetireDkimKey,
    /// Directory: forgets a DKIM key.
    RemoveDkimKey,
    /// Directory: makes a new SRS secret.
    RotateSrs,
    /// Directory: what limits a mailbox.
    Allowance,
    /// Directory: what a mailbox holds, and room for more.
    Grant,
    /// Directory: limits an account.
    LimitAccount,
    /// Directory: an account, and what its aliases store.
    ShowAccount,
    /// Directory: limits an alias.
    LimitAlias,
    /// Directory: closes or forgets an alias.
    EraseAlias,
    /// Directory: where a mailbox's backup goes, and its wrapped keys sealed.
    Keeping,
    /// Directory: opens wrapped keys that were sealed for a backup.
    OpenKept,
    /// Directory: where an alias's backups go.
    BackupStore,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 66] = [
        Self::Session,
        Self::Deliver,
        Self::DeliveryStatus,
        Self::Check,
        Self::Erase,
        Self::ListAside,
        Self::DiscardAside,
        Self::Enqueue,
        Self::EnqueueStatus,
        Self::Lease,
        Self::ReadEntry,
        Self::Renew,
        Self::Settle,
        Self::Pause,
        Self::ListDestinations,
        Self::ListEntries,
        Self::ShowEntry,
        Self::ChangeEntries,
        Self::StagedSnapshots,
        Self::ReadSnapshot,
        Self::SnapshotUploaded,
        Self::SnapshotFailed,
        Self::BackupState,
        Self::RestoreMailbox,
        Self::TakeSnapshot,
        Self::Resolve,
        Self::Credentials,
        Self::Watch,
        Self::MarkBorn,
        Self::AddDomain,
        Self::ListDomains,
        Self::AddAlias,
        Self::ListAliases,
        Self::AddCredential,
        Self::RevokeCredential,
        Self::RegisterNode,
        Self::ListNodes,
        Self::Route,
        Self::MaySend,
        Self::SigningKeys,
        Self::SrsSecrets,
        Self::WebhookById,
        Self::AddRule,
        Self::ChangeRule,
        Self::RemoveRule,
        Self::ListRules,
        Self::AddWebhook,
        Self::ListWebhooks,
        Self::ChangeWebhook,
        Self::RemoveWebhook,
        Self::ShowDomain,
        Self::SetDomain,
        Self::AddDkimKey,
        Self::RotateDkim,
        Self::RetireDkimKey,
        Self::RemoveDkimKey,
        Self::RotateSrs,
        Self::Allowance,
        Self::Grant,
        Self::LimitAccount,
        Self::ShowAccount,
        Self::LimitAlias,
        Self::EraseAlias,
        Self::Keeping,
        Self::OpenKept,
        Self::BackupStore,
    ];

    /// The gRPC path, or `session` for the session link.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Deliver => "/brevdue.node.v1.Node/Deliver",
            Self::DeliveryStatus => "/brevdue.node.v1.Node/DeliveryStatus",
            Self::Check => "/brevdue.node.v1.Node/Check",
            Self::Erase => "/brevdue.node.v1.Node/Erase",
            Self::ListAside => "/brevdue.node.v1.Node/ListAside",
            Self::DiscardAside => "/brevdue.node.v1.Node/DiscardAside",
            Self::Enqueue => "/brevdue.queue.v1.Queue/Enqueue",
            Self::EnqueueStatus => "/brevdue.queue.v1.Queue/EnqueueStatus",
            Self::Lease => "/brevdue.queue.v1.Queue/Lease",
            Self::ReadEntry => "/brevdue.queue.v1.Queue/Read",
            Self::Renew => "/brevdue.queue.v1.Queue/Renew",
            Self::Settle => "/brevdue.queue.v1.Queue/Settle",
            Self::Pause => "/brevdue.queue.v1.Queue/Pause",
            Self::ListDestinations => "/brevdue.queue.v1.Queue/Destinations",
            Self::ListEntries => "/brevdue.queue.v1.Queue/List",
            Self::ShowEntry => "/brevdue.queue.v1.Queue/Show",
            Self::ChangeEntries => "/brevdue.queue.v1.Queue/Change",
            Self::StagedSnapshots => "/brevdue.backup.v1.Backup/Staged",
            Self::ReadSnapshot => "/brevdue.backup.v1.Backup/Read",
            Self::SnapshotUploaded => "/brevdue.backup.v1.Backup/Uploaded",
            Self::SnapshotFailed => "/brevdue.backup.v1.Backup/Failed",
            Self::BackupState => "/brevdue.backup.v1.Backup/State",
            Self::RestoreMailbox => "/brevdue.backup.v1.Backup/Restore",
            Self::TakeSnapshot => "/brevdue.backup.v1.Backup/Take",
            Self::Resolve => "/brevdue.directory.v1.Directory/Resolve",
            Self::Credentials => "/brevdue.directory.v1.Directory/Credentials",
            Self::Watch => "/brevdue.directory.v1.Directory/Watch",
            Self::MarkBorn => "/brevdue.directory.v1.Directory/MarkBorn",
            Self::AddDomain => "/brevdue.directory.v1.Directory/AddDomain",
            Self::ListDomains => "/brevdue.directory.v1.Directory/ListDomains",
            Self::AddAlias => "/brevdue.directory.v1.Directory/AddAlias",
            Self::ListAliases => "/brevdue.directory.v1.Directory/ListAliases",
            Self::AddCredential => "/brevdue.directory.v1.Directory/AddCredential",
            Self::RevokeCredential => "/brevdue.directory.v1.Directory/RevokeCredential",
            Self::RegisterNode => "/brevdue.directory.v1.Directory/RegisterNode",
            Self::ListNodes => "/brevdue.directory.v1.Directory/ListNodes",
            Self::Route => "/brevdue.directory.v1.Directory/Route",
            Self::MaySend => "/brevdue.directory.v1.Directory/MaySend",
            Self::SigningKeys => "/brevdue.directory.v1.Directory/SigningKeys",
            Self::SrsSecrets => "/brevdue.directory.v1.Directory/SrsSecrets",
            Self::WebhookById => "/brevdue.directory.v1.Directory/WebhookById",
            Self::AddRule => "/brevdue.directory.v1.Directory/AddRule",
            Self::ChangeRule => "/brevdue.directory.v1.Directory/ChangeRule",
            Self::RemoveRule => "/brevdue.directory.v1.Directory/RemoveRule",
            Self::ListRules => "/brevdue.directory.v1.Directory/ListRules",
            Self::AddWebhook => "/brevdue.directory.v1.Directory/AddWebhook",
            Self::ListWebhooks => "/brevdue.directory.v1.Directory/ListWebhooks",
            Self::ChangeWebhook => "/brevdue.directory.v1.Directory/ChangeWebhook",
            Self::RemoveWebhook => "/brevdue.directory.v1.Directory/RemoveWebhook",
            Self::ShowDomain => "/brevdue.directory.v1.Directory/ShowDomain",
            Self::SetDomain => "/brevdue.directory.v1.Directory/SetDomain",
            Self::AddDkimKey => "/brevdue.directory.v1.Directory/AddDkimKey",
            Self::RotateDkim => "/brevdue.directory.v1.Directory/RotateDkim",
            Self::RetireDkimKey => "/brevdue.directory.v1.Directory/RetireDkimKey",
            Self::RemoveDkimKey => "/brevdue.directory.v1.Directory/RemoveDkimKey",
            Self::RotateSrs => "/brevdue.directory.v1.Directory/RotateSrs",
            Self::Allowance => "/brevdue.directory.v1.Directory/Allowance",
            Self::Grant => "/brevdue.directory.v1.Directory/Grant",
            Self::LimitAccount => "/brevdue.directory.v1.Directory/LimitAccount",
            Self::ShowAccount => "/brevdue.directory.v1.Directory/ShowAccount",
            Self::LimitAlias => "/brevdue.directory.v1.Directory/LimitAlias",
            Self::EraseAlias => "/brevdue.directory.v1.Directory/EraseAlias",
            Self::Keeping => "/brevdue.directory.v1.Directory/Keeping",
            Self::OpenKept => "/brevdue.directory.v1.Directory/OpenKept",
            Self::BackupStore => "/brevdue.directory.v1.Directory/BackupStore",
        }
    }

    /// The verb of a gRPC path or of `session`; `None` for what nobody offers.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.path() == path)
    }

    /// The roles that may ask it. The match is exhaustive on purpose: a new verb does not compile without an answer here.
    pub const fn roles(self) -> &'static [Role] {
        match self {
            // Reading and writing mail needs the owner's key, which only who signs people in has: at the command line as at a
            // front-end. Without a password that its owner typed, the operator's certificate opens no mailbox.
            Self::Session => &[Role::Imap, Role::Pop3, Role::Submission, Role::Admin],
            // The way in from the internet delivers, and can do nothing else to a mailbox.
            Self::Deliver | Self::DeliveryStatus => &[Role::Mx],
            Self::Check | Self::Erase | Self::ListAside | Self::DiscardAside => &[Role::Admin],
            // Who accepts mail puts in what goes on elsewhere; outbound adds its own reports.
            Self::Enqueue | Self::EnqueueStatus => &[Role::Mx, Role::Submission, Role::Outbound],
            // Queued mail is readable to whoever delivers it, and to nobody else.
            Self::Lease | Self::ReadEntry | Self::Renew | Self::Settle | Self::Pause => &[Role::Outbound],
            // The operator sees envelopes and replies, no content.
            Self::ListDestinations | Self::ListEntries | Self::ShowEntry | Self::ChangeEntries => &[Role::Admin],
            // What is carried is ciphertext, and the worker has no key to any of it.
            Self::StagedSnapshots | Self::ReadSnapshot | Self::SnapshotUploaded | Self::SnapshotFailed => {
                &[Role::Backup]
            }
            // To restore a mailbox takes its key besides, which only the owner's password opens; what waits is sealed to the owner.
            Self::BackupState | Self::RestoreMailbox => &[Role::Admin],
            // What is taken goes to the worker, not to who asked.
            Self::TakeSnapshot => &[Role::Admin],
            // What the worker is given to keep beside a backup is sealed: it cannot so much as try a password on it.
            Self::Keeping => &[Role::Backup],
            Self::OpenKept | Self::BackupStore => &[Role::Admin],
            Self::Resolve => {
                &[Role::Mx, Role::Imap, Role::Pop3, Role::Submission, Role::Outbound, Role::Node, Role::Admin]
            }
            Self::Watch | Self::ListNodes => &[
                Role::Mx,
                Role::Imap,
                Role::Pop3,
                Role::Submission,
                Role::Outbound,
                Role::Backup,
                Role::Node,
                Role::Admin,
            ],
            // Wrapped keys: a chosen password could be guessed from them offline, so the fewer see them the better.
            Self::Credentials => &[Role::Imap, Role::Pop3, Role::Submission, Role::Admin],
            // The node made the file; the front-end asked it to.
            Self::MarkBorn => &[Role::Node, Role::Imap, Role::Pop3, Role::Admin],
            Self::RegisterNode => &[Role::Node, Role::Admin],
            // Who stores the mail counts it.
            Self::Allowance | Self::Grant => &[Role::Node],
            Self::AddDomain
            | Self::ListDomains
            | Self::AddAlias
            | Self::ListAliases
            | Self::AddCredential
            | Self::RevokeCredential => &[Role::Admin],
            // Who takes mail asks where it goes; who is asked by the owner, what they may send as.
            Self::Route => &[Role::Mx, Role::Submission, Role::Admin],
            Self::MaySend => &[Role::Submission],
            // They sign in a domain's name, so only those see them that must: mail that is sent, reports, and ARC seals.
            Self::SigningKeys => &[Role::Mx, Role::Submission, Role::Outbound],
            // The MX rewrites senders, and lets bounces home.
            Self::SrsSecrets => &[Role::Mx],
            // With the secret that signs the call.
            Self::WebhookById => &[Role::Outbound],
            Self::AddRule
            | Self::ChangeRule
            | Self::RemoveRule
            | Self::ListRules
            | Self::AddWebhook
            | Self::ListWebhooks
            | Self::ChangeWebhook
            | Self::RemoveWebhook
            | Self::ShowDomain
            | Self::SetDomain
            | Self::AddDkimKey
            | Self::RotateDkim
            | Self::RetireDkimKey
            | Self::RemoveDkimKey
            | Self::RotateSrs
            | Self::LimitAccount
            | Self::ShowAccount
            | Self::LimitAlias
            | Self::EraseAlias => &[Role::Admin],
        }
    }

    /// Whether the role may ask it.
    pub fn allows(self, role: Role) -> bool {
        self.roles().contains(&role)
    }
}

/// Whether the role may ask what is at this gRPC path, or `session` for the session link. Unknown paths are nobody's.
pub fn allowed(role: Role, path: &str) -> bool {
    Verb::of_path(path).is_some_and(|verb| verb.allows(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table once more, by hand and by role, so that a slip in one of the two is seen.
    fn expected(role: Role) -> &'static [Verb] {
        match role {
            Role::Directory => &[],
            Role::Mx => &[
                Verb::Deliver,
                Verb::DeliveryStatus,
                Verb::Enqueue,
                Verb::EnqueueStatus,
                Verb::Resolve,
                Verb::Watch,
                Verb::ListNodes,
                Verb::Route,
                Verb::SigningKeys,
                Verb::SrsSecrets,
            ],
            Role::Imap | Role::Pop3 => {
                &[Verb::Session, Verb::Resolve, Verb::Credentials, Verb::Watch, Verb::MarkBorn, Verb::ListNodes]
            }
            Role::Submission => &[
                Verb::Session,
                Verb::Enqueue,
                Verb::EnqueueStatus,
                Verb::Resolve,
                Verb::Credentials,
                Verb::Watch,
                Verb::ListNodes,
                Verb::Route,
                Verb::MaySend,
                Verb::SigningKeys,
            ],
            Role::Outbound => &[
                Verb::Enqueue,
                Verb::EnqueueStatus,
                Verb::Lease,
                Verb::ReadEntry,
                Verb::Renew,
                Verb::Settle,
                Verb::Pause,
                Verb::Resolve,
                Verb::Watch,
                Verb::ListNodes,
                Verb::SigningKeys,
                Verb::WebhookById,
            ],
            Role::Backup => &[
                Verb::StagedSnapshots,
                Verb::ReadSnapshot,
                Verb::SnapshotUploaded,
                Verb::SnapshotFailed,
                Verb::Watch,
                Verb::ListNodes,
                Verb::Keeping,
            ],
            Role::Node => &[
                Verb::Resolve,
                Verb::Watch,
                Verb::MarkBorn,
                Verb::RegisterNode,
                Verb::ListNodes,
                Verb::Allowance,
                Verb::Grant,
            ],
            Role::Admin => &[
                Verb::Session,
                Verb::Check,
                Verb::Erase,
                Verb::ListAside,
                Verb::DiscardAside,
                Verb::ListDestinations,
                Verb::ListEntries,
                Verb::ShowEntry,
                Verb::ChangeEntries,
                Verb::BackupState,
                Verb::RestoreMailbox,
                Verb::TakeSnapshot,
                Verb::Resolve,
                Verb::Credentials,
                Verb::Watch,
                Verb::MarkBorn,
                Verb::AddDomain,
                Verb::ListDomains,
                Verb::AddAlias,
                Verb::ListAliases,
                Verb::AddCredential,
                Verb::RevokeCredential,
                Verb::RegisterNode,
                Verb::ListNodes,
                Verb::Route,
                Verb::AddRule,
                Verb::ChangeRule,
                Verb::RemoveRule,
                Verb::ListRules,
                Verb::AddWebhook,
                Verb::ListWebhooks,
                Verb::ChangeWebhook,
                Verb::RemoveWebhook,
                Verb::ShowDomain,
                Verb::SetDomain,
                Verb::AddDkimKey,
                Verb::RotateDkim,
                Verb::RetireDkimKey,
                Verb::RemoveDkimKey,
                Verb::RotateSrs,
                Verb::LimitAccount,
                Verb::ShowAccount,
                Verb::LimitAlias,
                Verb::EraseAlias,
                Verb::OpenKept,
                Verb::BackupStore,
            ],
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        for role in Role::ALL {
            let granted: Vec<_> = Verb::ALL.into_iter().filter(|verb| allowed(role, verb.path())).collect();
            assert_eq!(granted, expected(role), "{role}");
        }
    }

    #[test]
    fn every_method_of_the_services_is_a_verb_and_no_other() {
        let mut methods = vec!["session".to_owned()];
        for (package, proto) in [
            ("brevdue.node.v1.Node", include_str!("../../../proto/node.proto")),
            ("brevdue.queue.v1.Queue", include_str!("../../../proto/queue.proto")),
            ("brevdue.backup.v1.Backup", include_str!("../../../proto/backup.proto")),
            ("brevdue.directory.v1.Directory", include_str!("../../../proto/directory.proto")),
        ] {
            for line in proto.lines() {
                if let Some(name) = line.trim().strip_prefix("rpc ").and_then(|rest| rest.split('(').next()) {
                    methods.push(format!("/{package}/{name}"));
                }
            }
        }
        let verbs: Vec<_> = Verb::ALL.into_iter().map(|verb| verb.path().to_owned()).collect();
        assert_eq!(verbs, methods);
    }

    #[test]
    fn what_nobody_offers_is_nobodys() {
        for role in Role::ALL {
            for path in ["", "/", "/brevdue.node.v1.Node/", "/brevdue.node.v1.Node/deliver", "Session", "/session"] {
                assert!(!allowed(role, path), "{role} {path:?}");
            }
        }
    }
}
