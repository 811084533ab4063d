//! The HTTP server for `/metrics` and `/health`, small and bounded; anything else is 404.

use super::{Health, Recorder, Report, Standing};
use crate::accept::Permits;
use crate::accept::{Acceptor, Connection};
use crate::limits::Limit;
use crate::shutdown::Shutdown;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve::Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Connections at once: a few scrapers and a load balancer.
pub const CONNECTIONS_MAX: usize = 32;
/// Seconds that a connection may live, so that one which says nothing does not keep its place.
pub const CONNECTION_SECONDS_MAX: u64 = 60;
/// Seconds between two rounds of upkeep of the histograms.
pub const UPKEEP_SECONDS: u64 = 5;

#[derive(Clone)]
struct Telling {
    recorder: Recorder,
    health: Health,
}

/// Answers GET `/metrics` and `/health` until the shutdown begins.
pub async fn serve(listener: TcpListener, recorder: Recorder, health: Health, shutdown: Shutdown) -> io::Result<()> {
    let bound = listener.local_addr()?;
    let acceptor = Acceptor::new(listener, Limit::new("metrics", CONNECTIONS_MAX), None);
    let router = router(Telling { recorder: recorder.clone(), health });
    let ending = shutdown.clone();
    let serving =
        axum::serve(Bounded { acceptor, bound }, router).with_graceful_shutdown(async move { ending.begun().await });
    let upkeep = async {
        let mut rounds = tokio::time::interval(Duration::from_secs(UPKEEP_SECONDS));
        loop {
            rounds.tick().await;
            recorder.upkeep();
        }
    };
    tokio::select! {
        served = serving => served,
        () = upkeep => Ok(()),
    }
}

fn router(telling: Telling) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(telling)
}

async fn metrics(State(telling): State<Telling>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telling.recorder.render()).into_response()
}

async fn health(State(telling): State<Telling>) -> Response {
    let Report { standing, detail } = telling.health.run().await;
    // Degraded is 200: whoever asks in order to restart a process, or to send its users elsewhere, would help nobody by it.
    let (code, status, reason) = match standing {
        Standing::Well => (StatusCode::OK, "ok", None),
        Standing::Degraded(reason) => (StatusCode::OK, "degraded", Some(reason)),
        Standing::Failing(reason) => (StatusCode::SERVICE_UNAVAILABLE, "failing", Some(reason)),
    };
    let mut body = detail;
    body.insert("status".to_owned(), status.into());
    if let Some(reason) = reason {
        tracing::warn!(reason, status, "the health check found something wrong");
        body.insert("reason".to_owned(), reason.into());
    }
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, serde_json::Value::Object(body).to_string()).into_response()
}

/// Gives axum connections that are within the limit and do not live for ever.
struct Bounded {
    acceptor: Acceptor,
    bound: SocketAddr,
}

impl Listener for Bounded {
    type Io = Mortal;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Mortal, SocketAddr) {
        let Connection { stream, address, permits } = self.acceptor.next().await;
        let end = Box::pin(tokio::time::sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)));
        (Mortal { stream, end, _permits: permits }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.bound)
    }
}

/// A connection that reads as ended when its time is over.
struct Mortal {
    stream: TcpStream,
    end: Pin<Box<tokio::time::Sleep>>,
    _permits: Permits,
}

impl AsyncRead for Mortal {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
