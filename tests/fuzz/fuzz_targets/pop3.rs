//! Lines of a POP3 client, and a message on its way to one. A command has one form, whatever its case and the spaces behind it;
//! an answer comes in lines of CRLF, ends at its only lone dot, and is the message again when the dots are taken out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::command::Command;
use pop3::text::Text;

fn command(line: &[u8]) {
    let read = Command::parse(line);
    let Ok(command) = read else { return };
    let lower = line.to_ascii_lowercase();
    match &command {
        // What these carry is no command's word.
        Command::User(_) | Command::Pass(_) | Command::Auth(_) => {}
        Command::List(_)
        | Command::Uidl(_)
        | Command::Retr(_)
        | Command::Top(..)
        | Command::Dele(_)
        | Command::Capa
        | Command::Stls
        | Command::Utf8
        | Command::Stat
        | Command::Rset
        | Command::Noop
        | Command::Quit => {
            assert_eq!(Command::parse(&lower).as_ref(), Ok(&command));
            assert_eq!(Command::parse(&[line, b" "].concat()).as_ref(), Ok(&command));
        }
    }
    match &command {
        Command::User(name) => assert!(!name.is_empty() && name.trim_ascii() == name.as_slice()),
        Command::Pass(password) => assert_eq!(password.as_slice(), &line[5..]),
        Command::Auth(Some((mechanism, _))) => assert!(!mechanism.is_empty() && !mechanism.contains(' ')),
        _ => {}
    }
}

fn sent(mut text: Text, message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    message.chunks(size).for_each(|piece| text.push(piece, &mut out));
    text.finish(&mut out);
    out
}

fn answer(message: &[u8], size: usize, lines: u64) {
    let whole = sent(Text::whole(), message, message.len().max(1));
    assert_eq!(sent(Text::whole(), message, size), whole);
    assert!(whole.ends_with(b".\r\n"));
    let mut plain = Vec::new();
    let mut rest = whole.as_slice();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        assert!(line.ends_with(b"\r\n"), "no bare line feed");
        if line == b".\r\n" {
            assert_eq!(after, b"", "only the end is a lone dot");
        } else {
            plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        rest = after;
    }
    assert_eq!(rest, b"");
    let flat = |octets: &[u8]| octets.iter().copied().filter(|octet| !b"\r\n".contains(octet)).collect::<Vec<_>>();
    assert_eq!(flat(&plain), flat(message));

    let top = sent(Text::top(lines), message, size);
    assert_eq!(sent(Text::top(lines), message, message.len().max(1)), top);
    assert!(whole.starts_with(&top[..top.len() - 3]) && top.ends_with(b".\r\n"));
}

fuzz_target!(|data: &[u8]| {
    let [kind, size, rest @ ..] = data else { return };
    if kind % 2 == 0 {
        rest.split(|octet| *octet == b'\n').for_each(|line| command(line.strip_suffix(b"\r").unwrap_or(line)));
    } else {
        answer(rest, usize::from(*size).max(1), u64::from(kind / 2));
    }
});
