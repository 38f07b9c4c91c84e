//! `rohrpost`: the command for people. Output for people, or JSON lines with `--json`.

mod access;
mod config;
mod contacts;
mod conversation;
mod daemon;
mod entry;
mod error;
#[cfg(unix)]
mod exec;
mod export;
mod home;
mod inbox;
mod input;
mod listing;
mod lock;
mod network;
mod output;
mod place;
mod private;
mod qr;
mod requests;
mod send;
mod service;
mod status;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use error::{CommandError, WRONG_USAGE};
use home::Consent;
use lock::Lock;
use output::{Clock, Output};
use place::{Place, PlaceOptions};

fn main() -> ExitCode {
    private::keep_private();
    // A command line that cannot be read is told as it asks for, too.
    let json = std::env::args_os().any(|argument| argument == "--json");
    let done = match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) if error.use_stderr() && json => {
            let text = error.to_string();
            let why = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            Err(CommandError::Usage(why.to_owned()))
        }
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return ExitCode::from(WRONG_USAGE);
        }
        Err(asked) => output::print(asked.render().to_string().as_bytes()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::fail(json, &error);
            ExitCode::from(CommandError::exit_code(&error))
        }
    }
}

/// Send and receive messages without telling anyone on the way who writes to whom.
///
/// A first exchange: `init` on both sides, hand each other the `card`, `add` it, compare the
/// `fingerprint` by voice and `verify` it; then `send` and `inbox`.
///
/// Everything is kept in one encrypted file in --home. What commands need to be told again and again
/// stands in rohrpost/config.toml in $XDG_CONFIG_HOME or ~/.config: `home`, `network`, `key_file`,
/// `passphrase_file`, `keep`, `unread_room`, `exec`, `program_socket`, each as the option of that
/// name. Options and environment variables go before it.
///
/// What `send` has accepted is on the disk: it is sent again until the other client has it, or
/// reported as expired. While a command or the `daemon` is online it sends one cell per slot,
/// whether you write or not; messages come and go only in that time, so let the daemon run (`service
/// install`). The other commands then go through it.
///
/// With --json, an error is an object on standard error, {"error":{"code":…,"message":…}}: its code
/// is one of the local API's, or usage (64), refused (65), unknown (66), unavailable (69), store
/// (70), system (71), file (73), late (75), locked (77), configuration (78).
///
/// Exit codes: 0 done, 64 wrong usage, 65 a card, message, name or file is refused, 66 there is no
/// client, contact or message of that name, or a file cannot be read, 69 no relay or no answer, 70
/// the store is damaged, 71 the system refuses, 73 a file or standard output cannot be written, 75
/// what was asked did not happen in time: the message that `send --wait` waits for was not
/// delivered, or the daemon does not answer, 76 this client runs elsewhere, and this copy of it must
/// not, 77 wrong passphrase or key, or files that other users can enter, 78 the network's files or
/// the configuration file are wrong.
#[derive(Parser)]
#[command(name = "rohrpost", version = rohrpost_client::VERSION)]
struct Arguments {
    #[command(flatten)]
    place: PlaceOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a client: keys, an encrypted store, and two mailboxes registered at relays.
    Init {
        /// Enter through a relay of this agency [default: any].
        #[arg(long, value_name = "NAME")]
        agency: Option<String>,
        /// Keep messages for so long once they were read or delivered, as in 12h or 30d [default: for
        /// ever].
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        keep: Option<Duration>,
    },
    /// Install the files of a network, or show which one commands use.
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Print the contact card to hand to others, as text or QR code. It holds for six days.
    Card(contacts::CardOptions),
    /// Print the words of a contact, or your own, to compare by voice.
    Fingerprint {
        /// The contact [default: yourself].
        name: Option<String>,
    },
    /// Add a contact from its card, or renew the address of a known one by a newer card.
    Add {
        /// The name by which you call the contact: up to 64 bytes of any letters, with spaces, dots
        /// and @. Capitals do not count when you give it later.
        name: String,
        /// The card's file, or - for standard input: a card, a mail with one in it, or the text of its
        /// QR code.
        card: PathBuf,
        /// Use a name by which you called somebody else before.
        #[arg(long)]
        reuse_name: bool,
    },
    /// List who is unknown to you, has your card, and has written.
    ///
    /// Nothing tells them that it came before you accept them.
    Requests,
    /// Make a contact of somebody who has written; what was written comes then.
    Accept {
        /// The id that `requests` shows.
        id: String,
        /// The name by which you call the contact.
        name: String,
        /// Use a name by which you called somebody else before.
        #[arg(long)]
        reuse_name: bool,
    },
    /// Refuse somebody who has written: nothing of it is looked at any more, unless you add its card.
    Refuse {
        /// The id that `requests` shows.
        id: String,
    },
    /// Note that you have compared a contact's words.
    Verify {
        /// The contact.
        name: String,
        /// The words as the contact has said them; asked for if not given.
        words: Vec<String>,
    },
    /// Let nothing through to a contact or from it, and change the locks of your mailboxes.
    Block {
        /// The contact.
        name: String,
    },
    /// Call a contact by another name.
    Rename {
        /// The contact.
        name: String,
        /// The new name.
        to: String,
        /// Use a name by which you called somebody else before.
        #[arg(long)]
        reuse_name: bool,
    },
    /// Forget a contact. What it wrote stays.
    Remove {
        /// The contact.
        name: String,
    },
    /// List the contacts.
    Contacts,
    /// Send a text or a file of up to 16 MiB.
    ///
    /// With a daemon, returns when the message is accepted. Without one, stays online until all of
    /// it has left; it is sent again by later commands until the other client has it.
    Send(send::Options),
    /// Send a text or a file to whoever wrote a message.
    Reply(send::ReplyOptions),
    /// List what has arrived and was not read.
    ///
    /// Texts that are shown whole are marked as read; of a longer one `read` shows the rest.
    /// Without a daemon, goes online first and shows what comes.
    Inbox(inbox::Options),
    /// Show messages, or save their files, and mark them as read.
    Read(inbox::ReadOptions),
    /// List what was sent, and what has become of it.
    ///
    /// Texts stay as long as messages that were read do (`daemon --keep`); of files that were sent
    /// only the names do.
    Outbox(conversation::OutboxOptions),
    /// Show what was exchanged with a contact, both ways, and mark its texts as read.
    Conversation(conversation::ConversationOptions),
    /// Find messages by their text or the name of their file, both what came and what was sent.
    Search(conversation::SearchOptions),
    /// Write all messages to a directory: messages.jsonl and sent.jsonl, and the files beside them.
    Export {
        /// A directory that does not exist.
        directory: PathBuf,
    },
    /// Show what is queued, sent, delivered, expired, and whether the network is well.
    Status(status::Options),
    /// Show through which relay this client enters, or have it enter through another.
    ///
    /// The relay sees the machine's address and when it is online, and nothing of what is written. When
    /// it has left the network, or is silent for six hours while others serve, the client enters through
    /// another by itself: always one of the same few. A mailbox of the entry's agency moves elsewhere within
    /// days.
    Entry {
        /// Name of the relay to enter through from now on, as in `rohrpost status`.
        relay: Option<String>,
    },
    /// Take a message back that is still on its way.
    ///
    /// Nothing of it leaves any more. If all of it had left, it may have arrived.
    Cancel {
        /// The message's id, or the first eight digits or more, as `send` and `status` show it.
        message: String,
    },
    /// Stay online, keep the grid, and serve the local API at HOME/daemon.sock until Ctrl-C.
    Daemon(daemon::Options),
    /// Have your systemd keep the daemon running.
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Lock the store by another passphrase or key file.
    Passphrase {
        /// Lock it by this key file, which is made if it is not there.
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
        /// Lock it by the passphrase in the first line of this file.
        #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Copy the store to a new file, which opens with the same passphrase or key file.
    Backup {
        /// A file that does not exist.
        file: PathBuf,
    },
    /// Move a client here from a backup. The one it was made from must not run any more.
    ///
    /// It goes on as the client was when it was copied; the command says when that was, and what it
    /// means. Contacts hear of the move within an hour online.
    Restore {
        /// The backup.
        file: PathBuf,
    },
    /// Destroy this client: keys, contacts, messages. There is no way back.
    Wipe {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Print the completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or write the pages of all commands to a directory.
    Man {
        /// The directory, as in ~/.local/share/man/man1.
        directory: Option<PathBuf>,
    },
}

fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { place, command } = arguments;
    let clock = if place.utc { Clock::Utc } else { Clock::Local };
    let output = Output::new(place.json, clock);
    match &command {
        Command::Completions { shell } => return complete(*shell),
        Command::Man { directory } => return manual(directory.as_deref()),
        _ => {}
    }
    let place = place.resolve()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(execute(&place, command, &output))
}

async fn execute(place: &Place, command: Command, output: &Output) -> Result<(), CommandError> {
    match command {
        Command::Init { agency, keep } => home::init(place, agency.as_deref(), keep, output).await,
        Command::Card(options) => contacts::card(place, options, output).await,
        Command::Fingerprint { name } => contacts::fingerprint(place, name, output).await,
        Command::Add { name, card, reuse_name } => {
            contacts::add(place, name, &card, reuse_name, output).await
        }
        Command::Requests => requests::list(place, output).await,
        Command::Accept { id, name, reuse_name } => {
            requests::accept(place, id, name, reuse_name, output).await
        }
        Command::Refuse { id } => requests::refuse(place, id, output).await,
        Command::Verify { name, words } => contacts::verify(place, name, &words, output).await,
        Command::Block { name } => contacts::block(place, name, output).await,
        Command::Rename { name, to, reuse_name } => {
            contacts::rename(place, name, to, reuse_name, output).await
        }
        Command::Remove { name } => contacts::remove(place, name, output).await,
        Command::Contacts => contacts::list(place, output).await,
        Command::Send(options) => send::run(place, options, output).await,
        Command::Reply(options) => send::reply(place, options, output).await,
        Command::Inbox(options) => inbox::run(place, options, output).await,
        Command::Read(options) => inbox::read(place, options, output).await,
        Command::Outbox(options) => conversation::outbox(place, options, output).await,
        Command::Conversation(options) => conversation::show(place, options, output).await,
        Command::Search(options) => conversation::search(place, options, output).await,
        Command::Export { directory } => export::run(place, &directory, output).await,
        Command::Status(options) => status::run(place, options, output).await,
        Command::Entry { relay } => entry::run(place, relay, output).await,
        Command::Cancel { message } => status::cancel(place, message, output).await,
        Command::Daemon(options) => daemon::run(place, options, output).await,
        Command::Service(command) => service::run(place, command, output),
        Command::Passphrase { new_key_file, new_passphrase_file } => {
            let new = Lock { key_file: new_key_file, passphrase_file: new_passphrase_file };
            home::change_lock(place, &new, output).await
        }
        Command::Backup { file } => home::back_up(place, &file, output).await,
        Command::Restore { file } => home::restore(place, &file, output),
        Command::Wipe { yes } => {
            let consent = if yes { Consent::Given } else { Consent::Ask };
            home::wipe(place, consent, output)
        }
        Command::Network(command) => network::run(place, command, output),
        Command::Completions { shell } => complete(shell),
        Command::Man { directory } => manual(directory.as_deref()),
    }
}

/// Prints the page of the command itself, or writes those of all commands.
fn manual(directory: Option<&Path>) -> Result<(), CommandError> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
        return rendered.map_err(CommandError::Runtime).and_then(|()| output::print(&page));
    };
    let made = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    made.map_err(|source| CommandError::Output { path: directory.to_owned(), source })
}

fn complete(shell: Shell) -> Result<(), CommandError> {
    let mut definition = Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition, "rohrpost", &mut script);
    output::print(&script)
}
