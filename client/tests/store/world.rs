//! Clients without a network: stores, and a hand that carries messages from one to the other as
//! couriers would.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rohrpost_client::{
    Bounds, Completed, Correspondent, Cost, DeliveryStatus, Network, Profile, Store, Unlock,
};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Fragment, FragmentPosition, KeyId, Kind, MessageId, Standing};
use rohrpost_proto::courier::{Body, Complete, Contact, Message};
use rohrpost_proto::directory::roster::{
    Directory, Role, Roster, RosterNode, RosterSignature, SuiteName, Traffic,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use zeroize::Zeroizing;

/// A Monday in November 2026, since the Unix epoch.
pub(crate) const START: Duration = Duration::from_secs(1_795_000_000);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Time after which a client makes another prekey.
pub(crate) const PERIOD: Duration = Duration::from_secs(3 * 86_400);
/// Bytes of a fragment in these stories: short, so that few bytes are many fragments.
pub(crate) const ROOM: usize = 400;
const AGENCIES: [&str; 4] = ["north", "south", "east", "west"];
/// Operators of the mixes of each layer.
const MIXES: [[usize; 2]; 3] = [[0, 1], [2, 2], [3, 3]];

/// A directory that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A folder in memory where the system offers that: the stories flush often, and lose no power.
    pub(crate) fn new(test: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::at(&parent, test)
    }

    pub(crate) fn on_disk(test: &str) -> Self {
        Self::at(&std::env::temp_dir(), test)
    }

    fn at(parent: &Path, test: &str) -> Self {
        let folder = Self(parent.join(format!("rohrpost-store-{test}-{}", std::process::id())));
        fs::create_dir(&folder.0).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client: its home, and its store while that is open.
pub(crate) struct Client {
    pub(crate) home: PathBuf,
    pub(crate) network: Network,
    pub(crate) store: Store,
}

impl Client {
    pub(crate) fn new(folder: &Folder, name: &str) -> Self {
        Self::new_at(&folder.path(name))
    }

    pub(crate) fn new_at(home: &Path) -> Self {
        let (home, network) = (home.to_owned(), network());
        let profile = Profile::create(&network.roster, Some("north")).unwrap();
        let store = Store::create(&home, &unlock(), &network, &profile, START).unwrap();
        Self { home, network, store }
    }

    /// Two who know each other by their cards, and have told each other so.
    pub(crate) fn pair(folder: &Folder) -> [Self; 2] {
        let pair = ["alice", "bob"].map(|name| Self::new(folder, name));
        let [alice, bob] = &pair;
        alice.store.add_contact("bob", bob.card(START), START).unwrap();
        bob.store.add_contact("alice", alice.card(START), START).unwrap();
        carry(alice, bob, START);
        carry(bob, alice, START);
        pair
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { home, network, store } = self;
        drop(store);
        let store = Store::open(&home, &unlock(), &network).unwrap();
        Self { home, network, store }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.home.join("store.vault")
    }

    pub(crate) fn card(&self, now: Duration) -> Contact {
        self.store.card(&self.network, now).unwrap().address.contact
    }

    /// Version of the client's own address.
    pub(crate) fn version(&self) -> u64 {
        self.store.card(&self.network, START).unwrap().address.version
    }

    pub(crate) fn key(&self) -> KeyId {
        self.store.profile().unwrap().account.identity.public().key_id()
    }

    /// The address of which a contact is to hear.
    pub(crate) fn announcement(&self, to: KeyId) -> Option<Message> {
        self.store.announcement(to).unwrap()
    }

    /// Messages with which the client's courier has to do, in the order of numbers, all with their
    /// bodies.
    pub(crate) fn waiting(&self, to: KeyId) -> Vec<Message> {
        let outbox = self.store.outbox().unwrap().into_iter().filter(|one| one.to == to);
        let mut waiting: Vec<_> = outbox.filter_map(|one| self.message(one.id)).collect();
        waiting.sort_by_key(|message| message.sequence);
        waiting
    }

    /// A message with which the client's courier has to do, with its body.
    pub(crate) fn message(&self, id: MessageId) -> Option<Message> {
        let message = self.store.message(id).unwrap()?;
        let body = self.store.piece(id, 0, message.body.len()).unwrap()?;
        Some(Message { body: Body::With(body), ..message })
    }

    /// The numbers of what waits for a contact.
    pub(crate) fn numbers(&self, to: KeyId) -> Vec<u64> {
        self.waiting(to).iter().map(|message| message.sequence).collect()
    }

    pub(crate) fn status(&self, id: MessageId) -> Option<DeliveryStatus> {
        self.store.outgoing(id).unwrap().map(|one| one.status)
    }
}

/// Passes a client's half day online, after which every contact is to hear of the newest address.
pub(crate) fn announce(client: &Client, now: Duration) {
    client.store.announce(12 * 60, now).unwrap();
}

/// Carries all that waits at one client for another, and acknowledges it.
pub(crate) fn carry(from: &Client, to: &Client, now: Duration) -> Vec<Completed> {
    let mut told = Vec::new();
    if let Some(address) = from.announcement(to.key()) {
        told.extend(arrive(from.key(), &address, to, now));
        from.store.address_acknowledged(to.key(), address.sequence).unwrap();
    }
    for message in from.waiting(to.key()) {
        let id = message.id;
        told.extend(arrive(from.key(), &message, to, now));
        from.store.settle(id, DeliveryStatus::Delivered, now).unwrap();
    }
    told
}

/// A whole message comes to a client; all before it are over.
pub(crate) fn arrive(
    sender: KeyId,
    message: &Message,
    to: &Client,
    now: Duration,
) -> Vec<Completed> {
    let fragments = fragments(message);
    to.store.store_letters(fragments.iter().map(|fragment| (sender, fragment)), [], now).unwrap();
    let bounds = match message.kind {
        Kind::Content => below(message.sequence + 1),
        _ => below(resumed(to, sender).map_or(0, |known| known.memory.below)),
    };
    to.store.complete(sender, &[complete(message)], bounds, now).unwrap()
}

/// Bounds after which all before this number is over, and the contact knows it.
pub(crate) const fn below(number: u64) -> Bounds {
    Bounds { below: number, floor: number, short: SHORT }
}

/// Fragments of the longest message that is short.
pub(crate) const SHORT: u32 = 164;

/// A contact as a session is told of it.
pub(crate) fn resumed(client: &Client, contact: KeyId) -> Option<Correspondent> {
    let mut all = client.store.correspondents().unwrap().into_iter();
    all.find(|other| other.contact.identity.key_id() == contact)
}

pub(crate) fn complete(message: &Message) -> Complete {
    let fragments = u32::try_from(fragments(message).len()).unwrap();
    Complete { sequence: message.sequence, message: message.id, kind: message.kind, fragments }
}

/// The body of a message that has it.
pub(crate) fn body(message: &Message) -> &[u8] {
    match &message.body {
        Body::With(bytes) => bytes,
        Body::Stored(_) => unreachable!("the body is in a store"),
    }
}

/// Cuts a message as its sender's courier does.
pub(crate) fn fragments(message: &Message) -> Vec<Fragment> {
    let body = body(message);
    let count = body.len().div_ceil(ROOM).max(1);
    let part = |index: usize| {
        let end = body.len().min((index + 1) * ROOM);
        Zeroizing::new(body[index * ROOM..end].to_vec())
    };
    let number = |index: usize| u32::try_from(index).unwrap();
    let fragment = |index| Fragment {
        message: message.id,
        kind: message.kind,
        sequence: message.sequence,
        position: FragmentPosition { index: number(index), count: number(count) },
        minutes: message.minutes,
        standing: Standing::default(),
        body: part(index),
    };
    (0..count).map(fragment).collect()
}

pub(crate) fn unlock() -> Unlock {
    Unlock::passphrase_at(Zeroizing::new("right".into()), Cost::danger_cheap())
}

/// The network of these stories.
pub(crate) fn network() -> Network {
    network_named("store")
}

/// The network of this name, as [`network_files`] has it.
pub(crate) fn network_named(name: &str) -> Network {
    let (trust, text, signatures) = network_files(name);
    let roster = Roster::verify(&text, &signatures, &trust, START.as_secs()).unwrap();
    Network { trust: Arc::new(trust), roster: Arc::new(roster) }
}

/// Trust root, roster and signatures of four relays (1 to 4) and two mixes in each layer, of four
/// operators.
pub(crate) fn network_files(name: &str) -> (TrustRoot, String, Vec<RosterSignature>) {
    signed_network(name, 1, None)
}

/// The files of a network, with a roster of this version in which a relay is left out.
pub(crate) fn signed_network(
    name: &str,
    version: u32,
    without: Option<NodeNumber>,
) -> (TrustRoot, String, Vec<RosterSignature>) {
    let agency_key = |index: usize| SigningKey::from_seed(&[u8::try_from(index).unwrap(); 32]);
    let agency = |(index, name): (usize, &&str)| Agency {
        name: (*name).into(),
        key: agency_key(index).public(),
    };
    let agencies: Vec<_> = AGENCIES.iter().enumerate().map(agency).collect();
    let trust = TrustRoot::new(name.into(), agencies, 3, JoinKey::new([9; 32])).unwrap();
    let node = |number: u32, role, operator: usize| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: AGENCIES[operator].into(),
        role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: SigningKey::from_seed(&[u8::try_from(100 + number).unwrap(); 32]).public(),
    };
    let mut nodes: Vec<_> = (0..4).zip(1..).map(|(at, it)| node(it, Role::Relay, at)).collect();
    for (layer, tens) in (1..4).enumerate() {
        for (index, ones) in (1..3).enumerate() {
            nodes.push(node(10 * tens + ones, Role::Mix { layer }, MIXES[layer][index]));
        }
    }
    let traffic = Traffic::default();
    nodes.retain(|node| Some(node.number) != without);
    let text = Roster::render(
        name,
        "2030-01-01",
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        &nodes,
    );
    let text = text.replacen("version = 1", &format!("version = {version}"), 1);
    let signed = AGENCIES.iter().enumerate();
    let signatures: Vec<_> =
        signed.map(|(index, name)| Roster::sign(&text, &trust, name, &agency_key(index))).collect();
    (trust, text, signatures)
}
