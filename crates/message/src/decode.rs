//! Undoes a Content-Transfer-Encoding while the octets come (RFC 2045 §6), for IMAP's BINARY. Charsets are left alone.
//!
//! Bounded: two octets of state and [`BLANKS_BYTES_MAX`]. What the text decoder makes of broken input this one does too:
//! octets outside the alphabet of base64 are skipped, an `=` of quoted-printable that encodes nothing stands for itself.

use crate::encoded_word::hex;
use crate::structure::Encoding;

/// White space of quoted-printable that is held back until it is known whether its line ends there. Lines have 76 octets
/// (RFC 2045 §6.7); what is longer is no longer taken for an accident of transport.
const BLANKS_BYTES_MAX: usize = 1024;

/// A decoder at some place of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoder(State);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Identity,
    Base64 { bits: u32, count: u32 },
    QuotedPrintable(Quoted),
}

/// Quoted-printable at some place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quoted {
    pending: Pending,
    /// White space, after the `=` where there is one.
    blanks: Vec<u8>,
}

/// What of an escape or a line end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// Nothing, but maybe white space.
    Nothing,
    /// A CR after white space.
    Return,
    /// An `=`, and maybe white space.
    Equals,
    /// An `=` and a digit.
    Digit(u8),
    /// An `=`, maybe white space, and a CR.
    EqualsReturn,
}

impl Decoder {
    /// At the start of a body; `None` for an encoding that nobody knows (RFC 3516 §4.3 UNKNOWN-CTE).
    pub const fn new(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Some(Self(State::Identity)),
            Encoding::Base64 => Some(Self(State::Base64 { bits: 0, count: 0 })),
            Encoding::QuotedPrintable => Some(Self(State::QuotedPrintable(Quoted::new()))),
            Encoding::Other => None,
        }
    }

    /// Whether what goes in comes out.
    pub const fn is_identity(&self) -> bool {
        matches!(self.0, State::Identity)
    }

    /// Appends what the next octets decode to: no more octets than go in, and those that were held back.
    pub fn push(&mut self, encoded: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity => out.extend_from_slice(encoded),
            State::Base64 { bits, count } => {
                for &byte in encoded {
                    let Some(value) = base64_value(byte) else {
                        if byte == b'=' {
                            // The end of a run; another one may follow.
                            (*bits, *count) = (0, 0);
                        }
                        continue;
                    };
                    *bits = (*bits << 6 | value) & 0xFFFF;
                    *count += 6;
                    if *count >= 8 {
                        *count -= 8;
                        out.push((*bits >> *count) as u8);
                    }
                }
            }
            State::QuotedPrintable(quoted) => encoded.iter().for_each(|&byte| quoted.take(byte, out)),
        }
    }

    /// The input has ended: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let State::QuotedPrintable(quoted) = &mut self.0 {
            if matches!(quoted.pending, Pending::Nothing | Pending::Equals) {
                // The end of the text ends its line.
                quoted.blanks.clear();
            }
            quoted.release(out);
        }
    }
}

impl Quoted {
    const fn new() -> Self {
        Self { pending: Pending::Nothing, blanks: Vec::new() }
    }

