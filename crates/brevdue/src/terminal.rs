//! Passwords and questions: from a file, from standard input, or from the terminal without echo.

use crate::failure::Failure;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use vault::Password;
use zeroize::Zeroizing;

/// Octets of a password: far more than anybody types, and it bounds what is read.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Octets of an access token: those of large providers have up to 4,000.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The password in a file: its first line.
pub fn password_from_file(path: &Path) -> Result<Password, Failure> {
    let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    first_line(file, &path.display().to_string())
}

/// The access token in a file: its first line.
pub fn token_from_file(path: &Path) -> Result<Password, Failure> {
    let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    line_within(file, &path.display().to_string(), TOKEN_BYTES_MAX)
}

/// The password on standard input: its first line.
pub fn password_from_stdin() -> Result<Password, Failure> {
    first_line(io::stdin().lock(), "standard input")
}

/// Asks on the terminal, without echo.
pub fn ask_password(question: &str, instead: &str) -> Result<Password, Failure> {
    let mut terminal = open(instead)?;
    write!(terminal, "{question}: ")?;
    let answer = {
        let _silence = Silence::on(&terminal)?;
        first_line(&terminal, "the terminal")
    };
    writeln!(terminal)?;
    answer
}

/// Whether the operator says yes; without a terminal it is refused, with `instead` as what to do.
pub fn confirm(question: &str, instead: &str) -> Result<bool, Failure> {
    let mut terminal = open(instead)?;
    write!(terminal, "{question} [y/N] ")?;
    let mut answer = String::new();
    BufReader::new((&terminal).take(16)).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The controlling terminal, but only when somebody sits at it: a script's standard input is never mistaken for a person.
fn open(instead: &str) -> Result<File, Failure> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    match terminal {
        Ok(terminal) if io::stdin().is_terminal() => Ok(terminal),
        Ok(_) | Err(_) => Err(Failure::refused(format!("there is no terminal to ask at; {instead}"))),
    }
}

fn first_line(from: impl Read, what: &str) -> Result<Password, Failure> {
    line_within(from, what, PASSWORD_BYTES_MAX)
}

fn line_within(from: impl Read, what: &str, bytes_max: usize) -> Result<Password, Failure> {
    // Room for the longest password and its line end, so that the text is not moved while it grows.
    let mut text = Zeroizing::new(String::with_capacity(bytes_max + 3));
    let mut reader = BufReader::with_capacity(bytes_max + 3, from.take(bytes_max as u64 + 3));
    reader
        .read_line(&mut text)
        .map_err(|error| Failure::refused(format!("{what}: cannot read a password: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.len() {
        0 => Err(Failure::refused(format!("{what}: the password is empty"))),
        n if n > bytes_max => Err(Failure::refused(format!("{what}: the password is longer than {bytes_max} octets"))),
        _ => Ok(Password::from(line.to_owned())),
    }
}

/// The terminal without echo, until it is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn on(terminal: &'a File) -> Result<Self, Failure> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, String> {
        match first_line(text, "input") {
            Ok(password) => Ok(password.expose().to_owned()),
            Err(Failure::Usage(why) | Failure::Refused(why)) => Err(why),
        }
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(read(b"secret\r\nmore").unwrap(), "secret");
        assert_eq!(read(b" with blanks ").unwrap(), " with blanks ");
        assert_eq!(read(b"\n").unwrap_err(), "input: the password is empty");
        assert_eq!(read(&[b'x'; PASSWORD_BYTES_MAX]).unwrap().len(), PASSWORD_BYTES_MAX);
        assert_eq!(read(&[b'x'; 5_000]).unwrap_err(), "input: the password is longer than 1024 octets");
        assert!(read(b"\xff\n").unwrap_err().contains("cannot read a password"));
    }
}
