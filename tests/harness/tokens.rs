//! An authority of OAuth 2 on loopback, as a mail server asks it about an access token (RFC 7662): one token is good, of one user.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, thread};

/// The server; it ends with the test.
pub struct Tokens {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    /// This token is this user's.
    pub fn start(token: &str, user: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (token, user, log) = (token.to_owned(), user.to_owned(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (token, user, log) = (token.clone(), user.clone(), log.clone());
                // Each for itself: a connection that is only kept ready holds up no other.
                thread::spawn(move || answer(&stream, &token, &user, &log));
            }
        });
        Self { port, asked }
    }

    /// What it was asked, form by form.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines of Dovecot's configuration that have it ask here and offer these mechanisms; its own file is made in this folder.
    pub fn of_dovecot(&self, folder: &Path, mechanisms: &str) -> String {
        let file: PathBuf = folder.join("oauth2.conf.ext");
        let text = format!(
            "introspection_mode = post\nintrospection_url = http://127.0.0.1:{}/introspect\nusername_attribute = username\n\
             active_attribute = active\nactive_value = true\n",
            self.port
        );
        fs::write(&file, text).expect("written");
        format!(
            "auth_mechanisms = plain login {mechanisms}\npassdb {{\n driver = oauth2\n mechanisms = {mechanisms}\n args = {}\n}}\n",
            file.display()
        )
    }
}

/// One request, noted before it is answered; `None` when nobody asks.
fn answer(mut stream: &TcpStream, token: &str, user: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).ok()? > 0 && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form).ok()?;
    let form = String::from_utf8(form).ok()?;
    let is_good = form.split('&').any(|pair| pair.strip_prefix("token=") == Some(token));
    let said = if is_good {
        format!("{{\"active\":true,\"username\":\"{user}\",\"scope\":\"mail\"}}")
    } else {
        "{\"active\":false}".to_owned()
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(form);
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
    write!(stream, "HTTP/1.1 200 OK\r\n{head}{said}").ok()
}
