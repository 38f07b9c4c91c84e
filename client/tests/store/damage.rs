//! Flipped bytes in a closed store: each is reported with the file's name, or every record is
//! right.

use std::fs;
use std::path::Path;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use rand::RngExt;
use rohrpost_client::{Content, Store, StoreError};

use super::world::{Client, DAY, Folder, START, announce, carry, fragments, network, unlock};

/// Everything that a store tells.
#[derive(PartialEq)]
struct Contents {
    outbox: Vec<(Vec<u8>, bool, Vec<u8>)>,
    inbox: Vec<(u64, bool, Vec<u8>)>,
    contacts: Vec<(String, bool, Vec<u8>)>,
    parts: Vec<(u64, u64, u32)>,
    prekeys: Vec<Vec<u8>>,
    card: Vec<u8>,
}

impl Contents {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let mut outbox = Vec::new();
        for one in store.outbox()? {
            let len = usize::try_from(one.body_len()).unwrap();
            let body = store.piece(one.id, 0, len)?.map(|body| body.to_vec());
            outbox.push((
                one.id.as_bytes().to_vec(),
                one.status.is_open(),
                body.unwrap_or_default(),
            ));
        }
        let mut inbox = Vec::new();
        for one in store.inbox(0)? {
            let content = store.read(one.number)?.1;
            inbox.push((one.number, one.read.is_some(), content.bytes().to_vec()));
        }
        let contacts = store.contacts()?.into_iter();
        let mut parts = Vec::new();
        for other in store.correspondents()? {
            let (below, of_other) = (other.memory.below, other.memory.parts.iter());
            parts.extend(of_other.map(|part| (below, part.sequence, part.position.index)));
        }
        let prekeys = store.profile()?.account.prekeys;
        let card = store.card(&network(), START)?.render();
        Ok(Self {
            outbox,
            inbox,
            contacts: contacts
                .map(|known| (known.name.clone(), known.verified, known.address.encode()))
                .collect(),
            parts,
            prekeys: prekeys.iter().map(|prekey| prekey.to_seed().to_vec()).collect(),
            card: card.into_bytes(),
        })
    }
}

/// A client with something in every table, and some erasures behind it.
fn specimen(folder: &Folder) -> Client {
    let [alice, bob] = Client::pair(folder);
    for day in 1..4 {
        alice.store.accept("bob", &Content::text(&"a".repeat(700)), DAY, START).unwrap();
        bob.store.accept("alice", &Content::text(&"b".repeat(900)), DAY, START).unwrap();
        alice.store.roll(START + DAY * day).unwrap();
        announce(&alice, START + DAY * day);
        carry(&alice, &bob, START + DAY * day);
        carry(&bob, &alice, START + DAY * day);
    }
    alice.store.accept("bob", &Content::text("still open"), DAY, START).unwrap();
    alice.store.verify("bob").unwrap();
    alice.store.acknowledge(&[1], START).unwrap();
    let sent = bob.store.accept("alice", &Content::text(&"c".repeat(3000)), DAY, START).unwrap();
    let fragments = fragments(&bob.message(sent.id).unwrap());
    alice
        .store
        .store_letters(fragments[1..6].iter().map(|fragment| (bob.key(), fragment)), [], START)
        .unwrap();
    alice
}

fn try_image(home: &Path, image: &[u8]) -> Result<Contents, StoreError> {
    fs::write(home.join("store.vault"), image).unwrap();
    Contents::of(&Store::open(home, &unlock(), &network())?)
}

#[test]
fn a_flipped_byte_is_reported_or_changes_nothing() {
    let folder = Folder::new("flipped");
    let Client { home, store, .. } = specimen(&folder);
    let original = Contents::of(&store).unwrap();
    assert!(original.inbox.len() == 3 && original.parts.len() == 5);
    drop(store);
    let file = home.join("store.vault");
    let image = fs::read(&file).unwrap();
    let rng = &mut ChaCha8Rng::seed_from_u64(4);
    let head = (0..8192).step_by(64);
    let anywhere: Vec<_> = (0..600).map(|_| rng.random_range(0..image.len())).collect();
    let (mut reported, mut intact) = (0, 0);
    for at in head.chain(anywhere) {
        let mut flipped = image.clone();
        flipped[at] ^= rng.random_range(1..=255);
        match try_image(&home, &flipped) {
            Ok(contents) => {
                assert!(contents == original, "byte {at}: other contents");
                intact += 1;
            }
            Err(error) => {
                let named = error.to_string().contains(&*file.to_string_lossy());
                assert!(named, "byte {at}: {error}");
                reported += 1;
            }
        }
    }
    assert!(reported > 50 && intact > 50, "{reported} reported, {intact} intact");
}
