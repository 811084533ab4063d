//! Everything through a smart host: Postfix, which asks Dovecot for passwords and takes nothing without.

use harness::dovecot::Dovecot;
use harness::exchange::Exchange;
use harness::postfix::{Postfix, certificate};
use harness::{User, until};
use std::fs;
use std::process::Command;

/// Submits a message, and what the queue says of it after one attempt that failed.
fn refused(exchange: &Exchange) -> String {
    exchange.submit("From: u1@example.test\r\nSubject: refused\r\n\r\nHello\r\n", &["good@far.test"]);
    exchange.tried("good@far.test", 1)["status"].as_str().unwrap().to_owned()
}

/// Postfix has a process of its own that writes its log.
fn logged(postfix: &Postfix, what: &str) {
    until("Postfix says so in its log", || postfix.log().contains(what).then_some(()));
}

#[test]
fn who_signs_in_may_send_and_nobody_else() {
    let customer = User::new("customer@smart.test");
    let dovecot = Dovecot::start(std::slice::from_ref(&customer))
        .expect("Dovecot runs; scripts/setup brings it, and it needs root");
    let folder = tempfile::tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let pair = certificate(folder.path(), "localhost");
    let mut settings = Postfix::tls(&pair.0, &pair.1);
    settings.extend([
        "smtpd_tls_auth_only = yes".to_owned(),
        "smtpd_sasl_auth_enable = yes".to_owned(),
        "smtpd_sasl_type = dovecot".to_owned(),
        format!("smtpd_sasl_path = {}", dovecot.auth().display()),
        "smtpd_recipient_restrictions = permit_sasl_authenticated, reject".to_owned(),
    ]);
    let lines: Vec<&str> = settings.iter().map(String::as_str).collect();
    let postfix = Postfix::start(&lines).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let start = |password: &str, ca: &str| {
        let password = file("password", &format!("{password}\n"));
        let settings = format!(
            "smart_host = \"localhost:{}\"\nsmart_host_user = \"{}\"\nsmart_host_password_file = \"{password}\"\n\
             ca = \"{ca}\"\n",
            postfix.port, customer.address
        );
        Exchange::start("", 25, &settings)
    };
    let trusted = pair.0.display().to_string();

    let exchange = start(&customer.password, &trusted);
    let to = ["good@far.test", "bad@far.test", "u1@example.test"];
    exchange.submit("From: u1@example.test\r\nSubject: one\r\n\r\nHello\r\n", &to);
    let arrived = postfix.wait_for(1);
    assert!(String::from_utf8_lossy(&arrived[0]).contains("Subject: one\n"));
    let expected = format!("sasl_method=PLAIN, sasl_username={}", customer.address);
    logged(&postfix, &expected);
    // What is ours stays here, and what the smart host refuses comes back.
    let messages = exchange.inbox(2);
    assert!(messages.iter().any(|text| text.contains("Final-Recipient: rfc822; bad@far.test\r\n")), "{messages:?}");
    exchange.dev.stop();

    let exchange = start("wrong", &trusted);
    let status = refused(&exchange);
    assert!(status.starts_with("4.7.8 535 5.7.8 "), "{status}");
    exchange.dev.stop();

    // A password goes to the host that was meant, or to none.
    let other = certificate(folder.path(), "other.test").0.display().to_string();
    let exchange = start(&customer.password, &other);
    let status = refused(&exchange);
    assert!(status.starts_with("4.7.5 the TLS handshake failed"), "{status}");
    exchange.dev.stop();
    assert_eq!(postfix.messages().len(), 1);
    assert_eq!(postfix.log().matches("sasl_method=PLAIN, sasl_username=").count(), 1);
}

#[test]
fn login_where_nothing_else_is_offered() {
    let customer = User::new("customer@smart.test");
    let dovecot = Dovecot::start(std::slice::from_ref(&customer))
        .expect("Dovecot runs; scripts/setup brings it, and it needs root");
    let folder = tempfile::tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let pair = certificate(folder.path(), "localhost");
    let mut settings = Postfix::tls(&pair.0, &pair.1);
    settings.extend([
        "smtpd_sasl_auth_enable = yes".to_owned(),
        "smtpd_sasl_type = dovecot".to_owned(),
        format!("smtpd_sasl_path = {}", dovecot.auth().display()),
        "smtpd_sasl_mechanism_filter = !plain, static:all".to_owned(),
        "smtpd_recipient_restrictions = permit_sasl_authenticated, reject".to_owned(),
    ]);
    let lines: Vec<&str> = settings.iter().map(String::as_str).collect();
    let postfix = Postfix::start(&lines).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let file = folder.path().join("password");
    fs::write(&file, &customer.password).unwrap();
    let settings = format!(
        "smart_host = \"localhost:{}\"\nsmart_host_user = \"{}\"\nsmart_host_password_file = \"{}\"\nca = \"{}\"\n",
        postfix.port,
        customer.address,
        file.display(),
        pair.0.display()
    );
    let exchange = Exchange::start("", 25, &settings);
    exchange.submit("From: u1@example.test\r\nSubject: one\r\n\r\nHello\r\n", &["good@far.test"]);
    postfix.wait_for(1);
    logged(&postfix, "sasl_method=LOGIN");
    exchange.dev.stop();
}
