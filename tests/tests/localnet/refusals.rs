//! Nodes of a local network whose files are wrong end at once, and say what to do.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rohrpost_localnet::{Plan, PlanOptions};
use rohrpost_proto::directory::roster::{SuiteName, parse_signatures, render_signatures};
use tempfile::TempDir;

use crate::process::{node, scratch};

/// Files of a whole network, which go with the value.
struct Files {
    scratch: TempDir,
    plan: Plan,
}

impl Files {
    fn new(name: &str) -> Self {
        let scratch = scratch(&format!("refusals-{name}"));
        let options = PlanOptions::new(SuiteName::Classic);
        let plan = Plan::make(&scratch.path().join("network"), &options)
            .expect("the scratch directory is empty and writable");
        Self { scratch, plan }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("network").join(name)
    }

    /// Configuration of the first relay.
    fn relay(&self) -> &Path {
        &self.plan.nodes[0].config
    }

    fn change(&self, path: &Path, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(path).expect("the plan has written it");
        fs::write(path, change(text)).expect("the scratch directory is writable");
    }

    /// Starts the first relay, which must end by itself with this code and these words.
    fn refused(&self, code: i32, words: &[&str]) {
        let (status, said) = end_of(self.relay());
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.starts_with("error: "), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {said}");
        }
    }
}

/// Runs a relay until it ends, and gives its exit status and standard error.
fn end_of(configuration: &Path) -> (ExitStatus, String) {
    let mut child = node("relay", configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rohrpost-ops runs");
    let started = Instant::now();
    while child.try_wait().expect("a child can be asked").is_none() {
        if started.elapsed() > DEADLINE {
            child.kill().expect("a child can be killed");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("it has ended");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_key_of_another_node() {
    let files = Files::new("key");
    let other = files.path("relay-south/identity.pem");
    fs::copy(other, files.path("relay-north/identity.pem")).expect("both files are there");
    files.refused(78, &["identity.pem", "relay-north", "relay-south"]);
}

#[test]
fn a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new("exposed");
    let key = files.path("relay-north/identity.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).expect("the key is the test's");
    files.refused(78, &["identity.pem", "chmod 600"]);
}

#[test]
fn a_roster_that_nobody_signed() {
    let files = Files::new("unsigned");
    fs::remove_file(files.path("roster.sig")).expect("the plan has written it");
    files.refused(78, &["roster.toml", "0 of the 5", "rohrpost-ops roster sign"]);
}

#[test]
fn a_roster_that_too_few_signed() {
    let files = Files::new("under-signed");
    files.change(&files.path("roster.sig"), |text| {
        let signatures = parse_signatures(&text).expect("the plan has written it");
        render_signatures(&signatures[..2])
    });
    files.refused(78, &["roster.toml", "2 of the 5", "rohrpost-ops roster sign"]);
}

#[test]
fn a_roster_changed_after_signing() {
    let files = Files::new("changed");
    files.change(&files.path("roster.toml"), |text| format!("{text}\n# One line more.\n"));
    files.refused(78, &["roster.toml", "changed after signing"]);
}

#[test]
fn a_key_of_the_configuration_that_nobody_knows() {
    let files = Files::new("unknown");
    files.change(files.relay(), |text| format!("retries = 3\n{text}"));
    files.refused(78, &["node.toml", "line 1", "retries"]);
}

#[test]
fn a_port_in_use() {
    let files = Files::new("port");
    let held = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = held.local_addr().expect("the socket is bound");
    files.change(files.relay(), |text| {
        let line = |line: &str| match line.starts_with("listen = ") {
            true => format!("listen = \"{address}\"\n"),
            false => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    });
    files.refused(69, &[&address.port().to_string(), "in use", "choose another port"]);
}

/// Deadline of a start: a node that has found nothing wrong by then is running.
const DEADLINE: Duration = Duration::from_secs(60);
