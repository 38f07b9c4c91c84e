//! A session under the clocks of its relay and of other nodes.

use rohrpost_packet::{Classic, Generation, HopSecretKey, NodeNumber, SessionId};
use rohrpost_proto::courier::{Account, Attachment, CourierConfig};
use rohrpost_proto::directory::consensus::document::{Document, Member, SignedDocument};
use rohrpost_proto::directory::consensus::vote::Key;
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::roster::{
    Directory, Role, RosterNode, SuiteName, Traffic, render_signatures,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_transport::{PeerAddress, Segmentation};
use zeroize::Zeroizing;

use super::*;

/// Four relays of four operators, and four mixes in each layer.
fn roster() -> Arc<Roster> {
    roster_of(1)
}

/// The roster in this version.
fn roster_of(version: u32) -> Arc<Roster> {
    network_of(version, "2999-01-01").0
}

/// The roster in this version, which holds until this day, and its texts.
fn network_of(version: u32, expires: &str) -> (Arc<Roster>, RosterFiles) {
    let (names, trust) = (NAMES, trust());
    let roles =
        [Role::Relay, Role::Mix { layer: 0 }, Role::Mix { layer: 1 }, Role::Mix { layer: 2 }];
    let operator = |number: u8| match usize::from(number - 1) / 4 {
        0 => usize::from(number) % 4,
        layer => layer,
    };
    let node = |number: u8| RosterNode {
        number: NodeNumber::new(number.into()),
        name: format!("node-{number}"),
        operator: names[operator(number)].into(),
        role: roles[usize::from(number - 1) / 4],
        addresses: vec![([10, 0, 0, number], 4433).into()],
        identity: key(number).public(),
    };
    let nodes: Vec<_> = (1..=16).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render(
        "test",
        expires,
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        &nodes,
    );
    let text = text.replacen("version = 1", &format!("version = {version}"), 1);
    let sign = |(seed, name): (u8, &str)| Roster::sign(&text, &trust, name, &key(seed));
    let signatures: Vec<_> = (200..).zip(names).map(sign).collect();
    let roster = Arc::new(Roster::verify(&text, &signatures, &trust, 0).unwrap());
    (roster, RosterFiles { roster: text, signatures: render_signatures(&signatures) })
}

fn trust() -> TrustRoot {
    let agency = |(seed, name): (u8, &str)| Agency { name: name.into(), key: key(seed).public() };
    let agencies = (200..).zip(NAMES).map(agency).collect();
    TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// A document of this time, with the descriptors of all nodes: what a relay's clients get of it.
fn objects(roster: &Roster, made: Time, signers: &[u8]) -> [Object; 2] {
    let descriptor = |number: u8| {
        let secret = HopSecretKey::<Classic>::generate(Generation::new(7), &mut rand::rng());
        let descriptor = Descriptor {
            node: NodeNumber::new(number.into()),
            generation: Generation::new(7),
            suite: Classic::ID,
            key: secret.public().as_bytes().into(),
        };
        SignedDescriptor::sign(descriptor, &key(number))
    };
    let descriptors: Vec<_> = (1..=16).map(descriptor).collect();
    let member = |signed: &SignedDescriptor| {
        let Descriptor { node, generation, .. } = *signed.descriptor();
        Member { node, key: Key { generation, descriptor: signed.hash() } }
    };
    let timing = roster.directory.timing;
    let document = Document {
        roster_version: roster.version,
        roster_hash: roster.hash,
        slot: timing.slot_of(made),
        members: descriptors.iter().map(member).collect(),
    };
    let keys: Vec<_> =
        signers.iter().map(|number| (NodeNumber::new((*number).into()), key(*number))).collect();
    let signed = SignedDocument::by(document, keys.iter().map(|(number, key)| (*number, key)));
    [Object::Document(signed), Object::Descriptors(descriptors)]
}

/// A session at the entry, whose clock shows `relay`.
fn session(roster: &Arc<Roster>, relay: Time) -> Session<Classic> {
    let mailboxes = [2, 3].map(NodeNumber::new);
    let config = CourierConfig {
        attachment: Attachment::Client { entry: ENTRY, session: SessionId::new([1; 16]) },
        account: Account::generate(mailboxes, &mut rand::rng()),
        roster: Arc::clone(roster),
        join_key: JoinKey::new([1; 32]),
        seed: Zeroizing::new([7; 32]),
        phase: Duration::ZERO,
    };
    let station = Station {
        trust: Arc::new(trust()),
        roster: Arc::clone(roster),
        entry: PeerAddress::from(roster.node(ENTRY).unwrap()),
        segmentation: Segmentation::default(),
        clock: Clock::start(),
        witness: Witness::default(),
    };
    let courier = Courier::new(station.clock.steady(), relay, config);
    Session::new(station, courier)
}

/// Checks that a client goes by its relay's clock only where its machine or other nodes bear it out,
/// and builds nothing by a relay that it refuses.
#[test]
fn a_relay_whose_clock_nothing_bears_out_is_refused() {
    let roster = roster();
    let now = machine_time();
    let wrong = now + DAY;
    let take = |relay: Time, made: Time| {
        let mut session = session(&roster, relay);
        // A document holds a minute after it was made.
        let mut objects = objects(&roster, made - MINUTE * 2, THREE).into_iter();
        let taken = objects.try_for_each(|object| session.take_object(now, object));
        session.turn();
        let refused = matches!(taken, Err(End::Clock(_)));
        assert_eq!(taken.is_err(), refused);
        let Station { clock, witness, .. } = &mut session.station;
        let again = witness.greet(clock.steady(), wrong, now).is_ok();
        (refused, session.was_served(), again)
    };
    assert_eq!(take(now, now), (false, true, false), "all agree");
    assert_eq!(take(wrong, wrong), (false, true, true), "the client's machine is wrong");
    assert_eq!(take(wrong, now), (true, false, false), "nothing bears out its next first cell");
}

/// Checks that a relay that goes by another roster is told of, by the version that its documents name,
/// and that a document which too few have signed says nothing.
#[test]
fn a_relay_that_goes_by_another_roster_is_told_of() {
    let (roster, now) = (roster(), machine_time());
    let newer = roster_of(7);
    let mut session = session(&roster, now);
    let made = now - MINUTE * 2;
    let few = objects(&roster, made, &THREE[..2]);
    for (objects, told) in [
        (few, None),
        (objects(&newer, made, THREE), Some(7)),
        (objects(&roster, made, THREE), None),
    ] {
        session.news.clear();
        assert!(!session.was_served());
        for object in objects {
            assert!(session.take_object(now, object).is_ok());
        }
        session.turn();
        let other = session.news.iter().find_map(|news| match news {
            News::OtherRoster { version } => Some(*version),
            _ => None,
        });
        assert_eq!(other, told);
    }
    assert!(session.was_served(), "the right one is taken as ever");
}

/// Checks that a client takes a newer roster over from its relay, which it goes by once documents do,
/// and that it hands its texts to the application with each of them; and that one that has expired is
/// not gone by.
#[test]
fn a_newer_roster_is_followed_from_its_first_document_on() {
    let now = machine_time();
    let made = |slots| now - MINUTE * 2 + SLOT * slots;
    let first = roster();
    for (expires, follows) in [("2999-01-01", true), ("2001-01-01", false)] {
        let mut session = session(&first, now);
        let (newer, files) = network_of(2, expires);
        let take = |session: &mut Session<Classic>, objects: Vec<Object>| {
            session.news.clear();
            for object in objects {
                assert!(session.take_object(now, object).is_ok());
            }
            session.turn();
            session.news.iter().find_map(|news| match news {
                News::Roster { roster, files } => Some((roster.version, (**files).clone())),
                _ => None,
            })
        };
        let old = take(&mut session, objects(&first, made(0), THREE).into());
        assert_eq!(old, None);
        assert_eq!(take(&mut session, vec![Object::Roster(files.clone())]), None);
        assert_eq!(session.station.roster.version, 1, "no document goes by it yet");
        for slots in 1..3 {
            let told = take(&mut session, objects(&newer, made(slots), THREE).into());
            assert_eq!(told, follows.then(|| (2, files.clone())));
        }
        assert_eq!(session.station.roster.version, if follows { 2 } else { 1 });
    }
}

/// Checks that nothing is built by a roster that expires while the client runs.
#[test]
fn a_client_whose_roster_expires_builds_no_packets() {
    let now = machine_time();
    let (expired, _) = network_of(1, "2026-01-01");
    let mut session = session(&expired, now);
    for object in objects(&expired, now - MINUTE * 2, THREE) {
        assert!(session.take_object(now, object).is_ok());
    }
    session.turn();
    assert!(session.news.iter().any(|news| matches!(news, News::Expired)));
    assert!(!session.was_served());
}

/// Checks that a cell whose time is not that of the grid ends the link, so that the grid is laid
/// anew: a machine that was stopped is late for all slots else.
#[test]
fn a_grid_that_is_seconds_off_is_laid_anew() {
    let (roster, now) = (roster(), machine_time());
    for (ahead, ends) in [(DRIFT / 2, false), (DRIFT * 2, true)] {
        for told in [now + ahead, now - ahead] {
            let mut session = session(&roster, now);
            let cell = DownCell::<Classic>::new(told, None, None);
            let bytes = cell.encode();
            let mut carousel = Receiver::default();
            let taken = session.take_cell(&bytes, &mut carousel);
            assert_eq!(taken.is_err(), ends, "{ahead:?}");
        }
    }
}

const NAMES: [&str; 4] = ["north", "south", "east", "west"];
/// Relays that sign: as many as must.
const THREE: &[u8] = &[1, 2, 3];
const ENTRY: NodeNumber = NodeNumber::new(1);
const SLOT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
