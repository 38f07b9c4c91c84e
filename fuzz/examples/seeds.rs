//! Writes valid files of each kind, from which the fuzzer of `configuration` starts, into a
//! directory: `cargo run --manifest-path fuzz/Cargo.toml --example seeds -- DIRECTORY`
//! (`docs/fuzzing.md`).

use std::path::PathBuf;
use std::time::Duration;

use rohrpost_client::{Address, Card};
use rohrpost_fuzz::fragment::{NETWORK, PARTIES};
use rohrpost_fuzz::network::{NOW, TRUST, roster_text, sign};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Contact, ContactMailbox};
use rohrpost_proto::directory::roster::render_signatures;
use rohrpost_proto::instruction::{MailboxId, WriteKey};

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| std::io::Error::other("usage: seeds DIRECTORY"))?;
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, kind: char, text: &str| {
        std::fs::write(folder.join(name), format!("{kind}{text}"))
    };
    write("node", 'n', NODE)?;
    write("trust", 't', &TRUST.render())?;
    let roster = roster_text();
    write("roster", 'r', &roster)?;
    write("signatures", 's', &render_signatures(&sign(&roster)))?;
    write("card", 'c', &card().render())
}

fn card() -> Card {
    let mailbox = |relay: u32| ContactMailbox {
        relay: NodeNumber::new(relay),
        id: MailboxId::new([5; 32]),
        write_key: WriteKey::new([6; 32]),
    };
    let contact = Contact {
        identity: PARTIES.bob.public().clone(),
        prekey: PARTIES.prekey.public().clone(),
        last_resort: None,
        made: None,
        keys_since: None,
        mailboxes: vec![mailbox(1), mailbox(2)],
        reserve: vec![mailbox(3), mailbox(4)],
    };
    Card::new(NETWORK, Address { version: NOW << 32, contact }, Duration::from_secs(NOW))
}

const NODE: &str = r#"
node = 3
trust = "../trust.toml"
roster = "../roster.toml"
signatures = "../roster.sig"
identity = "identity.pem"
listen = "[::]:4433"
metrics = "127.0.0.1:9100"
metrics_tick_seconds = 60
[limits]
workers = 2
replay_tags = 4000000
pool_packets = 16384
queue_packets = 1024
sessions = 10000
mailboxes = 16384
envelopes = 65536
"#;
