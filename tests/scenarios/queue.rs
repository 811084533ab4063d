//! The queue through SIGKILL: what was acknowledged waits to leave, once, whatever was killed.

use harness::dev::binary;
use harness::{Dev, until};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// Clients at once, and messages of each.
const CLIENTS: usize = 4;
const MESSAGES: usize = 50;

/// What an operator is answered, once the node answers.
fn queue(dev: &Dev, arguments: &[&str]) -> serde_json::Value {
    until("the queue answers", || {
        let mut command = Command::new(binary());
        let asked = command.arg("--data").arg(dev.data()).args(["--json", "queue"]).args(arguments).output().unwrap();
        asked.status.success().then(|| serde_json::from_slice(&asked.stdout).unwrap())
    })
}

/// Every recipient in the queue, as often as it is there.
fn waiting(dev: &Dev) -> Vec<String> {
    let listed = queue(dev, &["list"]);
    let entries = listed["entries"].as_array().unwrap().iter();
    let recipients = entries.flat_map(|entry| entry["recipients"].as_array().unwrap());
    let mut addresses: Vec<_> = recipients.map(|recipient| recipient["address"].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    addresses
}

/// Sends mail until it is done; every recipient that was acknowledged.
fn submit(dev: &Dev, name: &str, acknowledged: &Mutex<BTreeSet<String>>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/submit_many.py");
    let user = dev.user(1);
    let mut client = Command::new("python3")
        .arg(script)
        .arg(dev.port("submission").to_string())
        .args([&user.address, &user.password, name, &MESSAGES.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        acknowledged.lock().unwrap().insert(line.unwrap());
    }
    assert!(client.wait().unwrap().success());
}

#[test]
fn a_node_that_is_killed_while_mail_comes_loses_none_and_takes_none_twice() {
    let dev = Dev::start(1, &[]);
    dev.freeze("outbound", 1, true);
    let acknowledged = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (dev, acknowledged) = (&dev, &acknowledged);
            scope.spawn(move || submit(dev, &format!("c{client}"), acknowledged));
        }
        for part in 1..=3 {
            let enough = part * CLIENTS * MESSAGES / 5;
            until("mail is acknowledged", || (acknowledged.lock().unwrap().len() >= enough).then_some(()));
            dev.kill_and_wait("node", 1);
        }
    });
    let waiting = waiting(&dev);
    let acknowledged = acknowledged.into_inner().unwrap();
    let once: BTreeSet<_> = waiting.iter().cloned().collect();
    assert_eq!(once.len(), waiting.len(), "taken twice");
    let lost: Vec<_> = acknowledged.difference(&once).collect();
    assert_eq!(lost, Vec::<&String>::new(), "lost");
    // What the operator does survives as well.
    let held = queue(&dev, &["hold", "--destination", "d3.elsewhere.test"]);
    dev.kill_and_wait("node", 1);
    let released = queue(&dev, &["release", "--all"]);
    assert_eq!(held["recipients"], released["recipients"]);
    dev.freeze("outbound", 1, false);
    dev.stop();
}
