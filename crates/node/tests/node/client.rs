//! A front-end that speaks frames by hand.

use crate::world::{Owner, PATIENCE};
use futures_util::{SinkExt, StreamExt};
use model::Role;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{
    Append, Changes, ClientFrame, Copy, FailureCode, Fetch, FetchedMessage, Hello, Search, SearchKey, Select, Selected,
    ServerFrame, Store, UidRuns, Upload, Welcome,
};

pub const INBOX: &str = "INBOX";

pub struct Client {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    pub welcome: Welcome,
    last: u64,
    /// Pushes that came while something else was waited for, with their session.
    pub pushes: Vec<(u64, Changes)>,
    /// Frames of requests that nobody waited for yet.
    strays: Vec<ServerFrame>,
}

impl Client {
    pub async fn connect(shard: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let stream = TcpStream::connect(shard).await.map_err(|error| error.to_string())?;
        let name = wire::peer::server_name(Role::Node).unwrap();
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| error.to_string())?;
        let (socket, _) =
            tokio_tungstenite::client_async("ws://node/session", stream).await.map_err(|error| error.to_string())?;
        Ok(Self { socket, welcome: Welcome::default(), last: 0, pushes: Vec::new(), strays: Vec::new() })
    }

    pub async fn greeted(mut self) -> Self {
        let hello = Hello { protocol: wire::frame::PROTOCOL, front_end: "test".into() };
        self.send(0, 0, Body::Hello(hello)).await;
        let Some(Answer::Welcome(welcome)) = self.next().await.unwrap().body else { panic!("no welcome") };
        self.welcome = welcome;
        self
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    pub async fn send(&mut self, request: u64, session: u64, body: Body) {
        let frame = ClientFrame { request, session, body: Some(body) };
        self.send_bytes(wire::frame::encode(&frame).unwrap().to_vec()).await;
    }

    /// The next frame; `None` when the link was closed.
    pub async fn next(&mut self) -> Option<ServerFrame> {
        self.next_with_len().await.map(|(frame, _)| frame)
    }

    pub async fn next_with_len(&mut self) -> Option<(ServerFrame, u64)> {
        // In all: pings come for ever.
        let frame = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => {
                        let len = bytes.len() as u64;
                        return Some((wire::frame::decode(bytes).unwrap(), len));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_) | Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(PATIENCE, frame).await.expect("the node is silent")
    }

    /// The number of the last request.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Sends a request; its number.
    pub async fn ask(&mut self, session: u64, body: Body) -> u64 {
        self.last += 1;
        self.send(self.last, session, body).await;
        self.last
    }

    /// Every frame of the request's answer.
    pub async fn answer(&mut self, request: u64) -> Vec<Answer> {
        let mut frames = Vec::new();
        let (strays, rest) = std::mem::take(&mut self.strays).into_iter().partition(|frame| frame.request == request);
        self.strays = rest;
        let mut strays: std::collections::VecDeque<ServerFrame> = Vec::into(strays);
        loop {
            let frame = match strays.pop_front() {
                Some(frame) => frame,
                None => self.next().await.expect("the link was closed"),
            };
            match frame.body.unwrap() {
                Answer::Changes(changes) => self.pushes.push((frame.session, changes)),
                Answer::Credit(_) if frame.request == request => {}
                body if frame.request == request => {
                    frames.push(body);
                    if frame.last {
                        return frames;
                    }
                }
                body => self.strays.push(ServerFrame { body: Some(body), ..frame }),
            }
        }
    }

    /// The one frame that answers the request.
    pub async fn call(&mut self, session: u64, body: Body) -> Answer {
        let request = self.ask(session, body).await;
        let mut frames = self.answer(request).await;
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// The failure that answers the request.
    pub async fn refused(&mut self, session: u64, body: Body) -> FailureCode {
        code(self.call(session, body).await)
    }

    pub async fn open(&mut self, session: u64, owner: &Owner) {
        let opening = owner.opening(&self.welcome.boot_key);
        let opened = self.call(session, Body::Open(opening)).await;
        assert!(matches!(opened, Answer::Opened(_)), "{opened:?}");
    }

    pub async fn select(&mut self, session: u64, name: &str) -> Selected {
        let select = Select { name: name.into(), ..Select::default() };
        let Answer::Selected(selected) = self.call(session, Body::Select(select)).await else { panic!("not selected") };
        selected
    }

    pub async fn append(&mut self, session: u64, append: Append, message: &[u8]) -> Answer {
        let size = message.len() as u64;
        let request = self.ask(session, Body::Append(Append { size, ..append })).await;
        let upload = Upload { data: message.to_vec().into(), last: true, ..Upload::default() };
        self.send(request, session, Body::Upload(upload)).await;
        self.answer(request).await.remove(0)
    }

    /// Appends to INBOX; the UID.
    pub async fn append_inbox(&mut self, session: u64, message: &[u8]) -> u32 {
        let append = Append { folder: INBOX.into(), ..Append::default() };
        let Answer::Appended(appended) = self.append(session, append, message).await else { panic!("not appended") };
        appended.uid
    }

    /// FETCH, giving credit back for every frame; merged records.
    pub async fn fetch(&mut self, session: u64, fetch: Fetch) -> Vec<FetchedMessage> {
        let request = self.ask(session, Body::Fetch(fetch)).await;
        let mut messages: Vec<FetchedMessage> = Vec::new();
        loop {
            let (frame, octets) = self.next_with_len().await.expect("the link was closed");
            match frame.body.unwrap() {
                Answer::Changes(changes) => self.pushes.push((frame.session, changes)),
                Answer::Fetched(fetched) => {
                    assert_eq!(frame.request, request);
                    for message in fetched.messages {
                        merge(&mut messages, message);
                    }
                    if frame.last {
                        return messages;
                    }
                    let credit = wire::session::Credit { bytes: octets };
                    self.send(request, session, Body::Credit(credit)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The whole message.
    pub async fn body(&mut self, session: u64, folder: u64, uid: u32) -> Vec<u8> {
        let section = wire::session::SectionWanted::default();
        let fetch = Fetch { folder, uids: uids(&[uid]), sections: vec![section], ..Fetch::default() };
        let messages = self.fetch(session, fetch).await;
        messages.into_iter().flat_map(|message| message.sections).flat_map(|section| section.data).collect()
    }

    pub async fn found(&mut self, session: u64, folder: u64, key: wire::session::search_key::Key) -> Vec<u32> {
        let key = Some(SearchKey { key: Some(key) });
        let request = self.ask(session, Body::Search(Search { folder, key })).await;
        let mut bounds = Vec::new();
        for answer in self.answer(request).await {
            let Answer::Found(found) = answer else { panic!("{answer:?}") };
            bounds.extend(found.uids.unwrap_or_default().bounds);
        }
        bounds
    }

    /// The next push for the session.
    pub async fn push(&mut self, session: u64) -> Changes {
        loop {
            if let Some(at) = self.pushes.iter().position(|(of, _)| *of == session) {
                return self.pushes.remove(at).1;
            }
            let frame = self.next().await.expect("the link was closed");
            match frame.body {
                Some(Answer::Changes(changes)) => self.pushes.push((frame.session, changes)),
                body => self.strays.push(ServerFrame { body, ..frame }),
            }
        }
    }
}

fn merge(messages: &mut Vec<FetchedMessage>, message: FetchedMessage) {
    if !message.continues {
        messages.push(message);
        return;
    }
    let before = messages.last_mut().unwrap();
    assert_eq!(before.uid, message.uid);
    for section in message.sections {
        match before.sections.last_mut() {
            Some(last) if last.index == section.index => {
                last.data = [&last.data[..], &section.data[..]].concat().into();
            }
            _ => before.sections.push(section),
        }
    }
}

pub fn code(answer: Answer) -> FailureCode {
    let Answer::Failure(failure) = answer else { panic!("no failure: {answer:?}") };
    FailureCode::try_from(failure.code).unwrap()
}

pub fn uids(each: &[u32]) -> Option<UidRuns> {
    Some(UidRuns { bounds: each.iter().flat_map(|uid| [*uid, *uid]).collect() })
}

pub fn store_flags(folder: u64, each: &[u32], flags: u32) -> Store {
    let mode = wire::session::StoreMode::Add.into();
    Store { folder, uids: uids(each), mode, flags, ..Store::default() }
}

pub fn copy_to(folder: u64, each: &[u32], to: &str, r#move: bool) -> Copy {
    Copy { folder, uids: uids(each), to: to.into(), r#move, ..Copy::default() }
}
