//! The place of a client: its network's directory, its own, and what opens its store.

use std::path::{Path, PathBuf};

use rohrpost_client::{Network, Store, StoreError};

use crate::error::CommandError;
use crate::lock::Lock;

#[derive(clap::Args)]
pub(crate) struct Place {
    /// Directory with trust.toml, roster.toml and roster.sig, as your agency gave it to you.
    #[arg(long, value_name = "DIR", env = "ROHRPOST_NETWORK", global = true)]
    network: Option<PathBuf>,
    /// Directory of this client: its encrypted store, and the daemon's socket.
    #[arg(long, value_name = "DIR", env = "ROHRPOST_HOME", global = true)]
    home: Option<PathBuf>,
    /// Unlock the store by this key file instead of a passphrase; `init` makes it if it is not
    /// there.
    #[arg(long, value_name = "FILE", env = "ROHRPOST_KEY_FILE", global = true)]
    key_file: Option<PathBuf>,
    /// Take the passphrase from the first line of this file instead of asking for it.
    #[arg(long, value_name = "FILE", env = "ROHRPOST_PASSPHRASE_FILE", global = true)]
    #[arg(conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
    /// JSON on standard output, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Place {
    pub(crate) fn network(&self) -> Result<Network, CommandError> {
        Ok(Network::open(self.network.as_deref().ok_or(CommandError::NoNetwork)?)?)
    }

    pub(crate) fn home(&self) -> Result<&Path, CommandError> {
        self.home.as_deref().ok_or(CommandError::NoHome)
    }

    pub(crate) fn socket(&self) -> Result<PathBuf, CommandError> {
        Ok(self.home()?.join("daemon.sock"))
    }

    pub(crate) fn lock(&self) -> Lock {
        let Self { key_file, passphrase_file, .. } = self;
        Lock { key_file: key_file.clone(), passphrase_file: passphrase_file.clone() }
    }

    /// Opens the store, which no daemon may have open.
    pub(crate) fn store(&self, network: &Network) -> Result<Store, CommandError> {
        let home = self.home()?;
        if !Store::is_in(home) {
            return Err(StoreError::Missing(home.to_owned()).into());
        }
        let unlock = self.lock().unlock("passphrase: ")?;
        Ok(Store::open(home, &unlock, network)?)
    }
}
