//! The socket of a link: mutual TLS, the WebSocket, reading and writing. What the frames mean is `link`'s.
//!
//! Invariants: only a role that may ask for `session` gets past the handshake. Reading and writing go on beside each other,
//! so that neither side can make the other wait for itself. A peer that is silent for `LINK_SILENCE_MS_MAX` is gone.

use crate::limits::{HANDSHAKE_MS_MAX, LINK_PING_MS, LINK_SILENCE_MS_MAX, LINK_WRITE_BYTES};
use crate::link::Link;
use crate::outbox::{Outbox, Outgoing};
use crate::shard::Shard;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use model::limits::FRAME_BYTES_MAX;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use wire::authority::{Verb, allowed};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Serves one connection to its end.
pub async fn serve(shard: Rc<Shard>, stream: TcpStream, tls: TlsAcceptor, stop: CancellationToken) {
    let shaken = tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS_MAX), shake_hands(stream, &tls)).await;
    let socket = match shaken {
        Ok(Ok(socket)) => socket,
        Ok(Err(reason)) => return tracing::info!(shard = shard.index, "a link was refused: {reason}"),
        Err(_) => return tracing::info!(shard = shard.index, "a link took too long to shake hands"),
    };
    metrics::gauge!("brevdue_node_links").increment(1);
    let serial = shard.unique();
    let link = Link::new(shard.clone());
    shard.wanted.add(serial, &link);
    let (sink, stream) = socket.split();
    let outbox = link.outbox.clone();
    tokio::select! {
        () = read(&link, stream) => {}
        () = write(&outbox, sink) => {}
        () = stop.cancelled() => {}
    }
    shard.wanted.remove(serial);
    link.lost();
    metrics::gauge!("brevdue_node_links").decrement(1);
}

async fn shake_hands(stream: TcpStream, tls: &TlsAcceptor) -> Result<Socket, String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream = tls.accept(stream).await.map_err(|error| error.to_string())?;
    let role = wire::peer::role_of(stream.get_ref().1).ok_or("the certificate names no single role")?;
    if !allowed(role, Verb::Session.path()) {
        return Err(format!("role {role} may not open sessions"));
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
        .write_buffer_size(LINK_WRITE_BYTES)
        .max_write_buffer_size(LINK_WRITE_BYTES + 2 * FRAME_BYTES_MAX);
    let accepted = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await;
    accepted.map_err(|error| error.to_string())
}

async fn read(link: &Rc<Link>, mut stream: impl Stream<Item = Result<Message, Error>> + Unpin) {
    let mut silent_ms = 0;
    loop {
        let wait = if link.is_greeted() { LINK_PING_MS } else { HANDSHAKE_MS_MAX };
        let Ok(message) = tokio::time::timeout(Duration::from_millis(wait), stream.next()).await else {
            silent_ms += wait;
            if silent_ms >= LINK_SILENCE_MS_MAX || !link.is_greeted() {
                return;
            }
            link.outbox.ping();
            continue;
        };
        silent_ms = 0;
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                if !link.take(bytes) {
                    // What was wrong is still told.
                    link.outbox.close();
                    return tokio::time::sleep(Duration::from_millis(HANDSHAKE_MS_MAX)).await;
                }
                if link.outbox.is_overrun() {
                    tracing::warn!("a front-end asks without listening; its link is closed");
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            // Frames are binary (proto/session.proto); nothing else is expected, and an end is an end.
            Some(Ok(Message::Text(_) | Message::Frame(_) | Message::Close(_)) | Err(_)) | None => return,
        }
    }
}

/// Ends when the outbox is closed and empty, or the socket takes no more.
async fn write(outbox: &Outbox, mut sink: impl Sink<Message, Error = Error> + Unpin) {
    while let Some(outgoing) = outbox.take().await {
        let written = match outgoing {
            Outgoing::Frames(frames) => feed(&mut sink, frames).await,
            Outgoing::Ping => sink.send(Message::Ping(bytes::Bytes::new())).await,
        };
        if written.is_err() {
            return;
        }
    }
    let _ = sink.close().await;
}

/// All of them with one flush: each costs a record of TLS and a system call.
async fn feed(sink: &mut (impl Sink<Message, Error = Error> + Unpin), frames: Vec<bytes::Bytes>) -> Result<(), Error> {
    for frame in frames {
        metrics::counter!("brevdue_node_sent_bytes_total").increment(frame.len() as u64);
        sink.feed(Message::Binary(frame)).await?;
    }
    sink.flush().await
}
