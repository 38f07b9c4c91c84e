//! A client's keys on its own machine: one file, readable by its user alone.
//!
//! Until the encrypted store comes, the file is not encrypted; the machine's disk should be.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rand::seq::{IndexedRandom, SliceRandom};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentitySecret, PrekeySecret};
use rohrpost_proto::courier::{Account, Contact, OwnMailbox};
use rohrpost_proto::instruction::{MailboxKey, WriteKey};
use rohrpost_proto::roster::{Roster, RosterNode};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Card, CardError, Network};

/// Keys and places of one client.
pub struct Profile {
    /// The relay through which it enters.
    pub entry: NodeNumber,
    /// Its secrets.
    pub account: Account,
}

impl Profile {
    /// Makes a client: entry at a relay of `agency` (any, if none is named), two mailboxes at relays
    /// of other operators, drawn at random.
    ///
    /// # Errors
    /// The agency runs no relay.
    pub fn create(roster: &Roster, agency: Option<&str>) -> Result<Self, ProfileError> {
        let rng = &mut rand::rng();
        let at_home = |relay: &&RosterNode| agency.is_none_or(|agency| relay.operator == agency);
        let entries: Vec<_> = roster.relays().filter(at_home).collect();
        let entry = *entries.choose(rng).ok_or_else(|| ProfileError::Agency {
            agency: agency.unwrap_or_default().to_owned(),
            known: names(roster),
        })?;
        let relays = mailbox_relays(roster, entry);
        let mailbox = |relay: NodeNumber| OwnMailbox {
            relay,
            key: MailboxKey::generate(&mut rand::rng()),
            write_key: WriteKey::generate(&mut rand::rng()),
            also: Vec::new(),
        };
        let account = Account {
            identity: IdentitySecret::generate(rng),
            prekeys: vec![PrekeySecret::generate(rng)],
            mailboxes: relays.into_iter().map(mailbox).collect(),
        };
        Ok(Self { entry: entry.number, account })
    }

    /// Reads the keys of a client's home.
    ///
    /// # Errors
    /// There are none, or the file is damaged.
    pub fn open(home: &Path) -> Result<Self, ProfileError> {
        let path = home.join(KEYS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProfileError::Missing(home.to_owned()));
            }
            Err(source) => return Err(ProfileError::File { path, source }),
        };
        let stored: Stored =
            toml::from_str(&text).map_err(|_| ProfileError::Damaged(path.clone()))?;
        stored.load().ok_or(ProfileError::Damaged(path))
    }

    /// Writes the keys of a new client into its home, which is made if it is not there.
    ///
    /// # Errors
    /// There is a client already, or the file cannot be written.
    pub fn save(&self, home: &Path) -> Result<(), ProfileError> {
        let path = home.join(KEYS);
        let file = |source| ProfileError::File { path: path.clone(), source };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home.join(CONTACTS))
            .map_err(file)?;
        let text = Zeroizing::new(
            toml::to_string(&Stored::of(self)).map_err(|_| ProfileError::Damaged(path.clone()))?,
        );
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ProfileError::Exists(home.to_owned()))
            }
            opened => {
                let mut out = opened.map_err(file)?;
                out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(file)
            }
        }
    }

    /// The card for others.
    #[must_use]
    pub fn card(&self, network: &Network) -> Card {
        Card { network: network.roster.network_id, contact: self.account.contact() }
    }

    /// Keeps a contact's card under a name of the user's choice.
    ///
    /// # Errors
    /// The name is taken or unusable, or the file cannot be written.
    pub fn add_contact(home: &Path, name: &str, card: &Card) -> Result<(), ProfileError> {
        let usable =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        if !usable {
            return Err(ProfileError::Name(name.to_owned()));
        }
        let path = home.join(CONTACTS).join(format!("{name}.card"));
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ProfileError::NameTaken(name.to_owned()))
            }
            opened => opened
                .and_then(|mut out| out.write_all(card.render().as_bytes()))
                .map_err(|source| ProfileError::File { path, source }),
        }
    }

    /// All contacts by name.
    ///
    /// # Errors
    /// A file cannot be read, or a card is damaged.
    pub fn contacts(
        home: &Path,
        network: &Network,
    ) -> Result<Vec<(String, Contact)>, ProfileError> {
        let folder = home.join(CONTACTS);
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| ProfileError::File { path, source }
        };
        let mut contacts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(file(&folder))? {
            let path = entry.map_err(file(&folder))?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            let (Some(name), Some("card")) = (name, path.extension().and_then(|e| e.to_str()))
            else {
                continue;
            };
            let text = fs::read_to_string(&path).map_err(file(&path))?;
            let card = Card::parse(&text, &network.roster.network_id)
                .map_err(|source| ProfileError::Card { name: name.clone(), source })?;
            contacts.push((name, card.contact));
        }
        contacts.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(contacts)
    }
}

