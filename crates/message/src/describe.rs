//! What BODY and BODYSTRUCTURE say of each part, written as soon as its header is read and kept as bytes in one buffer;
//! the tree is put together at the end, in `scanned`.

use crate::envelope::{self, Head};
use crate::field::Fields;
use crate::imap_string as imap;
use crate::lex;
use crate::limits::{self, BOUNDARY_BYTES_MAX, CHARSET_BYTES_MAX, PART_DESCRIPTION_BYTES_MAX, STRING_BYTES_MAX};
use crate::parameter::{MediaType, Parameters, token};
use crate::structure::{Encoding, Kind, Leaf, TextKind};
use std::ops::Range;

/// The basic fields of what was not looked into.
const OPAQUE_BASIC: &[u8] = b"\"application\" \"octet-stream\" NIL NIL NIL \"7bit\"";
/// The basic fields of a part without a header.
const PLAIN_BASIC: &[u8] = b"\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";
/// The extension data of either: MD5, disposition, language, location.
const NO_EXTENSION: &[u8] = b"NIL NIL NIL NIL";

/// Where a part's strings are in [`Describer::text`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Described {
    /// Type, subtype, parameters, id, description and encoding; the subtype alone of a multipart.
    pub(crate) basic: Range<usize>,
    /// The extension data.
    pub(crate) extension: Range<usize>,
    /// The envelope, for the top part of a message that is inside another.
    pub(crate) envelope: Range<usize>,
}

/// What a part's surroundings say about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// It is the top part of a message that is inside another.
    pub(crate) embedded: bool,
    /// It is directly inside a multipart/digest.
    pub(crate) in_digest: bool,
    /// It is too deep to be looked into.
    pub(crate) deepest: bool,
}

/// What a part turned out to be.
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// Of a multipart.
    pub(crate) boundary: Option<Vec<u8>>,
    /// Whether it is a multipart/digest.
    pub(crate) digest: bool,
}

/// Collects the descriptions of a message's parts, in their order.
#[derive(Debug, Default)]
pub(crate) struct Describer {
    pub(crate) text: Vec<u8>,
    pub(crate) parts: Vec<Described>,
}

/// The raw values of the MIME fields of one header block; the first of each counts.
#[derive(Default)]
struct MimeFields<'a> {
    content_type: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    disposition: Option<&'a [u8]>,
    md5: Option<&'a [u8]>,
    language: Option<&'a [u8]>,
    location: Option<&'a [u8]>,
}

impl<'a> MimeFields<'a> {
    fn new(header: &'a [u8]) -> Self {
        let mut found = Self::default();
        for field in Fields::new(header) {
            if let Some(slot) = found.slot(field.name) {
                slot.get_or_insert(field.value);
            }
        }
        found
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        let (prefix, name) = lex::split(name, "content-".len());
        if !prefix.eq_ignore_ascii_case(b"content-") {
            return None;
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("id") => Some(&mut self.id),
            3 if is("md5") => Some(&mut self.md5),
            4 if is("type") => Some(&mut self.content_type),
            8 if is("language") => Some(&mut self.language),
            8 if is("location") => Some(&mut self.location),
            11 if is("description") => Some(&mut self.description),
            11 if is("disposition") => Some(&mut self.disposition),
            17 if is("transfer-encoding") => Some(&mut self.encoding),
            _ => None,
        }
    }
}

/// Whether the description of a part is made of fields of this name.
pub(crate) fn names(name: &[u8]) -> bool {
    MimeFields::default().slot(name).is_some()
}

impl Describer {
    /// Whether there is room for one more part.
    pub(crate) fn has_room(&self) -> bool {
        self.parts.len() + 1 < model::limits::MIME_PARTS_MAX
            && self.text.len() + self.parts.len() * limits::PART_OVERHEAD_BYTES < limits::DESCRIPTION_BYTES_MAX
    }

    /// Adds what was not looked into; it has no header.
    pub(crate) fn add_opaque(&mut self) {
        self.add_plain_words(OPAQUE_BASIC);
    }

