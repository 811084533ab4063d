//! Compiles `proto/` with protox, so that no protoc needs to be installed.

use prost::Message;
use std::{env, error::Error, fs, path::PathBuf};

/// Messages that must not print what they hold.
const SECRETS: [&str; 3] =
    [".brevdue.directory.v1.SigningKey", ".brevdue.directory.v1.SrsSecretsReply", ".brevdue.directory.v1.Webhook"];

fn main() -> Result<(), Box<dyn Error>> {
    let proto = PathBuf::from("../../proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    let descriptors =
        protox::compile(["session.proto", "node.proto", "directory.proto", "queue.proto", "backup.proto"], [&proto])?;
    let path = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(&path, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .file_descriptor_set_path(path)
        .skip_protoc_run()
        .bytes(".")
        // They hold secrets: what they print as is written by hand, in src/secrets.rs.
        .skip_debug(SECRETS)
        .compile_protos(
            &["session.proto", "node.proto", "directory.proto", "queue.proto", "backup.proto"],
            &["../../proto"],
        )?;
    Ok(())
}
