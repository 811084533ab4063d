//! What makes an object a backup: its manifest, a small JSON object beside it, put last. And how both are named.
//!
//! `docs/formats/backup.md` describes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use model::SnapshotId;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use wire::backup::{Kind, Snapshot};

/// The form of a manifest.
const VERSION: u32 = 2;
/// The oldest form that is read: it keeps no keys.
const VERSION_MIN: u32 = 1;
/// What ends the name of the data.
const DATA: &str = ".sqlite";
/// What ends the name of the manifest.
pub const MANIFEST: &str = ".json";
/// What ends the name of the note about an upload under way.
pub const UPLOAD: &str = ".upload";

/// What a backup is of, and how to tell whether it is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this manifest.
    pub version: u32,
    /// The snapshot's id, 24 hex digits.
    pub id: String,
    /// `mailbox`, `waiting`, `queue` or `catalogue`.
    pub kind: String,
    /// The id of the mailbox or queue, or `catalogue`.
    pub subject: String,
    /// When it was taken, RFC 3339 in UTC.
    pub time: String,
    /// Octets of the data.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// SHA-256 of the data, 64 hex digits.
    pub sha256: String,
    /// The mailbox's change counter then.
    pub changes: u64,
    /// The number of the file's schema.
    pub schema: u32,
    /// The mailbox's wrapped keys when it was carried away, sealed by the directory, in base64. Empty where nothing is kept: in
    /// the first form, and of what no password opens.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kept: String,
}

/// A snapshot whose description makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0} describes a snapshot that cannot be: {1}")]
pub struct Malformed(pub String, pub &'static str);

impl Manifest {
    /// Of a snapshot as its node describes it.
    ///
    /// # Errors
    /// [`Malformed`] when the description cannot be.
    pub fn of(snapshot: &Snapshot) -> Result<Self, Malformed> {
        let bad = |what| Malformed(snapshot.id.clone(), what);
        snapshot.id.parse::<SnapshotId>().map_err(|_| bad("its id"))?;
        let kind = kind_name(snapshot.kind()).ok_or_else(|| bad("its kind"))?;
        let subject = match snapshot.kind() {
            Kind::Catalogue => kind.to_owned(),
            _ => snapshot.subject.parse::<model::MailboxId>().map_err(|_| bad("its subject"))?.to_string(),
        };
        let time = Timestamp::from_millisecond(snapshot.taken_ms).map_err(|_| bad("its time"))?;
        if snapshot.sha256.len() != 32 {
            return Err(bad("its digest"));
        }
        Ok(Self {
            version: VERSION,
            id: snapshot.id.clone(),
            kind: kind.to_owned(),
            subject,
            time: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            bytes: snapshot.bytes,
            messages: snapshot.messages,
            sha256: hex(&snapshot.sha256),
            changes: snapshot.changes,
            schema: snapshot.schema,
            kept: String::new(),
        })
    }

    /// Keeps the sealed keys.
    pub fn keep(&mut self, sealed: &[u8]) {
        self.kept = BASE64.encode(sealed);
    }

    /// The sealed keys, if there are any.
    pub fn sealed_keys(&self) -> Option<Vec<u8>> {
        BASE64.decode(&self.kept).ok().filter(|sealed| !sealed.is_empty())
    }

    /// From the octets of a manifest, if it is one of a form that is known.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(octets).ok()?;
        ((VERSION_MIN..=VERSION).contains(&manifest.version) && manifest.taken().is_some()).then_some(manifest)
    }

    /// Its octets.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_octets(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut octets = serde_json::to_vec_pretty(self)?;
        octets.push(b'\n');
        Ok(octets)
    }

    /// When it was taken.
    pub fn taken(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// What its names begin with: no address, and the newest last where names are sorted.
    pub fn stem(&self) -> String {
        let time: String = self.time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        format!("{}{time}-{}", folder(&self.kind, &self.subject), self.id)
    }

    /// The name of the data.
    pub fn data_name(&self) -> String {
        self.stem() + DATA
    }

    /// The name of the manifest.
    pub fn name(&self) -> String {
        self.stem() + MANIFEST
    }
}

