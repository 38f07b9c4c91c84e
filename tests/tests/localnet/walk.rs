//! The README walked by two new users: clients made, cards exchanged and verified, a text and a
//! file of 1 MiB both ways, through daemons; and the example of the local API.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rohrpost_tests::program;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{localnet, scratch};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network on this machine, and two people with it: carol, whose client is in the usual place of
/// her home directory, and dave, who says where his is.
struct Walk {
    scratch: TempDir,
}

impl Walk {
    /// A command as people give it: none is told of the network but `init`.
    fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("rohrpost"));
        for variable in ["ROHRPOST_HOME", "ROHRPOST_NETWORK", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        command.env("HOME", self.scratch.path().join("user"));
        if who == "dave" {
            command.arg("--home").arg(self.scratch.path().join(who));
            command.arg("--key-file").arg(self.scratch.path().join("dave.key"));
        }
        command.arg("--json").args(arguments);
        command
    }

    /// Runs a command to its end, and gives the lines that it printed.
    fn run(&self, who: &str, arguments: &[&str]) -> Vec<Value> {
        let output = self.command(who, arguments).output().expect("rohrpost runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{who} {arguments:?}: {errors}");
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("JSON lines")).collect()
    }

    fn code(&self, who: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(who, arguments).output().expect("rohrpost runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts a program and waits until it has printed a line with this in it.
    fn start(mut command: Command, ready: &str) -> Running {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program runs");
        let out = BufReader::new(child.stdout.take().expect("its output is piped"));
        let running = Running(child);
        let mut lines = out.lines();
        let found = lines.by_ref().any(|line| line.is_ok_and(|line| line.contains(ready)));
        assert!(found, "the program ended before it said {ready:?}");
        // Read on, so that the program does not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        running
    }

    fn words(&self, who: &str) -> String {
        text(&self.run(who, &["fingerprint"])[0]["fingerprint"])
    }

    /// Waits until this many messages are in an inbox.
    fn await_inbox(&self, who: &str, count: usize) -> Vec<Value> {
        self.poll(|walk| {
            let inbox = walk.run(who, &["inbox", "--all", "--keep-unread", "--wait", "5"]);
            (inbox.len() >= count).then_some(inbox)
        })
    }

    /// Waits until all that somebody sent is delivered.
    fn await_delivery(&self, who: &str, count: u64) {
        self.poll(|walk| {
            let status = &walk.run(who, &["status"])[0]["status"];
            (status["delivered"] == count && status["sent"] == 0).then_some(())
        });
    }

    /// Asks real processes twice a second, for as long as a slow machine may need.
    fn poll<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let limit = Instant::now() + Duration::from_secs(300);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < limit, "not within five minutes");
            sleep(Duration::from_millis(500));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("scratch paths are plain")
}

#[test]
fn two_people_exchange_texts_and_files() {
    let walk = Walk { scratch: scratch("walk") };
    let mut network = localnet();
    network.args([
        "--slot",
        "50",
        "--ack-delay",
        "1s",
        "--dir",
        path(&walk.scratch.path().join("network")),
    ]);
    let _network = Walk::start(network, "up until Ctrl-C");

    two_people_meet(&walk);

    // Without a daemon, a message leaves and arrives all the same.
    walk.run("carol", &["send", "dave", "without a daemon"]);
    let inbox = walk.await_inbox("dave", 1);
    assert_eq!(inbox[0]["text"], "without a daemon");

    let _carol = Walk::start(walk.command("carol", &["daemon"]), "ready");
    let told = walk.scratch.path().join("told");
    let hook = format!("echo \"$ROHRPOST_CONTACT $ROHRPOST_NUMBER\" >> '{}'", path(&told));
    let dave = Walk::start(walk.command("dave", &["daemon", "--exec", &hook]), "ready");
    texts_and_files_travel_both_ways(&walk);
    let ran = |_: &Walk| fs::read_to_string(&told).ok().filter(|told| told.lines().count() > 1);
    let told = walk.poll(ran);
    assert_eq!(told, "carol 1\ncarol 2\n", "once for each message that came meanwhile");
    the_example_answers(&walk);
    a_store_is_exported_and_moved(&walk, dave);
}