/// Two relays of different operators, none of them the entry's; fewer where the roster has fewer.
fn mailbox_relays(roster: &Roster, entry: &RosterNode) -> Vec<NodeNumber> {
    let mut relays: Vec<_> =
        roster.relays().filter(|relay| relay.operator != entry.operator).collect();
    relays.shuffle(&mut rand::rng());
    let mut chosen: Vec<&RosterNode> = Vec::new();
    for relay in relays {
        if chosen.len() < 2 && chosen.iter().all(|other| other.operator != relay.operator) {
            chosen.push(relay);
        }
    }
    if chosen.is_empty() {
        let others = roster.relays().filter(|relay| relay.number != entry.number);
        chosen.extend(others.take(1));
    }
    if chosen.is_empty() {
        chosen.push(entry);
    }
    chosen.into_iter().map(|relay| relay.number).collect()
}

fn names(roster: &Roster) -> String {
    let mut names: Vec<_> = roster.relays().map(|relay| relay.operator.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// The key file. All secrets as hex; wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    entry: u32,
    identity: String,
    prekeys: Vec<String>,
    mailbox: Vec<StoredMailbox>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct StoredMailbox {
    relay: u32,
    key: String,
    write_key: String,
}

impl Stored {
    fn of(profile: &Profile) -> Self {
        let account = &profile.account;
        let mailbox = |own: &OwnMailbox| StoredMailbox {
            relay: own.relay.get(),
            key: HEXLOWER.encode(own.key.to_seed().as_ref()),
            write_key: HEXLOWER.encode(own.write_key.expose()),
        };
        let prekey = |prekey: &PrekeySecret| HEXLOWER.encode(prekey.to_seed().as_ref());
        Self {
            version: 1,
            entry: profile.entry.get(),
            identity: HEXLOWER.encode(account.identity.to_seed().as_ref()),
            prekeys: account.prekeys.iter().map(prekey).collect(),
            mailbox: account.mailboxes.iter().map(mailbox).collect(),
        }
    }

    fn load(&self) -> Option<Profile> {
        let mailbox = |stored: &StoredMailbox| {
            Some(OwnMailbox {
                relay: NodeNumber::new(stored.relay),
                key: MailboxKey::from_seed(&*secret(&stored.key)?),
                write_key: WriteKey::new(*secret(&stored.write_key)?),
                also: Vec::new(),
            })
        };
        let prekey = |stored: &String| Some(PrekeySecret::from_seed(&*secret(stored)?));
        let account = Account {
            identity: IdentitySecret::from_seed(&*secret(&self.identity)?),
            prekeys: self.prekeys.iter().map(prekey).collect::<Option<Vec<_>>>()?,
            mailboxes: self.mailbox.iter().map(mailbox).collect::<Option<Vec<_>>>()?,
        };
        let whole = self.version == 1 && !account.prekeys.is_empty() && !self.mailbox.is_empty();
        whole.then_some(Profile { entry: NodeNumber::new(self.entry), account })
    }
}

fn secret<const N: usize>(hex: &str) -> Option<Zeroizing<[u8; N]>> {
    let bytes = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
    let array: &[u8; N] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(*array))
}

/// What is wrong with a client's home.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No relay of this agency.
    #[error("{agency} runs no relay in this network; choose one of: {known}")]
    Agency {
        /// Asked for.
        agency: String,
        /// There are.
        known: String,
    },
    /// No keys.
    #[error("{0} holds no client; make one with: rohrpost --home {0} init")]
    Missing(PathBuf),
    /// Keys already.
    #[error("{0} holds a client already; its keys are never overwritten: choose another --home")]
    Exists(PathBuf),
    /// The key file cannot be understood.
    #[error("{0} is damaged; restore it from a backup, or start anew in another --home")]
    Damaged(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not usable as a name.
    #[error("\"{0}\" cannot name a contact; use letters, digits, - and _")]
    Name(String),
    /// In use.
    #[error("there is a contact {0} already; choose another name")]
    NameTaken(String),
    /// A contact's card is refused.
    #[error("contact {name}: {source}")]
    Card {
        /// The contact.
        name: String,
        /// Why.
        source: CardError,
    },
}

const KEYS: &str = "keys.toml";
const CONTACTS: &str = "contacts";
