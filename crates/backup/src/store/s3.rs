//! A bucket of any S3 as a store: one request for what is small, parts for what is not.
//!
//! An upload in parts outlives the worker that began it: its id stands in the store, in a note beside the object (`.upload`),
//! because not every S3 can be asked for open uploads and a worker keeps nothing. Who comes next asks which parts are there and
//! sends the others. The snapshot behind a name never changes, so a part of the right length is the right part; each goes with
//! its SHA-256, which the store compares, and the whole is compared with the snapshot's before it is completed.

mod lifecycle;

pub use lifecycle::Prepared;

use super::{Listed, Octets, Source, StoreError};
use crate::limits::{
    LISTED_MAX, PARTS_MAX, STORE_CONNECT_SECONDS_MAX, STORE_REQUEST_SECONDS_MAX, STORE_TRIES_MAX, SUBJECTS_MAX,
};
use crate::manifest::UPLOAD;
use crate::throttle::Throttle;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Part};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use daemon::config::BackupStore;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;
use zeroize::Zeroizing;

/// The bucket.
pub struct S3 {
    client: Client,
    bucket: String,
    /// Before every name; empty, or with its slash.
    prefix: String,
    part_bytes: u64,
    checksums: bool,
}

impl S3 {
    /// As it is configured.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] when the credentials' file cannot be used.
    pub fn new(config: &BackupStore) -> Result<Self, StoreError> {
        let seconds = Duration::from_secs;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(seconds(STORE_CONNECT_SECONDS_MAX))
            .operation_attempt_timeout(seconds(STORE_REQUEST_SECONDS_MAX))
            .build();
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials(config)?)
            .force_path_style(config.path_style)
            // Ours are given with each part; those that the SDK adds by itself are not understood everywhere.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(STORE_TRIES_MAX))
            .timeout_config(timeouts);
        if !config.endpoint.is_empty() {
            builder = builder.endpoint_url(&config.endpoint);
        }
        let prefix = config.prefix.trim_matches('/');
        Ok(Self {
            client: Client::from_conf(builder.build()),
            bucket: config.bucket.clone(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            part_bytes: config.part_bytes,
            checksums: config.checksums,
        })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) async fn put(&self, name: &str, source: &dyn Source, throttle: &Throttle) -> Result<(), StoreError> {
        if source.bytes() <= self.part_bytes {
            return self.put_at_once(name, source, throttle).await;
        }
        let part_bytes = self.part_bytes.max(source.bytes().div_ceil(PARTS_MAX));
        let mut upload = self.resume_or_begin(name).await?;
        let mut parts = Parts { source, left: source.read(0).await?, buffer: BytesMut::new() };
        let mut digest = vault::Digest::new();
        let mut done = Vec::new();
        for number in 1.. {
            let part = parts.next(part_bytes).await?;
            if part.is_empty() {
                break;
            }
            digest.update(&part);
            done.push(
                match upload.there.remove(&number).filter(|there| there.size() == i64::try_from(part.len()).ok()) {
                    Some(there) => completed(number, there.e_tag(), self.checksums.then(|| sha256(&part))),
                    None => {
                        throttle.pass(part.len() as u64).await;
                        self.put_part(name, &upload.id, number, part).await?
                    }
                },
            );
        }
        if digest.finish() != source.sha256() {
            self.give_up(name, &upload.id).await?;
            return Err(StoreError::Differs);
        }
        self.complete(name, &upload.id, done).await?;
        self.check_length(name, source.bytes()).await?;
        self.remove(&format!("{name}{UPLOAD}")).await
    }

    async fn put_at_once(&self, name: &str, source: &dyn Source, throttle: &Throttle) -> Result<(), StoreError> {
        let mut parts = Parts { source, left: source.read(0).await?, buffer: BytesMut::new() };
        let all = parts.next(self.part_bytes.max(1)).await?;
        if vault::digest(&all) != source.sha256() {
            return Err(StoreError::Differs);
        }
        throttle.pass(all.len() as u64).await;
        self.put_bytes(name, all).await
    }

    pub(super) async fn put_small(&self, name: &str, octets: Vec<u8>) -> Result<(), StoreError> {
        self.put_bytes(name, octets.into()).await
    }

    async fn put_bytes(&self, name: &str, octets: Bytes) -> Result<(), StoreError> {
        let sum = self.checksums.then(|| sha256(&octets));
        let put = self.client.put_object().bucket(&self.bucket).key(self.key(name)).set_checksum_sha256(sum);
        put.body(ByteStream::from(octets)).send().await.map(drop).map_err(|error| failed(name, &error))
    }

