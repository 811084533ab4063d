//! Debian's Redis on a loopback port: it can be stopped and started again on the same one.

use crate::port::Port;
use crate::wait::until;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A Redis that keeps nothing on disk; dropping it stops it.
pub struct Redis {
    child: Option<Child>,
    port: Port,
    password: Option<String>,
}

impl Redis {
    /// Starts it; with a password, clients must give it.
    pub fn start(password: Option<&str>) -> Self {
        let mut redis = Self { child: None, port: Port::free(), password: password.map(str::to_owned) };
        redis.resume();
        redis
    }

    /// `redis://…`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port.number())
    }

    /// Stops it as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts it again, empty.
    pub fn resume(&mut self) {
        let port = self.port.number().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let child = command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        self.child = Some(child.expect("redis-server starts; scripts/setup installs it"));
        until("Redis listens", || TcpStream::connect(("127.0.0.1", self.port.number())).ok());
    }

    /// Runs redis-cli and gives what it prints.
    pub fn ask(&self, question: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.number().to_string()]);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(question).output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
