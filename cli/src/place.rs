//! The place of a client: its own directory, its network's, and what opens its store. Each is taken
//! from the command line, else the environment, else the configuration file, else the usual place.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rohrpost_client::{Network, NetworkError, Store, StoreError, VaultError};
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::error::CommandError;
use crate::lock::Lock;
use crate::output::note;

/// The place as the command line gives it.
#[derive(clap::Args)]
pub(crate) struct PlaceOptions {
    /// Directory with trust.toml, roster.toml and roster.sig [env: ROHRPOST_NETWORK] [default: what
    /// is installed in the home].
    ///
    /// `init` installs it, so that it need not be given again.
    #[arg(long, value_name = "DIR", global = true)]
    network: Option<PathBuf>,
    /// Directory of this client: its encrypted store, its network, and the daemon's socket [env:
    /// ROHRPOST_HOME] [default: rohrpost in $XDG_DATA_HOME or ~/.local/share].
    #[arg(long, value_name = "DIR", global = true)]
    home: Option<PathBuf>,
    /// Unlock the store by this key file instead of a passphrase; `init` makes it if it is not
    /// there [env: ROHRPOST_KEY_FILE].
    #[arg(long, value_name = "FILE", global = true)]
    key_file: Option<PathBuf>,
    /// Take the passphrase from the first line of this file instead of asking for it [env:
    /// ROHRPOST_PASSPHRASE_FILE].
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
    /// JSON on standard output, one object a line; an error as JSON on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show times in UTC instead of the machine's time zone.
    #[arg(long, global = true)]
    pub(crate) utc: bool,
}

impl PlaceOptions {
    /// Finds the place that the options, the environment and the configuration file mean.
    pub(crate) fn resolve(self) -> Result<Place, CommandError> {
        let Self { network, home, key_file, passphrase_file, json: _, utc: _ } = self;
        let config = match base("XDG_CONFIG_HOME", ".config") {
            Some(base) => Config::read(&base.join("rohrpost/config.toml"))?,
            None => Config::default(),
        };
        let usual = || base("XDG_DATA_HOME", ".local/share").map(|base| base.join("rohrpost"));
        let home = home.or_else(|| variable("HOME")).or(config.home).or_else(usual);
        let given = Lock { key_file, passphrase_file };
        let from_environment = || Lock {
            key_file: variable("KEY_FILE"),
            passphrase_file: variable("PASSPHRASE_FILE"),
        };
        let configured =
            || Lock { key_file: config.key_file, passphrase_file: config.passphrase_file };
        Ok(Place {
            home: home.ok_or(CommandError::NoHome)?,
            given: network.or_else(|| variable("NETWORK")),
            configured: config.network,
            lock: given.or_else(from_environment).or_else(configured),
            keep: config.keep,
            unread_room: config.unread_room,
            exec: config.exec,
            program_socket: config.program_socket,
        })
    }
}

/// The place of a client, found.
pub(crate) struct Place {
    home: PathBuf,
    /// Directory of the network that the command line or the environment names.
    given: Option<PathBuf>,
    /// Directory of the network that the configuration file names.
    configured: Option<PathBuf>,
    lock: Lock,
    /// Time for which the configuration file has messages stay.
    pub(crate) keep: Option<Duration>,
    /// Bytes of all messages that nobody has read, by the configuration file.
    pub(crate) unread_room: Option<u64>,
    /// Command that the configuration file has the daemon run for each message that arrives.
    pub(crate) exec: Option<String>,
    /// Socket that the configuration file has the daemon serve for programs.
    pub(crate) program_socket: Option<PathBuf>,
}

impl Place {
    /// Reads and checks the network's files. Their roster may have expired: what is in the store can be
    /// read all the same, and a newer one comes over the network.
    pub(crate) fn network(&self) -> Result<Network, CommandError> {
        self.open_network(Network::open_expired)
    }

    /// Reads and checks the network's files, for a client that is to be made: their roster must hold.
    pub(crate) fn valid_network(&self) -> Result<Network, CommandError> {
        self.open_network(Network::open)
    }

    fn open_network(
        &self,
        open: impl Fn(&Path) -> Result<Network, NetworkError>,
    ) -> Result<Network, CommandError> {
        match self.given.as_ref().or(self.configured.as_ref()) {
            Some(directory) => Ok(open(directory)?),
            None if self.installed().is_dir() => Ok(open(&self.installed())?),
            None => Err(CommandError::NoNetwork(self.home.clone())),
        }
    }

    /// Directory of the network that this command alone was told of.
    pub(crate) fn given_network(&self) -> Option<&Path> {
        self.given.as_deref()
    }

    /// Directory of the network that commands use which are not told of another.
    pub(crate) fn usual_network(&self) -> PathBuf {
        self.configured.clone().unwrap_or_else(|| self.installed())
    }

    /// Directory of the network that is installed in the home.
    pub(crate) fn installed(&self) -> PathBuf {
        self.home.join("network")
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("daemon.sock")
    }

    pub(crate) const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Opens the store. While another process has it open, which a command soon has no more, waits
    /// for that; none if a daemon answers meanwhile.
    pub(crate) async fn store(&self, network: &Network) -> Result<Option<Store>, CommandError> {
        if !Store::is_in(&self.home) {
            return Err(StoreError::Missing(self.home.clone()).into());
        }
        let unlock = self.lock.unlock("passphrase: ")?;
        let deadline = Instant::now() + PATIENCE;
        let mut said = false;
        loop {
            match Store::open(&self.home, &unlock, network) {
                Err(StoreError::Vault(VaultError::InUse(_))) if Instant::now() < deadline => {}
                opened => return Ok(Some(opened?)),
            }
            if !said {
                said = true;
                note(
                    "another rohrpost command has this client open; waiting until it ends, for a \
                     minute at most (a daemon would serve both)",
                );
            }
            sleep(PAUSE).await;
            if self.has_daemon().await? {
                return Ok(None);
            }
        }
    }

    /// True if a daemon answers.
    #[cfg(unix)]
    async fn has_daemon(&self) -> Result<bool, CommandError> {
        Ok(rohrpost_client::Connection::open(&self.socket()).await?.is_some())
    }

    #[cfg(not(unix))]
    async fn has_daemon(&self) -> Result<bool, CommandError> {
        Ok(false)
    }
}

/// A directory of the XDG base directories; none where the system names no home. A path that is not
/// absolute counts as none, by that specification.
pub(crate) fn base(variable: &str, usual: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = env::home_dir().filter(|home| home.is_absolute());
    named.or_else(|| Some(home?.join(usual)))
}

/// A variable of the command's own; an empty one counts as none.
fn variable(name: &str) -> Option<PathBuf> {
    let value = env::var_os(format!("ROHRPOST_{name}"));
    value.filter(|value| value != OsStr::new("")).map(PathBuf::from)
}

/// Time for which a command waits for another: one that looks for mail takes half of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time after which it is tried again.
const PAUSE: Duration = Duration::from_millis(200);
