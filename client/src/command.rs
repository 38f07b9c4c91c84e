//! What the command line offers. Output for people, or JSON lines with `--json`.

mod online;
mod output;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use data_encoding::HEXLOWER;
use rohrpost_client::{
    Card, CardError, Network, NetworkError, Profile, ProfileError, SessionError,
};
use rohrpost_packet::envelope::letter_body_len;
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::courier::PostError;
use rohrpost_proto::roster::SuiteName;
use serde_json::json;
use zeroize::Zeroizing;

use output::Output;

/// Send and receive messages without telling anyone on the way who writes to whom.
///
/// A first exchange: `init` on both sides, hand each other the `card`, `add` it, then `send` and
/// `inbox`. While a command is online it sends one cell per slot, whether you write or not.
///
/// Outbox and inbox live in memory so far: `send` stays until the letter has left, and `inbox` may
/// show a letter again that an earlier run has shown.
///
/// Exit codes: 0 done, 64 wrong usage, 65 a card or letter is refused, 66 a file cannot be read,
/// 69 no relay or no answer, 73 a file cannot be written, 78 the network's files are wrong.
#[derive(Parser)]
#[command(name = "rohrpost", version = rohrpost_transport::VERSION)]
pub(crate) struct Arguments {
    /// Directory with trust.toml, roster.toml and roster.sig, as your agency gave it to you.
    #[arg(long, value_name = "DIR", env = "ROHRPOST_NETWORK")]
    network: PathBuf,
    /// Directory of this client's keys and contacts.
    #[arg(long, value_name = "DIR", env = "ROHRPOST_HOME")]
    home: PathBuf,
    /// JSON on standard output, one object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make keys, and register two mailboxes so that others can write.
    Init {
        /// Enter through a relay of this agency [default: any].
        #[arg(long, value_name = "NAME")]
        agency: Option<String>,
    },
    /// Print the contact card to hand to others.
    Card,
    /// Add a contact from its card.
    Add {
        /// What you call the contact.
        name: String,
        /// The card's file, or - for standard input.
        card: PathBuf,
    },
    /// List the contacts.
    Contacts,
    /// Send a text or a file of one envelope.
    Send {
        /// The contact.
        name: String,
        /// The text; from standard input if neither text nor file is given.
        text: Option<String>,
        /// Send a file.
        #[arg(long, conflicts_with = "text")]
        file: Option<PathBuf>,
    },
    /// Receive what has arrived.
    Inbox {
        /// Stay online for so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 20, conflicts_with = "follow")]
        wait: u64,
        /// Stay online until Ctrl-C.
        #[arg(long)]
        follow: bool,
    },
}

pub(crate) fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { network, home, json, command } = arguments;
    let network = Network::open(&network)?;
    let output = Output::new(json);
    match command {
        Command::Init { agency } => init(&network, &home, agency.as_deref(), &output),
        Command::Card => {
            let card = Profile::open(&home)?.card(&network).render();
            output.say(&json!({ "card": card }), card.trim_end());
            Ok(())
        }
        Command::Add { name, card } => {
            let text = String::from_utf8_lossy(&read(&card)?).into_owned();
            let card = Card::parse(&text, &network.roster.network_id)?;
            Profile::add_contact(&home, &name, &card)?;
            output.say(&json!({ "added": name }), &format!("added {name}"));
            Ok(())
        }
        Command::Contacts => {
            for (name, contact) in Profile::contacts(&home, &network)? {
                let key = HEXLOWER.encode(&contact.identity.key_id().as_bytes()[..8]);
                output.say(&json!({ "name": name, "key": key }), &format!("{name}  {key}"));
            }
            Ok(())
        }
        Command::Send { name, text, file } => {
            let body = match (text, file) {
                (Some(text), _) => text.into_bytes(),
                (None, file) => read(file.as_deref().unwrap_or_else(|| Path::new("-")))?,
            };
            send(&network, &home, &name, Zeroizing::new(body), &output)
        }
        Command::Inbox { wait, follow } => {
            let profile = Profile::open(&home)?;
            let contacts = Profile::contacts(&home, &network)?;
            let wait = (!follow).then(|| Duration::from_secs(wait));
            online::block_on(online::receive(&network, profile, contacts, wait, &output))
        }
    }
}

fn init(
    network: &Network,
    home: &Path,
    agency: Option<&str>,
    output: &Output,
) -> Result<(), CommandError> {
    let profile = Profile::create(&network.roster, agency)?;
    profile.save(home)?;
    let name = |number| {
        let node = network.roster.node(number);
        node.map_or_else(|| number.to_string(), |node| node.name.clone())
    };
    let entry = name(profile.entry);
    let mailboxes: Vec<_> = profile.account.mailboxes.iter().map(|own| name(own.relay)).collect();
    online::block_on(online::register(network, profile, output))?;
    let text = format!(
        "ready: enters through {entry}, mailboxes at {}\nhand your card to others: rohrpost … card",
        mailboxes.join(" and ")
    );
    output.say(&json!({ "entry": entry, "mailboxes": mailboxes }), &text);
    Ok(())
}

fn send(
    network: &Network,
    home: &Path,
    name: &str,
    body: Zeroizing<Vec<u8>>,
    output: &Output,
) -> Result<(), CommandError> {
    let limit = match network.roster.suite {
        SuiteName::Hybrid => letter_body_len::<Hybrid>(),
        SuiteName::Classic => letter_body_len::<Classic>(),
    };
    if body.len() > limit {
        return Err(CommandError::Post(PostError::TooLong { len: body.len(), limit }));
    }
    let profile = Profile::open(home)?;
    let contacts = Profile::contacts(home, network)?;
    let to = contacts
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, contact)| contact.identity.key_id())
        .ok_or_else(|| CommandError::Unknown(name.to_owned()))?;
    let contacts = contacts.into_iter().map(|(_, contact)| contact).collect();
    online::block_on(online::send(network, profile, contacts, to, body, output))
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|source| CommandError::Input { path: path.to_owned(), source })
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Why a command fails; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("there is no contact {0}; `rohrpost … contacts` lists them, `add` adds one")]
    Unknown(String),
    #[error("cannot read {path}: {source}")]
    Input { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    NoAnswer(String),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl CommandError {
    /// After sysexits.h.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Network(_) => 78,
            Self::Card(_) | Self::Post(_) | Self::Unknown(_) => 65,
            Self::Input { .. } => 66,
            Self::Profile(ProfileError::Missing(_) | ProfileError::Damaged(_)) => 66,
            Self::Profile(ProfileError::File { .. }) => 73,
            Self::Profile(ProfileError::Card { .. }) => 65,
            Self::Profile(_) => 64,
            Self::Session(_) | Self::NoAnswer(_) => 69,
            Self::Runtime(_) => 71,
        }
    }
}