    /// Adds a part of plain text that has no header.
    pub(crate) fn add_plain(&mut self) {
        self.add_plain_words(PLAIN_BASIC);
    }

    fn add_plain_words(&mut self, basic: &[u8]) {
        let basic = self.put(|out| out.extend_from_slice(basic));
        let extension = self.put(|out| out.extend_from_slice(NO_EXTENSION));
        self.parts.push(Described { basic, extension, envelope: 0..0 });
    }

    /// Adds a part by its header block.
    pub(crate) fn add(&mut self, header: &[u8], context: Context) -> Found {
        let fields = MimeFields::new(header);
        let given = fields.content_type.map(MediaType::parse);
        let default = if context.in_digest { MediaType::MESSAGE } else { MediaType::TEXT_PLAIN };
        // A Content-Type that makes no sense is plain text in a digest too (RFC 2045 §5.2).
        let mut media = given.map_or(default, |given| given.unwrap_or(MediaType::TEXT_PLAIN));
        let mut defaulted = !matches!(given, Some(Some(_)));
        let encoding = encoding(fields.encoding);
        let mut boundary = media.is_kind("multipart").then(|| boundary(media.parameters)).flatten();
        let is_message = media.is("message", "rfc822");
        // RFC 2046 §5.2.1 allows message/rfc822 no transfer encoding; what has one cannot be read as a stream.
        let encoded = matches!(encoding, Encoding::Base64 | Encoding::QuotedPrintable | Encoding::Other);
        if (boundary.is_some() && context.deepest) || (is_message && (context.deepest || encoded)) {
            media = MediaType { parameters: media.parameters, ..MediaType::OPAQUE };
            boundary = None;
        } else if media.is_kind("multipart") && boundary.is_none() {
            // RFC 2046 §5.1.1 demands a boundary: without one it is as if there were no Content-Type.
            media = MediaType::TEXT_PLAIN;
            defaulted = true;
        }
        let kind = if boundary.is_some() {
            Kind::Multipart
        } else if media.is("message", "rfc822") {
            Kind::Message
        } else {
            Kind::Leaf(leaf(&media, encoding))
        };
        let digest = boundary.is_some() && media.subtype.eq_ignore_ascii_case(b"digest");
        self.describe(&fields, &media, &kind, defaulted);
        if context.embedded {
            self.add_envelope(header);
        }
        Found { kind, boundary, digest }
    }

    fn describe(&mut self, fields: &MimeFields<'_>, media: &MediaType<'_>, kind: &Kind, defaulted: bool) {
        let start = self.text.len();
        let mut described = self.write(fields, media, kind, defaulted);
        if self.text.len() - start > PART_DESCRIPTION_BYTES_MAX {
            self.text.truncate(start);
            let bare = MimeFields { encoding: fields.encoding, ..MimeFields::default() };
            let media = MediaType { parameters: Parameters::new(b""), ..*media };
            described = self.write(&bare, &media, kind, defaulted);
        }
        self.parts.push(described);
    }

    fn write(&mut self, fields: &MimeFields<'_>, media: &MediaType<'_>, kind: &Kind, defaulted: bool) -> Described {
        let multipart = *kind == Kind::Multipart;
        let basic = self.put(|out| {
            if multipart {
                return imap::value(out, media.subtype, STRING_BYTES_MAX);
            }
            imap::value(out, media.kind, STRING_BYTES_MAX);
            out.push(b' ');
            imap::value(out, media.subtype, STRING_BYTES_MAX);
            out.push(b' ');
            if defaulted && media.is_kind("text") {
                out.extend_from_slice(b"(\"charset\" \"us-ascii\")");
            } else {
                write_parameters(out, media.parameters);
            }
            for field in [fields.id, fields.description] {
                out.push(b' ');
                imap::value_or_nil(out, field, STRING_BYTES_MAX);
            }
            out.push(b' ');
            let (encoding, _) = token(lex::skip_cfws(fields.encoding.unwrap_or_default()));
            imap::value(out, if encoding.is_empty() { b"7bit" } else { encoding }, STRING_BYTES_MAX);
        });
        let extension = self.put(|out| {
            if multipart {
                write_parameters(out, media.parameters);
            } else {
                imap::value_or_nil(out, fields.md5, STRING_BYTES_MAX);
            }
            out.push(b' ');
            write_disposition(out, fields.disposition);
            out.push(b' ');
            write_languages(out, fields.language);
            out.push(b' ');
            imap::value_or_nil(out, fields.location, STRING_BYTES_MAX);
        });
        Described { basic, extension, envelope: 0..0 }
    }

