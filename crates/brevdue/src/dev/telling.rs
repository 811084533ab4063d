//! Metrics and health of all processes on one port: what each tells, put together.

use super::http;
use super::supervise::Supervised;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

type Processes = Arc<Vec<Supervised>>;

/// Answers GET `/metrics` and `/health` until it is stopped.
pub async fn serve(listener: TcpListener, processes: Processes, stop: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(processes);
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn metrics(State(processes): State<Processes>) -> Response {
    let mut families = Families::default();
    for (at, answer) in ask_all(&processes, "/metrics").await {
        if let (Some(process), Ok(answer)) = (processes.get(at), answer) {
            families.add(&process.name, &answer.body);
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], families.text()).into_response()
}

#[derive(Serialize)]
struct Overall {
    status: &'static str,
    processes: Vec<One>,
}

#[derive(Serialize)]
struct One {
    process: String,
    pid: u32,
    status: String,
}

/// What a process that does its work says of itself, when that is all.
const WELL: &str = r#"{"status":"ok"}"#;

async fn health(State(processes): State<Processes>) -> Response {
    let (mut all, mut failing) = (Vec::with_capacity(processes.len()), false);
    for (at, answer) in ask_all(&processes, "/health").await {
        let (up, status) = match answer {
            Ok(answer) if answer.status == 200 && answer.body == WELL => (true, "ok".to_owned()),
            Ok(answer) => (answer.status == 200, answer.body),
            Err(error) => (false, error.to_string()),
        };
        failing |= !up;
        all.extend(processes.get(at).map(|process| One { process: process.name.clone(), pid: process.pid(), status }));
    }
    // As each process answers: what is degraded does its work.
    let (code, status) = match failing {
        true => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        false if all.iter().all(|one| one.status == "ok") => (StatusCode::OK, "ok"),
        false => (StatusCode::OK, "degraded"),
    };
    let body = serde_json::to_string(&Overall { status, processes: all }).unwrap_or_default();
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Every process's answer, by its place in the list, in the list's order.
async fn ask_all(processes: &[Supervised], path: &'static str) -> BTreeMap<usize, std::io::Result<http::Answer>> {
    let mut asked = JoinSet::new();
    for (at, metrics) in processes.iter().map(|process| process.metrics).enumerate() {
        asked.spawn(async move { (at, http::get(metrics, path).await) });
    }
    asked.join_all().await.into_iter().collect()
}

/// Samples by metric, since the text format wants all of one metric together.
#[derive(Default)]
struct Families(BTreeMap<String, Family>);

#[derive(Default)]
struct Family {
    /// The HELP and TYPE lines, once.
    comments: Vec<String>,
    samples: Vec<String>,
}

impl Families {
    /// Adds what a process tells, with its name as a label of each sample.
    fn add(&mut self, process: &str, text: &str) {
        // Samples follow the TYPE line of their metric; those of a histogram have other names than it.
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                current = comment.split(' ').nth(1).unwrap_or_default().to_owned();
                let family = self.0.entry(current.clone()).or_default();
                if !family.comments.iter().any(|known| known == line) {
                    family.comments.push(line.to_owned());
                }
            } else if let Some(sample) = labelled(line, process) {
                self.0.entry(current.clone()).or_default().samples.push(sample);
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for family in self.0.values() {
            for line in family.comments.iter().chain(&family.samples) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

fn labelled(sample: &str, process: &str) -> Option<String> {
    match sample.split_once('{') {
        Some((name, rest)) => Some(format!("{name}{{process=\"{process}\",{rest}")),
        None => sample.split_once(' ').map(|(name, value)| format!("{name}{{process=\"{process}\"}} {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_metric_stand_together() {
        let mut families = Families::default();
        families.add("imap-1", "# TYPE b counter\nb{role=\"imap\"} 1\n\n# TYPE a histogram\na_sum 2\na_count 3\n");
        families.add("mx-1", "# TYPE b counter\nb{role=\"mx\"} 4\n");
        let expected = "# TYPE a histogram\na_sum{process=\"imap-1\"} 2\na_count{process=\"imap-1\"} 3\n\
            # TYPE b counter\nb{process=\"imap-1\",role=\"imap\"} 1\nb{process=\"mx-1\",role=\"mx\"} 4\n";
        assert_eq!(families.text(), expected);
    }
}
