//! Gzip (RFC 1952) of a whole report: one member without name or time.

/// The level: reports are small and seldom.
const LEVEL: u8 = 9;

/// The compressed octets.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, LEVEL));
    out.extend(crc32(bytes).to_le_bytes());
    // Modulo 2^32, as the format has it.
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

/// CRC-32 (RFC 1952 §8), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn gunzip_reads_it() {
        let text = "{\"a\":1}".repeat(1000);
        let mut gunzip =
            Command::new("gzip").args(["-dc"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        gunzip.stdin.take().unwrap().write_all(&gzip(text.as_bytes())).unwrap();
        let answer = gunzip.wait_with_output().unwrap();
        assert!(answer.status.success());
        assert_eq!(answer.stdout, text.as_bytes());
    }
}
