//! What is named in `h=`; that signatures fit is tested with other implementations.

use super::*;
use crate::BodyStream;

fn names(prefix: &[u8], header: &[u8]) -> Result<String, SignError> {
    let mut stream = BodyStream::new();
    stream.push(header);
    signed_fields(prefix, &stream.finish(), &SIGNED, &CLOSED).map(|(names, _)| names.join(":"))
}

#[test]
fn what_is_there_and_once_more() {
    let closed = CLOSED.join(":");
    assert_eq!(names(b"", b"From: a@b\r\nReceived: x\r\n\r\n"), Ok(format!("from:{closed}")));
    assert_eq!(
        names(b"Date: x\r\n", b"Subject: x\r\nFROM: a@b\r\nTo: c\r\nTo: d\r\n\r\n"),
        Ok(format!("from:to:to:subject:date:{closed}"))
    );
    assert_eq!(names(b"From: a@b\r\n", b"\r\n"), Ok(format!("from:{closed}")));
    assert_eq!(names(b"", b"To: a@b\r\n\r\nFrom: body\r\n"), Err(SignError::Header));
}

/// RFC 6376 §5.4.2: of several fields the last comes first.
#[test]
fn from_the_bottom_up() {
    let mut stream = BodyStream::new();
    stream.push(b"From: a@b\r\nTo: first\r\nTo:  last\r\n\r\n");
    let (_, canonical) = signed_fields(b"", &stream.finish(), &SIGNED, &CLOSED).unwrap();
    assert_eq!(canonical, b"from:a@b\r\nto:last\r\nto:first\r\n");
}
