//! A person's desk: two clients that know each other, a network that cannot be reached, and the
//! command for the first of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rohrpost_client::Content;
use rohrpost_proto::directory::roster::render_signatures;
use serde_json::Value;

use super::program;
use super::world::{Client, DAY, Folder, START, arrive, signed_network};

/// The desk of alice, who has bob as a contact.
pub(crate) struct Desk(Folder);

impl Desk {
    /// A desk on which bob's messages have come.
    pub(crate) fn new(test: &str, messages: &[Content]) -> Self {
        let folder = Folder::new(&format!("desk-{test}"));
        let [alice, bob] = Client::pair(&folder);
        for content in messages {
            bob.store.accept("alice", content, DAY, START).unwrap();
        }
        for message in bob.waiting(alice.key()) {
            assert_eq!(arrive(bob.key(), &message, &alice, START).len(), 1);
        }
        write_network(&folder.path("network"), "store");
        let desk = Self(folder);
        desk.write_secret("passphrase", "right\n");
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Writes a file for the command's user alone.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The command for alice, in the desk's directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_at("alice", arguments)
    }

    /// The command for a home of this name.
    pub(crate) fn command_at(&self, home: &str, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.path("")).arg("--network").arg(self.path("network"));
        command.arg("--home").arg(self.path(home));
        command.arg("--passphrase-file").arg(self.path("passphrase")).args(arguments);
        command
    }

    /// The command with limits that a shell sets before it.
    pub(crate) fn limited(&self, limits: &str, arguments: &[&str]) -> Command {
        self.limited_at("alice", limits, arguments)
    }

    /// The command for a home of this name, with limits that a shell sets before it.
    pub(crate) fn limited_at(&self, home: &str, limits: &str, arguments: &[&str]) -> Command {
        let command = self.command_at(home, arguments);
        let mut limited = Command::new("bash");
        limited.arg("-c").arg(format!("{limits}; exec \"$@\"")).arg("bash");
        limited.arg(command.get_program()).args(command.get_args()).current_dir(self.path(""));
        limited
    }

    /// A daemon for alice, once it has said that it is ready.
    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::start(self.command(&["daemon"]))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(code(&output), 0, "{}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Connections to the daemon that say nothing.
    pub(crate) fn idle(&self, count: usize) -> Vec<UnixStream> {
        (0..count).map(|_| UnixStream::connect(self.path("alice/daemon.sock")).unwrap()).collect()
    }

    /// Numbers of the messages that are not marked as read.
    pub(crate) fn unread(&self) -> Vec<u64> {
        let list = self.done(&["--json", "inbox", "--keep-unread", "--wait", "0"]);
        let number = |line: &str| {
            let message: Value = serde_json::from_str(line).unwrap();
            message["number"].as_u64().unwrap()
        };
        list.lines().map(number).collect()
    }
}

/// Writes the files of a network of this name to a new directory.
pub(crate) fn write_network(directory: &Path, name: &str) {
    write_roster(directory, name, 1);
}

/// Writes the files of a network of this name, with a roster of this version.
pub(crate) fn write_roster(directory: &Path, name: &str, version: u32) {
    let (trust, roster, signatures) = signed_network(name, version, None);
    fs::create_dir_all(directory).unwrap();
    let files = [
        ("trust.toml", trust.render()),
        ("roster.toml", roster),
        ("roster.sig", render_signatures(&signatures)),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// A daemon that ends with the test.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    _out: Option<BufReader<ChildStdout>>,
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        Self { child, _out: Some(out) }
    }
}

impl Daemon {
    pub(crate) const fn of(child: Child) -> Self {
        Self { child, _out: None }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
