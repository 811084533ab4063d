//! The connection itself: TLS, early talkers, silence, hang-ups at every octet, and the end of the process.

use crate::client::Client;
use crate::world::{World, patience};
use mx::Patience;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn start_tls_begins_anew() {
    let world = World::start().await;
    world.open(&["ann"]);
    let mut client = world.client().await.start_tls(world.public_roots()).await;
    assert_eq!(client.say("MAIL FROM:<>").await, "503 5.5.1 Say EHLO or HELO first");
    let offers = client.say("EHLO client.example").await;
    assert!(!offers.contains("STARTTLS") && offers.contains("250-SMTPUTF8"), "{offers}");
    assert!(client.message(&["ann@example.com"], b"x\r\n").await.starts_with("250 2.0.0 Stored as "));
    let text = String::from_utf8(world.stored()[0].text.clone()).unwrap();
    assert!(text.contains("(using TLSv1.3 with cipher TLS_"), "{text}");
    assert!(text.contains("\tby mx.example.com with ESMTPS id "), "{text}");
}

#[tokio::test]
async fn commands_across_start_tls_are_not_obeyed() {
    let world = World::start().await;
    let mut client = world.client().await;
    client.send(b"STARTTLS\r\nMAIL FROM:<x@y.example>\r\n").await;
    assert_eq!(client.hear().await, "421 4.5.1 Wait for TLS, closing");
    assert_eq!(client.hear().await, "(end)");
}

#[tokio::test]
async fn who_talks_before_the_greeting_is_sent_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"EHLO eager.example\r\n").await.unwrap();
    let _world = World::on(listener, at, patience()).await;
    let mut client = Client::over(Box::new(stream));
    assert_eq!(client.hear().await, "521 5.5.1 Wait for the greeting");
    assert_eq!(client.hear().await, "(end)");
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever() {
    let short = Duration::from_millis(50);
    let world = World::with(Patience { command: short, text: short, ..patience() }).await;
    let mut client = Client::connect(world.mx).await;
    assert_eq!(client.hear().await, "220 mx.example.com ESMTP");
    assert_eq!(client.hear().await, "421 4.4.2 Timed out, closing");
    assert_eq!(client.hear().await, "(end)");
    let world = World::with(Patience { message: short, ..patience() }).await;
    let mut client = world.client().await;
    client.begin(&["ann@example.com"]).await;
    assert_eq!(client.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
    assert_eq!(client.hear().await, "421 4.4.2 The message takes too long, closing");
    assert_eq!(client.hear().await, "(end)");
    assert_eq!(world.stored(), []);
}

#[tokio::test]
async fn a_client_that_hangs_up_at_any_octet_leaves_nothing() {
    let world = World::start().await;
    world.open(&["ann"]);
    let conversation = b"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.com>\r\n\
        RCPT TO:<cay@example.com>\r\nDATA\r\nA: b\r\n\r\n.x\r\n.\r\n";
    for cut in 0..conversation.len() {
        let mut client = Client::connect(world.mx).await;
        assert_eq!(client.hear().await, "220 mx.example.com ESMTP");
        client.send(&conversation[..cut]).await;
        client.stream.shutdown().await.unwrap();
        while client.hear().await != "(end)" {}
        assert_eq!(world.stored(), [], "after {cut} octets");
    }
    let mut client = Client::connect(world.mx).await;
    client.send(b"").await;
    assert_eq!(client.hear().await, "220 mx.example.com ESMTP");
    client.send(conversation).await;
    loop {
        let heard = client.hear().await;
        if heard.starts_with("250 2.0.0 Stored as ") {
            break;
        }
        assert!(heard.starts_with("250") || heard.starts_with("354"), "{heard}");
    }
    assert_eq!(world.stored().len(), 2);
}

#[tokio::test]
async fn the_end_of_the_process_waits_for_messages_and_for_nothing_else() {
    let world = World::start().await;
    let mut idle = world.client().await;
    let mut sending = world.client().await;
    sending.begin(&["ann@example.com"]).await;
    assert_eq!(sending.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
    world.shutdown.cancel();
    assert_eq!(idle.hear().await, "421 4.3.2 Shutting down, try again");
    assert_eq!(idle.hear().await, "(end)");
    assert!(sending.say("x\r\n.").await.starts_with("250 2.0.0 Stored as "));
    assert_eq!(sending.hear().await, "421 4.3.2 Shutting down, try again");
    assert_eq!(sending.hear().await, "(end)");
    world.served.await.unwrap();
    assert_eq!(world.nodes[0].stored().len(), 1);
}
