//! A seeded corpus of messages: plain, attachments, odd MIME, 8-bit and UTF-8 headers. The same seed gives the same bytes.

/// A small generator of pseudo-random numbers (splitmix64), so that a seed names a corpus for good.
pub struct Seeded(u64);

impl Seeded {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }
    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

const WORDS: &[&str] = &[
    "harbour",
    "lantern",
    "pigeon",
    "ledger",
    "meadow",
    "copper",
    "thistle",
    "garnet",
    "willow",
    "saddle",
    "Ærø",
    "smørrebrød",
    "naïve",
    "Straße",
    "東京",
    "почта",
    "ferry",
    "anchor",
    "quarry",
    "velvet",
];

/// A word that stands in every message of the corpus, made so that it occurs nowhere else by chance.
pub const CANARY: &str = "xylocanaryphone";

fn words(seeded: &mut Seeded, count: u64) -> String {
    (0..count).map(|_| *seeded.pick(WORDS)).collect::<Vec<_>>().join(" ")
}

fn ascii_words(seeded: &mut Seeded, count: u64) -> String {
    words(seeded, count).chars().filter(char::is_ascii).collect()
}

fn base64_lines(seeded: &mut Seeded, lines: u64) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for _ in 0..lines {
        for _ in 0..76 {
            out.push(*seeded.pick(ALPHABET) as char);
        }
        out.push_str("\r\n");
    }
    out
}

/// `count` messages from this seed, lines ended by CRLF.
pub fn messages(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut seeded = Seeded::new(seed);
    (0..count).map(|n| message(&mut seeded, n)).collect()
}

fn message(seeded: &mut Seeded, n: usize) -> Vec<u8> {
    let day = 1 + n % 28;
    let head = format!(
        "From: \"Sender {n}\" <sender{n}@elsewhere.test>\r\nTo: Someone <u1@example.test>\r\n\
         Date: {day:02} Nov 2026 10:{:02}:{:02} +0100\r\nMessage-ID: <{n}.{:016x}@elsewhere.test>\r\n",
        n / 60 % 60,
        n % 60,
        seeded.draw()
    );
    let mut out = head.into_bytes();
    match n % 12 {
        0 | 1 => plain(seeded, &mut out),
        2 => utf8_header(seeded, &mut out),
        3 => latin1(seeded, &mut out),
        4 | 5 => attachment(seeded, &mut out, 40),
        6 => alternative(seeded, &mut out),
        7 => forwarded(seeded, &mut out),
        8 => broken_boundary(seeded, &mut out),
        9 => header_only(seeded, &mut out),
        10 => dots_and_long_lines(seeded, &mut out),
        _ => attachment(seeded, &mut out, 2_000),
    }
    out
}

fn subject(seeded: &mut Seeded, out: &mut Vec<u8>) {
    let text = format!("Subject: {CANARY} {}\r\n", ascii_words(seeded, 4));
    out.extend_from_slice(text.as_bytes());
}

fn plain(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    out.extend_from_slice(b"\r\n");
    for _ in 0..3 + seeded.below(30) {
        out.extend_from_slice(format!("{} {CANARY}\r\n", ascii_words(seeded, 8)).as_bytes());
    }
}

fn utf8_header(seeded: &mut Seeded, out: &mut Vec<u8>) {
    let text = format!(
        "Subject: {CANARY} {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{}\r\n{CANARY}\r\n",
        words(seeded, 5),
        words(seeded, 60)
    );
    out.extend_from_slice(text.as_bytes());
}

fn latin1(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    out.extend_from_slice(
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nX-Raw: caf\xe9 \xa7\r\n\r\n",
    );
    for _ in 0..10 {
        out.extend_from_slice(b"sm\xf8rrebr\xf8d \xe6bler ");
        out.extend_from_slice(format!("{CANARY}\r\n").as_bytes());
    }
}

fn attachment(seeded: &mut Seeded, out: &mut Vec<u8>, lines: u64) {
    subject(seeded, out);
    let boundary = format!("=_{:x}", seeded.draw());
    let text = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\nThis is the preamble.\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{} {CANARY}\r\n\
         --{boundary}\r\nContent-Type: application/octet-stream; name=\"{CANARY}.bin\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=utf-8''r%C3%A6v.bin\r\n\r\n{}\
         --{boundary}--\r\nand an epilogue\r\n",
        ascii_words(seeded, 20),
        base64_lines(seeded, lines)
    );
    out.extend_from_slice(text.as_bytes());
}

fn alternative(seeded: &mut Seeded, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!("Subject: =?utf-8?Q?{CANARY}_=C3=A6ble?=\r\n =?utf-8?B?c23DuHJyZWJyw7hk?=\r\n").as_bytes(),
    );
    let text = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n{} {CANARY}\r\n--a\r\n\
         Content-Type: multipart/related; boundary=\"a b\"; type=\"text/html\"\r\n\r\n--a b\r\nContent-Type: text/html\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>{} =C3=A6 soft=\r\nbreak</p>\r\n--a b\r\n\
         Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--a b--\r\n--a--\r\n",
        ascii_words(seeded, 10),
        ascii_words(seeded, 10),
        base64_lines(seeded, 20)
    );
    out.extend_from_slice(text.as_bytes());
}

fn forwarded(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    out.extend_from_slice(b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n\r\nsee below\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n");
    out.extend_from_slice(b"From: Inner <inner@elsewhere.test>\r\n");
    attachment(seeded, out, 10);
    out.extend_from_slice(b"--outer--\r\n");
}

fn broken_boundary(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    let text = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n--neverever\r\n{} {CANARY}\r\n--never\r\n\
         Content-Type: ; ; broken\r\nContent-Type: text/plain\r\n\r\nno end\r\n",
        ascii_words(seeded, 9)
    );
    out.extend_from_slice(text.as_bytes());
}

fn header_only(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    out.extend_from_slice(format!("X-Folded: one\r\n\ttwo {CANARY}\r\n  three\r\nX-Empty:\r\n\r\n").as_bytes());
}

fn dots_and_long_lines(seeded: &mut Seeded, out: &mut Vec<u8>) {
    subject(seeded, out);
    out.extend_from_slice(b"\r\n.\r\n..\r\n.leading dot\r\n");
    out.extend_from_slice(format!("{CANARY} {}\r\n", "long ".repeat(150 + seeded.below(30) as usize)).as_bytes());
    out.extend_from_slice(b"trailing space \r\n\r\n\r\n");
}
