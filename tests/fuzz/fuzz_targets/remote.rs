//! Another IMAP server, as an import meets it: responses with literals, and the values in them. Pieces of any size give the same
//! responses; what is kept of one stays within its limits; values that are written again are read as the same.
#![no_main]
#![allow(dead_code, reason = "the import has use for all of these modules")]

#[path = "../../../crates/brevdue/src/failure.rs"]
mod failure;
#[path = "../../../crates/brevdue/src/doors/limits.rs"]
pub mod limits;
#[path = "../../../crates/brevdue/src/doors/remote/value.rs"]
mod value;
#[path = "../../../crates/brevdue/src/doors/remote/wire.rs"]
mod wire;

/// Where the modules look for each other.
mod doors {
    pub use crate::limits;
}

use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncWriteExt;
use value::Value;
use wire::Wire;

/// All responses up to the first that is none.
async fn responses(octets: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (ours, mut theirs) = tokio::io::duplex(size);
    let mut wire = Wire::new(Box::new(ours));
    let mut found = Vec::new();
    let reading = async {
        while let Ok(response) = wire.response().await {
            found.push(response);
        }
        drop(wire);
    };
    let writing = async {
        // Who reads no more has found what is wrong.
        let _ = theirs.write_all(octets).await;
        drop(theirs);
    };
    tokio::join!(reading, writing);
    found
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Atom(octets) => out.extend_from_slice(octets),
        Value::Text(octets) => {
            out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
            out.extend_from_slice(octets);
        }
        Value::List(values) => {
            out.push(b'(');
            write_all(values, out);
            out.push(b')');
        }
    }
}

fn write_all(values: &[Value], out: &mut Vec<u8>) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        write(value, out);
    }
}

fuzz_target!(|data: &[u8]| {
    let [size, octets @ ..] = data else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let whole = runtime.block_on(responses(octets, octets.len().max(1)));
    assert_eq!(runtime.block_on(responses(octets, usize::from(*size).max(1))), whole);
    assert!(octets.starts_with(&whole.concat()), "nothing is lost or made up");
    for response in &whole {
        assert!(response.ends_with(b"\r\n"));
        let _ = wire::end_of("b1", response);
        let Some(values) = value::parse(response.strip_prefix(b"* ").unwrap_or(response)) else { continue };
        let mut again = Vec::new();
        write_all(&values, &mut again);
        again.extend_from_slice(b"\r\n");
        assert_eq!(value::parse(&again), Some(values));
    }
});