    /// Takes one octet.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.pending, byte) {
            (Pending::Nothing | Pending::Equals, b' ' | b'\t') => self.hold(byte, out),
            (Pending::Nothing, b'\r') if !self.blanks.is_empty() => self.pending = Pending::Return,
            (Pending::Nothing, b'\n') => self.end_line(b"\n", out),
            (Pending::Return, b'\n') => self.end_line(b"\r\n", out),
            (Pending::Equals, b'\r') => self.pending = Pending::EqualsReturn,
            (Pending::Equals | Pending::EqualsReturn, b'\n') => self.end_line(b"", out),
            (Pending::Equals, digit) if digit.is_ascii_hexdigit() && self.blanks.is_empty() => {
                self.pending = Pending::Digit(digit);
            }
            (Pending::Digit(high), low) if low.is_ascii_hexdigit() => {
                out.push(hex(high) << 4 | hex(low));
                self.pending = Pending::Nothing;
            }
            (Pending::Nothing, b'=') => {
                self.release(out);
                self.pending = Pending::Equals;
            }
            (Pending::Nothing, _) => {
                self.release(out);
                out.push(byte);
            }
            (Pending::Return | Pending::Equals | Pending::Digit(_) | Pending::EqualsReturn, _) => {
                self.release(out);
                self.take(byte, out);
            }
        }
    }

    fn hold(&mut self, blank: u8, out: &mut Vec<u8>) {
        if self.blanks.len() == BLANKS_BYTES_MAX {
            self.release(out);
        }
        self.blanks.push(blank);
    }

    fn end_line(&mut self, end: &[u8], out: &mut Vec<u8>) {
        self.blanks.clear();
        self.pending = Pending::Nothing;
        out.extend_from_slice(end);
    }

    /// What was held back stands for itself.
    fn release(&mut self, out: &mut Vec<u8>) {
        let (before, after): (&[u8], &[u8]) = match self.pending {
            Pending::Nothing => (b"", b""),
            Pending::Return => (b"", b"\r"),
            Pending::Equals | Pending::Digit(_) => (b"=", b""),
            Pending::EqualsReturn => (b"=", b"\r"),
        };
        out.extend_from_slice(before);
        if let Pending::Digit(digit) = self.pending {
            out.push(digit);
        }
        out.append(&mut self.blanks);
        out.extend_from_slice(after);
        self.pending = Pending::Nothing;
    }
}

const fn base64_value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes out when the input is pushed in pieces of `step` octets.
    fn decoded(encoding: Encoding, encoded: &[u8], step: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(encoding).unwrap(), Vec::new());
        encoded.chunks(step).for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn what_is_whole_and_what_is_broken() {
        let cases: [(Encoding, &[u8], &[u8]); 10] = [
            (Encoding::Base64, b"AAEC\r\n/w==\r\n", b"\x00\x01\x02\xff"),
            (Encoding::Base64, b"aGVs\r\nbG8*gd29ybGQ", b"hello world"),
            (Encoding::Base64, b"YQ==YQ==", b"aa"),
            (Encoding::Base64, b"Y", b""),
            (Encoding::QuotedPrintable, b"a=3D=\r\nb=4=zz\r\n=", b"a=b=4=zz\r\n="),
            (Encoding::QuotedPrintable, b"=00=\nx=\rx=0", b"\x00x=\rx=0"),
            (Encoding::QuotedPrintable, b"==41", b"=A"),
            // RFC 2045 §6.7 rule 3.
            (Encoding::QuotedPrintable, b"a  \r\nb \tc= \t\r\nd =\n=20 \ne\t\r \t", b"a\r\nb \tcd  \ne\t\r"),
            (Encoding::QuotedPrintable, b"= 4 = \rx = ", b"= 4 = \rx ="),
            (Encoding::Binary, b"\x00=41", b"\x00=41"),
        ];
        for (encoding, encoded, expected) in cases {
            for step in 1..=encoded.len() {
                assert_eq!(decoded(encoding, encoded, step), expected, "{encoded:?} by {step}");
            }
        }
        assert_eq!(Decoder::new(Encoding::Other), None);
    }

    proptest! {
        #[test]
        fn quoted_printable_as_the_text_decoder_has_it(
            encoded in proptest::collection::vec(proptest::sample::select(&b"=aF4\r\n_ z"[..]), 0..60),
            step in 1usize..9,
        ) {
            let expected = crate::encoded_word::quoted_printable(&encoded, false);
            prop_assert_eq!(decoded(Encoding::QuotedPrintable, &encoded, step), expected);
        }

        #[test]
        fn base64_is_the_inverse_of_encoding(octets in proptest::collection::vec(any::<u8>(), 0..99), step in 1usize..9) {
            let encoded = base64(&octets);
            prop_assert_eq!(decoded(Encoding::Base64, encoded.as_bytes(), step), octets);
        }
    }

    /// RFC 4648 §4, the slow way.
    fn base64(octets: &[u8]) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: Vec<u8> = octets.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
        let digit = |six: &[u8]| (0..6).fold(0, |sum, at| sum << 1 | usize::from(*six.get(at).unwrap_or(&0)));
        let mut out: String = bits.chunks(6).map(|six| ALPHABET[digit(six)] as char).collect();
        while !out.len().is_multiple_of(4) {
            out.push('=');
        }
        out
    }
}
