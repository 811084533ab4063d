//! An S3 server that has lifecycle rules and lets a test do what time and others do to a bucket (tests/clients/moto_s3.py).

use crate::client::script;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// A running server with one bucket; dropping it ends it.
pub struct Moto {
    child: Child,
    said: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    folder: tempfile::TempDir,
    port: u16,
}

impl Moto {
    /// Starts one.
    pub fn start() -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/python");
        let mut command = Command::new(python);
        command.arg(script("moto_s3.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("python starts; run scripts/setup");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut output = BufReader::new(output);
        let port = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("a line") > 0, "moto does not start; run scripts/setup");
            // It also says that it starts.
            if let Ok(port) = line.trim().parse() {
                break port;
            }
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("credentials"), "test-key\ntest-secret-of-the-store\n").expect("written");
        Self { child, said: Mutex::new((input, output)), folder, port }
    }

    /// Has it do something, and what it answers.
    pub fn ask(&self, command: &str) -> Value {
        let mut said = self.said.lock().expect("no test has failed with it");
        said.0.write_all(format!("{command}\n").as_bytes()).expect("it reads");
        let mut line = String::new();
        said.1.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{command}: {line:?}: {error}"))
    }

    /// A store of this name in the bucket, with this prefix, as a configuration describes it.
    pub fn store(&self, name: &str, prefix: &str) -> String {
        format!(
            "[[backup.stores]]\nname = \"{name}\"\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:{}\"\nregion = \"us-east-1\"\n\
             bucket = \"mail\"\nprefix = \"{prefix}\"\npart_bytes = 5242880\ncredentials_file = \"{}\"\n",
            self.port,
            self.folder.path().join("credentials").display()
        )
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