impl AsRef<Self> for Manifest {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The kinds of which there are many subjects, each with a folder of its own, and the folder of those folders.
pub const FOLDERS: [(&str, &str); 3] = [("mailbox", "mailboxes/"), ("waiting", "waiting/"), ("queue", "queues/")];

/// The folder of what is kept of a subject, with its slash.
pub fn folder(kind: &str, subject: &str) -> String {
    match FOLDERS.iter().find(|(name, _)| *name == kind) {
        Some((_, folders)) => format!("{folders}{subject}/"),
        None => format!("{kind}/"),
    }
}

/// A name without what follows the snapshot's id in it, if it is one that this program gives: `<time>-<id>` and one of its
/// endings. Whatever else lies in a store is somebody else's.
pub fn stem(name: &str) -> Option<&str> {
    let folder = name.rfind('/').map_or(0, |at| at + 1);
    let end = folder + name.get(folder..)?.find('.')?;
    let (time, id) = name.get(folder..end)?.split_once('-')?;
    id.parse::<SnapshotId>().ok()?;
    Timestamp::strptime("%Y%m%dT%H%M%S%z", time.strip_suffix('Z')?.to_owned() + "+0000").ok()?;
    ENDINGS.contains(&name.get(end..)?).then(|| name.get(..end)).flatten()
}

/// What ends the names of objects, whole and unfinished.
const ENDINGS: [&str; 5] = [DATA, MANIFEST, ".sqlite.upload", ".sqlite.part", ".json.part"];

const fn kind_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Mailbox => Some("mailbox"),
        Kind::Waiting => Some("waiting"),
        Kind::Queue => Some("queue"),
        Kind::Catalogue => Some("catalogue"),
        Kind::Unspecified => None,
    }
}

/// Lower-case hex.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            id: "0102030405060708090a0b0c".to_owned(),
            kind: Kind::Mailbox.into(),
            subject: "abcdefabcdefabcdefabcdef".to_owned(),
            taken_ms: 1_700_000_000_123,
            bytes: 5,
            messages: 1,
            sha256: vec![0xab; 32].into(),
            changes: 7,
            schema: 3,
            erased: false,
        }
    }

    #[test]
    fn names_are_sorted_by_time_and_hold_no_address() {
        let manifest = Manifest::of(&snapshot()).unwrap();
        assert_eq!(
            manifest.data_name(),
            "mailboxes/abcdefabcdefabcdefabcdef/20231114T221320Z-0102030405060708090a0b0c.sqlite"
        );
        assert_eq!(Manifest::parse(&manifest.to_octets().unwrap()), Some(manifest));
    }

    #[test]
    fn keys_are_kept_and_the_first_form_is_read() {
        let mut manifest = Manifest::of(&snapshot()).unwrap();
        assert_eq!(manifest.sealed_keys(), None);
        manifest.keep(&[1, 2, 3]);
        let read = Manifest::parse(&manifest.to_octets().unwrap()).unwrap();
        assert_eq!((read.version, read.sealed_keys()), (2, Some(vec![1, 2, 3])));
        let first = Manifest { version: 1, kept: String::new(), ..manifest };
        let octets = first.to_octets().unwrap();
        assert!(!String::from_utf8(octets.clone()).unwrap().contains("kept"));
        assert_eq!(Manifest::parse(&octets), Some(first.clone()));
        assert_eq!(Manifest::parse(&Manifest { version: 3, ..first }.to_octets().unwrap()), None);
    }

    #[test]
    fn a_stem_is_what_data_manifest_and_notes_share() {
        let stem_of = "m/x/20200101T000000Z-0102030405060708090a0b0c";
        for ending in ENDINGS {
            assert_eq!(stem(&format!("{stem_of}{ending}")), Some(stem_of));
        }
        let others = [
            "notes.txt",
            "x-y.sqlite",
            "2020-0102030405060708090a0b0c.json",
            "20200101T000000Z-0102030405060708090a0b0c",
        ];
        for other in others {
            assert_eq!(stem(&format!("m/x/{other}")), None, "{other}");
        }
        assert_eq!(stem(&format!("{stem_of}.sqlite.gz")), None);
    }

    #[test]
    fn what_cannot_be_is_no_manifest() {
        for bad in [
            Snapshot { subject: "../../etc".to_owned(), ..snapshot() },
            Snapshot { id: "x/y".to_owned(), ..snapshot() },
            Snapshot { sha256: vec![1].into(), ..snapshot() },
            Snapshot { kind: Kind::Unspecified.into(), ..snapshot() },
        ] {
            assert!(Manifest::of(&bad).is_err());
        }
        assert_eq!(Manifest::parse(b"{}"), None);
    }
}