    fn add_envelope(&mut self, header: &[u8]) {
        let envelope = self.put(|out| envelope::write(out, &Head::new(header), limits::EMBEDDED_ENVELOPE));
        if let Some(part) = self.parts.last_mut() {
            part.envelope = envelope;
        }
    }

    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.text.len();
        write(&mut self.text);
        start..self.text.len()
    }
}

fn leaf(media: &MediaType<'_>, encoding: Encoding) -> Leaf {
    let text = media.is_kind("text").then(|| match media.subtype.to_ascii_lowercase().as_slice() {
        b"plain" => TextKind::Plain,
        b"html" => TextKind::Html,
        _ => TextKind::Other,
    });
    let charset = text.and_then(|_| media.parameters.value("charset"));
    let charset = charset.filter(|name| name.is_ascii() && (1..=CHARSET_BYTES_MAX).contains(&name.len()));
    let charset = charset.map(|name| String::from_utf8_lossy(&name).to_ascii_lowercase().into_boxed_str());
    Leaf { text, encoding, charset }
}

fn encoding(field: Option<&[u8]>) -> Encoding {
    let (name, _) = token(lex::skip_cfws(field.unwrap_or_default()));
    match name.to_ascii_lowercase().as_slice() {
        b"" | b"7bit" => Encoding::SevenBit,
        b"8bit" => Encoding::EightBit,
        b"binary" => Encoding::Binary,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"base64" => Encoding::Base64,
        _ => Encoding::Other,
    }
}

fn boundary(parameters: Parameters<'_>) -> Option<Vec<u8>> {
    let mut boundary = parameters.value("boundary")?;
    // RFC 2046 §5.1.1: a boundary does not end with white space.
    boundary.truncate(lex::trim_end(&boundary).len());
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

fn write_parameters(out: &mut Vec<u8>, parameters: Parameters<'_>) {
    let start = out.len();
    for (name, value) in parameters {
        out.push(if out.len() == start { b'(' } else { b' ' });
        imap::value(out, name, STRING_BYTES_MAX);
        out.push(b' ');
        imap::string(out, imap::cut(&value, STRING_BYTES_MAX));
    }
    if out.len() == start {
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b')');
    }
}

/// Content-Disposition (RFC 2183): the type and its parameters.
fn write_disposition(out: &mut Vec<u8>, field: Option<&[u8]>) {
    let (kind, rest) = token(lex::skip_cfws(field.unwrap_or_default()));
    if kind.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    imap::value(out, kind, STRING_BYTES_MAX);
    out.push(b' ');
    write_parameters(out, Parameters::new(rest));
    out.push(b')');
}

/// Content-Language (RFC 3282): one tag as a string, several as a list.
fn write_languages(out: &mut Vec<u8>, field: Option<&[u8]>) {
    let field = field.unwrap_or_default();
    let tags =
        || field.split(|byte| *byte == b',').map(|tag| token(lex::skip_cfws(tag)).0).filter(|tag| !tag.is_empty());
    match tags().count() {
        0 => out.extend_from_slice(b"NIL"),
        1 => tags().for_each(|tag| imap::value(out, tag, STRING_BYTES_MAX)),
        _ => {
            for (index, tag) in tags().enumerate() {
                out.push(if index == 0 { b'(' } else { b' ' });
                imap::value(out, tag, STRING_BYTES_MAX);
            }
            out.push(b')');
        }
    }
}
