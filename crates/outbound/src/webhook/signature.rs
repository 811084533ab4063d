//! The signature of a call: `t=SECONDS,v1=HEX`, HMAC-SHA-256 of `SECONDS.BODY` under the webhook's secret. The time stands in
//! it so that an old call cannot be made again.

use std::fmt::Write as _;

/// The field that holds it.
pub const HEADER: &str = "x-brevdue-signature";

/// The field's value.
pub fn signature(secret: &[u8], at_s: i64, body: &[u8]) -> String {
    let time = at_s.to_string();
    let tag = vault::mac(secret, &[time.as_bytes(), b".", body]);
    let mut value = format!("t={time},v1=");
    for byte in tag {
        _ = write!(value, "{byte:02x}");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_makes_it() {
        // hmac.new(b"k" * 32, b"7.{}", "sha256").hexdigest()
        let python = std::process::Command::new("python3")
            .args(["-c", "import hmac; print(hmac.new(b'k' * 32, b'7.{}', 'sha256').hexdigest(), end='')"])
            .output()
            .unwrap();
        let expected = format!("t=7,v1={}", String::from_utf8(python.stdout).unwrap());
        assert_eq!(signature(&[b'k'; 32], 7, b"{}"), expected);
    }
}