/// Two clients are made, and their cards exchanged and verified; what is wrong is refused.
fn two_people_meet(walk: &Walk) {
    let configuration = walk.scratch.path().join("user/.config/rohrpost");
    fs::create_dir_all(&configuration).expect("writable");
    fs::write(configuration.join("config.toml"), "key_file = \"~/carol.key\"\n").expect("writable");
    let network = walk.scratch.path().join("network");
    walk.run("carol", &["init", "--network", path(&network), "--agency", "north"]);
    let keep = ["--agency", "west", "--keep", "30d"];
    walk.run("dave", &[&["init", "--network", path(&network)], &keep[..]].concat());
    for (who, other) in [("carol", "dave"), ("dave", "carol")] {
        let card = walk.scratch.path().join(format!("{other}.card"));
        fs::write(&card, text(&walk.run(other, &["card"])[0]["card"])).expect("writable");
        walk.run(who, &["add", other, path(&card)]);
        let words = walk.words(other);
        walk.run(who, &["verify", other, &words]);
        assert_eq!(walk.run(who, &["contacts"])[0]["verified"], true);
    }
    let (code, errors) = walk.code("carol", &["verify", "dave", &walk.words("carol")]);
    assert_eq!(code, Some(65), "{errors}");
    let (code, errors) = walk.code("carol", &["send", "eve", "Hello"]);
    assert!(code == Some(66) && errors.contains("no contact eve"), "{code:?} {errors}");
}

/// Daemons carry a text and a file each way. One message has gone before, from carol to dave.
fn texts_and_files_travel_both_ways(walk: &Walk) {
    let file = walk.scratch.path().join("file.bin");
    let bytes: Vec<u8> = (0..1 << 20).map(|_| rand::random()).collect();
    fs::write(&file, &bytes).expect("writable");
    for (who, other) in [("carol", "dave"), ("dave", "carol")] {
        walk.run(who, &["send", other, "a text, grüß Gott"]);
        let sent = walk.run(who, &["send", other, "--file", path(&file)]);
        assert_eq!(sent[0]["status"], "queued");
    }
    for (who, from, known) in [("dave", "carol", 1), ("carol", "dave", 0)] {
        let inbox = walk.await_inbox(who, known + 2);
        assert_eq!(inbox.len(), known + 2);
        assert_eq!(
            (&inbox[known]["text"], &inbox[known]["from"]),
            (&"a text, grüß Gott".into(), &from.into())
        );
        assert_eq!(inbox[known + 1]["file"], "file.bin");
        let received = walk.scratch.path().join(format!("received-{who}"));
        let number = inbox[known + 1]["number"].to_string();
        walk.run(who, &["read", &number, "--output", path(&received)]);
        assert!(fs::read(&received).expect("it was saved") == bytes, "{who}'s file differs");
    }
    walk.await_delivery("carol", 3);
    walk.await_delivery("dave", 2);
}

/// The example of the local API answers once what dave has not read.
fn the_example_answers(walk: &Walk) {
    let python = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/examples/answer.py"))
        .arg(walk.scratch.path().join("dave").join("daemon.sock"))
        .arg("1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let output = python.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.starts_with("answered carol"), "{said}");
    let inbox = walk.await_inbox("carol", 3);
    assert_eq!(inbox[2]["text"], "[automatic] You wrote: without a daemon");
}

fn a_store_is_exported_and_moved(walk: &Walk, dave: Running) {
    let file = walk.scratch.path().join("file.bin");
    let bytes = fs::read(file).expect("it was sent");
    let export = walk.scratch.path().join("export");
    walk.run("dave", &["export", path(&export)]);
    assert!(fs::read(export.join("2-file.bin")).expect("exported") == bytes);
    let backup = walk.scratch.path().join("backup");
    walk.run("dave", &["backup", path(&backup)]);
    let (code, errors) = walk.code("dave", &["wipe", "--yes"]);
    assert!(code == Some(75) && errors.contains("open in another"), "{code:?} {errors}");
    drop(dave);
    walk.run("dave", &["wipe", "--yes"]);
    walk.run("dave", &["restore", path(&backup)]);
    assert_eq!(walk.run("dave", &["inbox", "--all", "--wait", "0"]).len(), 3);
    // Dave's client does not run: who waits for it hears that it did not get the message.
    let late = ["send", "--wait", "--expires", "2s", "dave", "too late"];
    let (code, errors) = walk.code("carol", &late);
    assert!(code == Some(75) && errors.contains("not delivered"), "{code:?} {errors}");
}