    /// The upload that the note names, with the parts that are there; or a new one.
    async fn resume_or_begin(&self, name: &str) -> Result<Upload, StoreError> {
        let note = format!("{name}{UPLOAD}");
        let noted = match self.get(&note).await {
            Ok(octets) => collect(octets).await?,
            Err(StoreError::Missing(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        if let Some(id) = String::from_utf8(noted).ok().filter(|id| !id.is_empty())
            && let Some(there) = self.parts(name, &id).await?
        {
            tracing::info!(parts = there.len(), "an upload goes on");
            return Ok(Upload { id, there });
        }
        let mut begin = self.client.create_multipart_upload().bucket(&self.bucket).key(self.key(name));
        if self.checksums {
            begin = begin.checksum_algorithm(ChecksumAlgorithm::Sha256);
        }
        let begun = begin.send().await.map_err(|error| failed(name, &error))?;
        let id = begun.upload_id().unwrap_or_default().to_owned();
        // Before the first part: an upload that nobody can find would be paid for until somebody looks.
        self.put_small(&note, id.clone().into_bytes()).await?;
        Ok(Upload { id, there: BTreeMap::new() })
    }

    /// The parts of an upload by number; `None` when there is no such upload any more.
    async fn parts(&self, name: &str, upload: &str) -> Result<Option<BTreeMap<i32, Part>>, StoreError> {
        let mut there = BTreeMap::new();
        let mut marker = None;
        loop {
            let list = self.client.list_parts().bucket(&self.bucket).key(self.key(name)).upload_id(upload);
            let page = match list.set_part_number_marker(marker.take()).send().await {
                Ok(page) => page,
                Err(error) => match failed(name, &error) {
                    StoreError::Missing(_) => return Ok(None),
                    error => return Err(error),
                },
            };
            there.extend(page.parts().iter().filter_map(|part| Some((part.part_number()?, part.clone()))));
            marker = page.next_part_number_marker().map(str::to_owned).filter(|_| page.is_truncated() == Some(true));
            if marker.is_none() || there.len() > PARTS_MAX as usize {
                return Ok(Some(there));
            }
        }
    }

    async fn put_part(&self, name: &str, upload: &str, number: i32, part: Bytes) -> Result<CompletedPart, StoreError> {
        let sum = self.checksums.then(|| sha256(&part));
        let put = self.client.upload_part().bucket(&self.bucket).key(self.key(name)).upload_id(upload);
        let put = put.part_number(number).set_checksum_sha256(sum.clone()).body(ByteStream::from(part));
        match put.send().await {
            Ok(put) => Ok(completed(number, put.e_tag(), sum)),
            Err(error) => match failed(name, &error) {
                // Somebody aborted the upload: the next try begins another.
                StoreError::Missing(what) => Err(StoreError::Failed(format!("{what}: the upload was aborted"))),
                error => Err(error),
            },
        }
    }

    async fn complete(&self, name: &str, upload: &str, parts: Vec<CompletedPart>) -> Result<(), StoreError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(self.key(name));
        let done = complete.upload_id(upload).multipart_upload(parts).send().await;
        done.map(drop).map_err(|error| failed(name, &error))
    }

    async fn give_up(&self, name: &str, upload: &str) -> Result<(), StoreError> {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.key(name)).upload_id(upload);
        // An upload that is gone is what was wanted.
        let _ = abort.send().await;
        self.remove(&format!("{name}{UPLOAD}")).await
    }

    /// The store says that it has all of it.
    async fn check_length(&self, name: &str, bytes: u64) -> Result<(), StoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(name)).send().await;
        let head = head.map_err(|error| failed(name, &error))?;
        if head.content_length() == i64::try_from(bytes).ok() { Ok(()) } else { Err(StoreError::Differs) }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Octets, StoreError> {
        let got = self.client.get_object().bucket(&self.bucket).key(self.key(name)).send().await;
        let body = got.map_err(|error| failed(name, &error))?.body;
        let pieces = futures_util::stream::unfold(body, |mut body| async move {
            let piece = body.next().await?;
            Some((piece.map_err(|error| StoreError::Failed(error.to_string())), body))
        });
        Ok(pieces.fuse().boxed())
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(prefix));
        let mut pages = list.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(prefix, &error))?;
            for object in page.contents() {
                let Some(name) = object.key().and_then(|key| key.strip_prefix(&self.prefix)) else { continue };
                let modified_ms = object.last_modified().and_then(|at| at.to_millis().ok()).unwrap_or_default();
                let bytes = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                listed.push(Listed { name: name.to_owned(), bytes, modified_ms });
            }
            if listed.len() >= LISTED_MAX {
                break;
            }
        }
        Ok(listed)
    }

    /// Names between this prefix and the next slash.
    pub(super) async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let within = self.key(prefix);
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&within).delimiter("/");
        let mut pages = list.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(prefix, &error))?;
            let found = page.common_prefixes().iter().filter_map(|each| each.prefix()?.strip_prefix(&within));
            names.extend(found.map(|name| name.trim_end_matches('/').to_owned()));
            if names.len() >= SUBJECTS_MAX {
                break;
            }
        }
        Ok(names)
    }

    /// Ends the upload that a note is about, and removes the note; whether there was one.
    pub(super) async fn abort(&self, note: &str) -> Result<bool, StoreError> {
        let name = note.strip_suffix(UPLOAD).unwrap_or(note);
        let known = match self.get(note).await {
            Ok(octets) => collect(octets).await?,
            Err(StoreError::Missing(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let id = String::from_utf8(known).ok().filter(|id| !id.is_empty());
        // A note that names nothing leads nowhere.
        let Some(id) = id else { return self.remove(note).await.map(|()| false) };
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.key(name)).upload_id(id);
        let aborted = match abort.send().await.map_err(|error| failed(name, &error)) {
            Ok(_) => true,
            // It was completed, or somebody ended it.
            Err(StoreError::Missing(_)) => false,
            // The note stays: without it nobody would find the upload again.
            Err(error) => return Err(error),
        };
        self.remove(note).await?;
        Ok(aborted)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let remove = self.client.delete_object().bucket(&self.bucket).key(self.key(name)).send().await;
        match remove {
            Ok(_) => Ok(()),
            Err(error) => match failed(name, &error) {
                StoreError::Missing(_) => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Begins an upload in parts and ends it.
    pub(super) async fn try_parts(&self, name: &str) -> Result<(), StoreError> {
        let begin = self.client.create_multipart_upload().bucket(&self.bucket).key(self.key(name));
        let begun = begin.send().await.map_err(|error| failed(name, &error))?;
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.key(name));
        let aborted = abort.upload_id(begun.upload_id().unwrap_or_default()).send().await;
        aborted.map(drop).map_err(|error| failed(name, &error))
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key("")).max_keys(1);
        list.send().await.map(drop).map_err(|error| failed(&self.bucket, &error))
    }
}

/// An upload in parts.
struct Upload {
    id: String,
    there: BTreeMap<i32, Part>,
}

/// Cuts a source into parts.
struct Parts<'s> {
    source: &'s dyn Source,
    left: Octets,
    buffer: BytesMut,
}

impl Parts<'_> {
    /// The next part; empty at the end.
    async fn next(&mut self, bytes: u64) -> Result<Bytes, StoreError> {
        let bytes = usize::try_from(bytes.min(self.source.bytes())).unwrap_or(usize::MAX);
        while self.buffer.len() < bytes {
            let Some(piece) = self.left.next().await else { break };
            self.buffer.extend_from_slice(&piece?);
        }
        Ok(self.buffer.split_to(bytes.min(self.buffer.len())).freeze())
    }
}

