//! A directory with a network's files and its agencies' keys, and the tool that changes them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A ceremony in a directory of its own, which is removed at the end.
pub(crate) struct Ceremony {
    folder: PathBuf,
    /// Public keys of the agencies.
    keys: Vec<(&'static str, String)>,
    nodes: AtomicU32,
}

impl Ceremony {
    /// Makes the agencies' keys.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rohrpost-ops-ceremony-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let mut ceremony = Self { folder, keys: Vec::new(), nodes: AtomicU32::new(0) };
        ceremony.keys = AGENCIES.map(|agency| (agency, ceremony.key(agency))).to_vec();
        ceremony
    }

    /// Makes a key, and gives its public half.
    fn key(&self, name: &str) -> String {
        let key = self.run(&["keygen", &self.path(&format!("{name}.pem"))]).unwrap();
        key.trim().to_owned()
    }

    /// Makes the trust root.
    pub(crate) fn trust(&self, threshold: u8) -> String {
        self.try_trust(threshold).expect("the trust root is made")
    }

    /// Tries to make the trust root: what was said, or the error.
    pub(crate) fn try_trust(&self, threshold: u8) -> Result<String, String> {
        let agencies = self.keys.iter().map(|(name, key)| format!("--agency={name}={key}"));
        let line = ["trust", "new", "test", "--threshold"].map(str::to_owned);
        let line: Vec<_> =
            line.into_iter().chain([threshold.to_string()]).chain(agencies).collect();
        self.at_network(&line.iter().map(String::as_str).collect::<Vec<_>>())
            .map_err(|(_, said)| said)
    }

    /// Adds a node with a key and an address of its own.
    pub(crate) fn add(
        &self,
        name: &str,
        operator: &str,
        layer: Option<u8>,
    ) -> Result<String, String> {
        let host = self.nodes.fetch_add(1, Ordering::Relaxed) + 1;
        let (address, identity) = (format!("192.0.2.{host}:4433"), self.key(name));
        let line = ["roster", "add", name, "--operator", operator, "--address", &address];
        let line = line.into_iter().chain(["--identity", &identity]);
        let layer = layer.map(|layer| format!("--layer={layer}"));
        let line: Vec<_> = line.chain(layer.as_deref()).collect();
        self.at_network(&line).map_err(|(_, said)| said)
    }

    /// Signs as an agency that has read what it signs.
    pub(crate) fn sign(&self, agency: &str) -> Result<String, String> {
        let key = self.path(&format!("{agency}.pem"));
        let line = ["roster", "sign", "--yes", "--agency", agency, "--key", &key];
        self.at_network(&line).map_err(|(_, said)| said)
    }

    /// Output of the tool on the network's directory; it must succeed.
    pub(crate) fn done(&self, line: &[&str]) -> String {
        self.at_network(line).unwrap()
    }

    /// The error of what the tool must refuse with this code.
    pub(crate) fn refused(&self, line: &[&str], code: i32) -> String {
        let (exit, said) = self.at_network(line).expect_err("it is refused");
        assert_eq!(exit, Some(code), "{line:?}: {said}");
        said
    }

    fn at_network(&self, line: &[&str]) -> Result<String, (Option<i32>, String)> {
        let network = self.path("");
        self.run(&[line, &["--network", &network]].concat())
    }

    /// Runs the tool: its output, or its code and errors.
    pub(crate) fn run(&self, line: &[&str]) -> Result<String, (Option<i32>, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rohrpost-ops"));
        let output = command.args(line).stdin(Stdio::null()).output().unwrap();
        let [said, errors] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        match output.status.success() {
            true => Ok(said),
            false => Err((output.status.code(), errors)),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }
}

impl Drop for Ceremony {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const AGENCIES: [&str; 4] = ["north", "east", "south", "west"];
