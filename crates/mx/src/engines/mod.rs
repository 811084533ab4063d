//! rspamd and clamd, where an operator has them: the text is streamed to them beside the nodes. One that is stopped, slow or
//! wrong delays a message by no more than the wait that is configured, and has then no say.

pub mod clamd;
pub mod rspamd;

use crate::limits::{ENGINE_FRAME_BYTES, ENGINE_FRAMES_MAX};
use crate::metrics as names;
use crate::policy::Reason;
use bytes::{Bytes, BytesMut};
use daemon::config;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Where they are, and how long they may take.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// host:port; empty: none.
    rspamd: String,
    clamd: String,
    wait: Duration,
}

/// What they are told of the envelope.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The client.
    pub address: IpAddr,
    /// What it called itself.
    pub hello: String,
    /// The reverse-path.
    pub sender: String,
    /// Recipients.
    pub recipients: Vec<String>,
}

/// What they said.
#[derive(Debug, Default, PartialEq)]
pub struct Verdicts {
    /// rspamd's score; absent when it did not answer.
    pub reasons: Option<Vec<Reason>>,
    /// The virus that clamd found.
    pub virus: Option<String>,
}

/// One engine's answer.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// rspamd's.
    Score(Reason),
    /// clamd's: what it found, if it did.
    Virus(Option<String>),
}

/// The engines at work on one message.
#[derive(Default)]
pub struct Running {
    lanes: Vec<Lane>,
    held: BytesMut,
    /// What is left of the wait.
    patience: Duration,
}

struct Lane {
    name: &'static str,
    text: mpsc::Sender<Bytes>,
    answer: AbortOnDropHandle<io::Result<Answer>>,
}

impl Engines {
    /// As the section says.
    pub fn new(mx: &config::Mx) -> Self {
        let host = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { rspamd: host(&mx.rspamd), clamd: mx.clamd.clone(), wait: Duration::from_millis(mx.engine_wait_ms) }
    }

    /// Begins a message. Does not wait for anybody.
    pub fn begin(&self, asked: Asked) -> Running {
        let mut lanes = Vec::new();
        if !self.rspamd.is_empty() {
            let (text, frames) = mpsc::channel(ENGINE_FRAMES_MAX);
            let work = rspamd::check(self.rspamd.clone(), asked, frames);
            lanes.push(Lane { name: "rspamd", text, answer: AbortOnDropHandle::new(tokio::spawn(work)) });
        }
        if !self.clamd.is_empty() {
            let (text, frames) = mpsc::channel(ENGINE_FRAMES_MAX);
            let work = clamd::check(self.clamd.clone(), frames);
            lanes.push(Lane { name: "clamd", text, answer: AbortOnDropHandle::new(tokio::spawn(work)) });
        }
        Running { lanes, held: BytesMut::new(), patience: self.wait }
    }
}

impl Running {
    /// More text. Waits for an engine that is behind while there is patience; then goes on without it.
    pub async fn push(&mut self, text: &[u8]) {
        if self.lanes.is_empty() {
            return;
        }
        self.held.extend_from_slice(text);
        if self.held.len() >= ENGINE_FRAME_BYTES {
            self.send_held().await;
        }
    }

    async fn send_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let frame = self.held.split().freeze();
        let mut left = Vec::with_capacity(self.lanes.len());
        for lane in std::mem::take(&mut self.lanes) {
            let began = Instant::now();
            let sent = tokio::time::timeout(self.patience, lane.text.send(frame.clone())).await;
            self.patience = self.patience.saturating_sub(began.elapsed());
            match sent {
                // An engine that hangs up may have said all it has to say.
                Ok(Ok(()) | Err(_)) => left.push(lane),
                Err(_) => note(lane.name, "none"),
            }
        }
        self.lanes = left;
    }

    /// The text is whole: what they say of it within what is left of the wait.
    pub async fn finish(mut self) -> Verdicts {
        self.send_held().await;
        let deadline = Instant::now() + self.patience;
        let mut verdicts = Verdicts::default();
        for Lane { name, text, answer } in self.lanes {
            drop(text);
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(Ok(Answer::Score(reason)))) => {
                    note(name, if reason.1 > 0.0 { "yes" } else { "no" });
                    verdicts.reasons = Some(vec![reason]);
                }
                Ok(Ok(Ok(Answer::Virus(virus)))) => {
                    note(name, if virus.is_some() { "yes" } else { "no" });
                    verdicts.virus = virus;
                }
                Ok(Ok(Err(error))) => {
                    tracing::warn!(engine = name, %error, "an engine gave no answer; the message goes on without");
                    note(name, "none");
                }
                Ok(Err(_)) | Err(_) => {
                    tracing::warn!(engine = name, "an engine was too slow; the message goes on without");
                    note(name, "none");
                }
            }
        }
        verdicts
    }
}

fn note(engine: &'static str, answer: &'static str) {
    ::metrics::counter!(names::ENGINES, "engine" => engine, "answer" => answer).increment(1);
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