fn completed(number: i32, tag: Option<&str>, sum: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(tag.map(str::to_owned)).set_checksum_sha256(sum).build()
}

fn sha256(octets: &[u8]) -> String {
    BASE64.encode(vault::digest(octets))
}

async fn collect(mut octets: Octets) -> Result<Vec<u8>, StoreError> {
    let mut all = Vec::new();
    while let Some(piece) = octets.next().await {
        all.extend_from_slice(&piece?);
        if all.len() > crate::limits::SMALL_BYTES_MAX {
            return Err(StoreError::Failed("the note about an upload is too long".to_owned()));
        }
    }
    Ok(all)
}

/// What an error of the SDK is here. No secret is in what it says of itself.
fn failed<E, R>(name: &str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let code = error.code().unwrap_or_default();
    let text = match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => DisplayErrorContext(error).to_string(),
    };
    let status = match error {
        SdkError::ServiceError(_) if code.is_empty() => "unnamed",
        _ => code,
    };
    match status {
        "NoSuchKey" | "NoSuchUpload" | "NotFound" => StoreError::Missing(name.to_owned()),
        "NoSuchBucket" => StoreError::NoStore(text),
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthorizationHeaderMalformed"
        | "ExpiredToken"
        | "InvalidToken"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "Unauthorized"
        | "Forbidden" => StoreError::Refused(text),
        "QuotaExceeded" | "InsufficientStorage" => StoreError::Full,
        _ => StoreError::Failed(text),
    }
}

/// The file has the access key in its first line and the secret in its second.
fn credentials(config: &BackupStore) -> Result<Credentials, StoreError> {
    let file = config.credentials_file.display();
    let wrong = |what: String| {
        StoreError::Configuration(format!(
            "{file}: {what}; give backup.stores.credentials_file a file with the access key in its first line and the secret in its second"
        ))
    };
    let text = std::fs::read_to_string(&config.credentials_file).map(Zeroizing::new);
    let text = text.map_err(|error| wrong(error.to_string()))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        // Wiped by the SDK when they are dropped, and not shown by its Debug.
        (Some(key), Some(secret)) => Ok(Credentials::new(key, secret, None, None, "backup.stores.credentials_file")),
        _ => Err(wrong("it has no two lines".to_owned())),
    }
}
