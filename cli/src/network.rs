//! The network's files: installed once in the client's home, where every command finds them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rohrpost_client::{FilePaths, Network, Store};
use serde_json::json;

use crate::error::CommandError;
use crate::input::read_input;
use crate::output::{Output, PARTIAL};
use crate::place::Place;

#[derive(clap::Subcommand)]
pub(crate) enum NetworkCommand {
    /// Install the files of a network in the client's home, or newer ones in the place of older.
    ///
    /// They are checked first: the agencies' signatures, and that the roster is no older one than
    /// that which is installed. A daemon that runs takes them when it is started again.
    Install {
        /// The directory with trust.toml, roster.toml and roster.sig, or these three files.
        #[arg(required = true, value_name = "DIR|FILE")]
        from: Vec<PathBuf>,
    },
    /// Show the network that commands use.
    Show,
}

pub(crate) fn run(
    place: &Place,
    command: NetworkCommand,
    output: &Output,
) -> Result<(), CommandError> {
    match command {
        NetworkCommand::Install { from } => {
            let network = install(place, &from)?;
            let to = place.installed();
            let mut text = format!("{} is installed in {}", describe(&network), to.display());
            if place.socket().exists() {
                text.push_str("; a daemon that runs goes by it when it is started again");
            }
            output.say(&json!({ "installed": summary(&network), "directory": to }), &text)
        }
        NetworkCommand::Show => {
            let network = place.network()?;
            let directory =
                place.given_network().map_or_else(|| place.usual_network(), Path::to_owned);
            let text = format!("{}\nfiles in {}", describe(&network), directory.display());
            output.say(&json!({ "network": summary(&network), "directory": directory }), &text)
        }
    }
}

fn summary(network: &Network) -> serde_json::Value {
    let roster = &network.roster;
    json!({
        "name": roster.network,
        "version": roster.version,
        "suite": roster.suite.as_str(),
        "nodes": roster.nodes().count(),
        "expires": roster.expires,
    })
}

fn describe(network: &Network) -> String {
    let roster = &network.roster;
    format!(
        "network {}, roster {} with {} nodes, suite {}, holds until {}",
        roster.network,
        roster.version,
        roster.nodes().count(),
        roster.suite.as_str(),
        roster.expires
    )
}

/// Installs the files of a network, which are found in a directory or given one by one.
pub(crate) fn install(place: &Place, from: &[PathBuf]) -> Result<Network, CommandError> {
    let paths = Files::locate(from)?;
    let network = Network::read(paths.paths())?;
    refuse_to_replace(place, &network)?;
    let failed = |source| CommandError::Output { path: place.installed(), source };
    let is_new = !place.home().exists();
    make_private(place.home()).map_err(failed)?;
    let copied = copy(place, &paths);
    if copied.is_err() && is_new {
        // An empty home of no client would only be in the way.
        let _ = fs::remove_dir(place.home());
    }
    copied
}

/// Copies files into the home, checks the copies, and puts them in their place.
fn copy(place: &Place, paths: &Files) -> Result<Network, CommandError> {
    let failed = |source| CommandError::Output { path: place.installed(), source };
    let draft =
        tempfile::Builder::new().prefix(PARTIAL).tempdir_in(place.home()).map_err(failed)?;
    for (name, path) in &paths.0 {
        let bytes = read_input(path, "a file of a network", FILE_LIMIT)?;
        write_flushed(&draft.path().join(name), &bytes).map_err(failed)?;
    }
    let network = Network::open(draft.path())?;
    replace(draft.path(), &place.installed()).map_err(failed)?;
    let _ = draft.keep();
    Ok(network)
}

/// Refuses a network that is not the client's, and a roster that is older than the installed one, or
/// another of its version, whether that has expired or not: whoever hands that over may want nodes back
/// that were struck off.
fn refuse_to_replace(place: &Place, network: &Network) -> Result<(), CommandError> {
    let Ok(old) = Network::open_expired(&place.installed()) else {
        return Ok(());
    };
    let home = place.home().display();
    if old.roster.network_id != network.roster.network_id {
        if !Store::is_in(place.home()) {
            return Ok(());
        }
        return Err(CommandError::Replace(format!(
            "the client in {home} is of the network {}, and these files are of {}: make another \
             client with --home DIR",
            old.roster.network, network.roster.network
        )));
    }
    if old.roster.version == network.roster.version && old.roster.hash != network.roster.hash {
        return Err(CommandError::Replace(format!(
            "there are two rosters of version {}, this one and the one that is installed in {home}: \
             somebody has signed both; have the agencies sign one of a higher version",
            network.roster.version
        )));
    }
    if old.roster.version > network.roster.version {
        return Err(CommandError::Replace(format!(
            "roster {} is older than {}, which is installed in {home}: ask your agency for the \
             newest",
            network.roster.version, old.roster.version
        )));
    }
    Ok(())
}

/// The three files of a network by name.
struct Files(BTreeMap<&'static str, PathBuf>);

impl Files {
    fn locate(from: &[PathBuf]) -> Result<Self, CommandError> {
        let mut files = BTreeMap::new();
        if let [directory] = from
            && !NAMES.iter().any(|name| directory.ends_with(name))
        {
            files.extend(NAMES.map(|name| (name, directory.join(name))));
            return Ok(Self(files));
        }
        for path in from {
            let name = NAMES.into_iter().find(|name| path.file_name() == Some(name.as_ref()));
            let Some(name) = name else {
                let why = format!("{} is none of {}", path.display(), NAMES.join(", "));
                return Err(CommandError::Usage(why));
            };
            files.insert(name, path.clone());
        }
        match NAMES.into_iter().find(|name| !files.contains_key(name)) {
            Some(missing) => Err(CommandError::Usage(format!(
                "{missing} is missing: give all of {}, or the directory that holds them",
                NAMES.join(", ")
            ))),
            None => Ok(Self(files)),
        }
    }

    fn paths(&self) -> FilePaths<'_> {
        let path = |name| self.0[name].as_path();
        FilePaths { trust: path(NAMES[0]), roster: path(NAMES[1]), signatures: path(NAMES[2]) }
    }
}

/// Makes a directory for its user alone, with those above it, if it is not there.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn write_flushed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts a directory in the place of another. After a crash between the two renames there is none,
/// and the files are installed again.
fn replace(new: &Path, at: &Path) -> io::Result<()> {
    let old = new.with_extension("old");
    match fs::rename(at, &old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        moved => moved?,
    }
    fs::rename(new, at)?;
    match fs::remove_dir_all(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Names of the files of a network: trust root, roster, signatures.
const NAMES: [&str; 3] = ["trust.toml", "roster.toml", "roster.sig"];
/// Bytes of the longest of them, as [`Network::open`] has it.
const FILE_LIMIT: usize = 16 << 20;
