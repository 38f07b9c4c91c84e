//! Sealed envelopes, fragments, reply blocks, instructions and answers: what comes out of a packet.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::change::{Change, apply, differ};
use rohrpost_fuzz::fragment::{self, NETWORK, PARTIES};
use rohrpost_fuzz::mail::Letter;
use rohrpost_fuzz::path;
use rohrpost_fuzz::toy::Toy;
use rohrpost_fuzz::{SuiteChoice, rng, sized};
use rohrpost_packet::envelope::{
    Envelope, Fragment, FragmentError, FragmentPosition, Kind, MessageId, OpenError, SealError,
    Standing, fragment_body_len, seal,
};
use rohrpost_packet::{
    Classic, Delay, HOPS, HopSecretKey, Hybrid, NodeNumber, Packet, PathHop, Route, SessionId,
    ShortGeneration, Suite, Surb, SurbError, build_surb, open_header,
};
use rohrpost_proto::courier::Part;
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::instruction::{
    Answer, Instruction, MailboxKey, PullRequest, RelayContext, WriteKey,
};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Raw { suite: SuiteChoice, bytes: &'a [u8] },
    Changed { suite: SuiteChoice, changes: Vec<Change> },
    FragmentBytes { suite: SuiteChoice, bytes: &'a [u8] },
    Fragment { suite: SuiteChoice, fragment: FragmentChoice<'a> },
    SurbBytes { exact: bool, bytes: &'a [u8] },
    Reply { hops: u8, at: u8, cut: u8, changes: Vec<Change>, body: &'a [u8] },
    Instruction { suite: SuiteChoice, whole: bool, bytes: &'a [u8] },
    Pull { changes: Vec<Change> },
    Answer { suite: SuiteChoice, whole: bool, bytes: &'a [u8] },
}

#[derive(Arbitrary, Debug)]
struct FragmentChoice<'a> {
    message: [u8; 16],
    sequence: u64,
    position: (u32, u32),
    minutes: u32,
    standing: (u64, u64, u32, u8, u8),
    told: (u32, [u16; 8], u64),
    body: &'a [u8],
    /// Number of times that the body is repeated, so that long ones need no long input.
    repeat: u8,
    kind: u8,
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Raw { suite: SuiteChoice::Hybrid, bytes } => raw::<Hybrid>(bytes),
    Case::Raw { suite: SuiteChoice::Classic, bytes } => raw::<Classic>(bytes),
    Case::Changed { suite: SuiteChoice::Hybrid, changes } => changed(&HYBRID, &changes),
    Case::Changed { suite: SuiteChoice::Classic, changes } => changed(&CLASSIC, &changes),
    Case::FragmentBytes { suite: SuiteChoice::Hybrid, bytes } => fragment_bytes::<Hybrid>(bytes),
    Case::FragmentBytes { suite: SuiteChoice::Classic, bytes } => fragment_bytes::<Classic>(bytes),
    Case::Fragment { suite: SuiteChoice::Hybrid, fragment } => sealed::<Hybrid>(&fragment),
    Case::Fragment { suite: SuiteChoice::Classic, fragment } => sealed::<Classic>(&fragment),
    Case::SurbBytes { exact, bytes } => surb_bytes(exact, bytes),
    Case::Reply { hops, at, cut, changes, body } => reply(hops, at, cut, &changes, body),
    Case::Instruction { suite: SuiteChoice::Hybrid, whole, bytes } => {
        instruction::<Hybrid>(whole, bytes);
    }
    Case::Instruction { suite: SuiteChoice::Classic, whole, bytes } => {
        instruction::<Classic>(whole, bytes);
    }
    Case::Pull { changes } => pull(&changes),
    Case::Answer { suite: SuiteChoice::Hybrid, whole, bytes } => answer::<Hybrid>(whole, bytes),
    Case::Answer { suite: SuiteChoice::Classic, whole, bytes } => answer::<Classic>(whole, bytes),
});

static HYBRID: LazyLock<Envelope<Hybrid>> = LazyLock::new(|| fragment::seal(FRAGMENT));
static CLASSIC: LazyLock<Envelope<Classic>> = LazyLock::new(|| fragment::seal(FRAGMENT));
static HOPS_OF_REPLIES: LazyLock<[HopSecretKey<Toy>; HOPS]> = LazyLock::new(path::keys);

/// Checks that nobody seals an envelope without the recipient's prekey.
fn raw<S: Suite>(bytes: &[u8]) {
    let exact = Envelope::<S>::from_bytes(bytes);
    assert_eq!(exact.is_ok(), bytes.len() == S::ENVELOPE_LEN);
    let envelope = Envelope::<S>::from_bytes(&sized(bytes, S::ENVELOPE_LEN)).expect("to measure");
    assert_eq!(open(&envelope).err(), Some(OpenError::Recipient));
}

fn open<S: Suite>(envelope: &Envelope<S>) -> Result<Fragment, OpenError> {
    let opened = envelope.open(&[&PARTIES.prekey], &NETWORK)?;
    assert!(opened.sender() == PARTIES.alice.public());
    opened.fragment(PARTIES.bob.public(), PARTIES.alice.public())
}

fn changed<S: Suite>(whole: &Envelope<S>, changes: &[Change]) {
    let mut bytes = whole.as_bytes().to_vec();
    apply(&mut bytes, changes);
    let envelope = Envelope::<S>::from_bytes(&bytes).expect("the length is not changed");
    let refused = differ(&bytes, whole.as_bytes(), 0..bytes.len());
    assert_eq!(open(&envelope).err(), refused.then_some(OpenError::Recipient));
}

/// Checks that a fragment is read if and only if it is well-formed, as the specification says, and
/// fits into an envelope again.
fn fragment_bytes<S: Suite>(bytes: &[u8]) {
    let letter = Letter::read(&sized(bytes, fragment::fragment_len::<S>()));
    let fragment = match open(&fragment::seal::<S>(bytes)) {
        Ok(fragment) => fragment,
        Err(OpenError::Fragment(FragmentError::Version)) => {
            return assert_ne!(bytes.first(), Some(&1));
        }
        Err(OpenError::Fragment(FragmentError::Malformed)) => return assert!(letter.is_none()),
        Err(other) => panic!("{other} behind a valid seal"),
    };
    let letter = letter.expect("what is read is well-formed");
    assert!(Part::of(&fragment) == letter.part && fragment.body[..] == letter.body);
    assert_eq!((fragment.minutes, fragment.standing), (letter.minutes, letter.standing));
    let again =
        open(&seal_fragment::<S>(&fragment).expect("it fitted before")).expect("just sealed");
    same(&again, &fragment);
}

fn seal_fragment<S: Suite>(fragment: &Fragment) -> Result<Envelope<S>, SealError> {
    let (bob, prekey) = (PARTIES.bob.public(), PARTIES.prekey.public());
    seal(&PARTIES.alice, bob, prekey, &NETWORK, fragment, &mut rng(35))
}

fn same(one: &Fragment, other: &Fragment) {
    assert!(one.message == other.message && one.position == other.position);
    assert_eq!(one.kind, other.kind);
    assert_eq!((one.sequence, one.minutes), (other.sequence, other.minutes));
    assert_eq!(one.standing, other.standing);
    assert!(one.body == other.body);
}

/// Checks that a fragment is sealed if and only if it fits, and comes back as it was.
fn sealed<S: Suite>(choice: &FragmentChoice<'_>) {
    let body = choice.body.repeat(usize::from(choice.repeat));
    let len = body.len();
    let (index, count) = choice.position;
    let (below, heard, since, behind, hour) = choice.standing;
    let (incarnation, told, last) = choice.told;
    let standing = Standing {
        open: below,
        heard,
        whole: u128::from(choice.sequence) << 32 | 1,
        since,
        incarnation,
        last,
        told,
        behind,
        after: told[usize::from(hour % 8)],
        hour,
    };
    let fragment = Fragment {
        message: MessageId::new(choice.message),
        kind: Kind::from_byte(choice.kind % 4).expect("there are four kinds"),
        sequence: choice.sequence,
        position: FragmentPosition { index, count },
        minutes: choice.minutes,
        standing,
        body: body.into(),
    };
    let envelope = match seal_fragment::<S>(&fragment) {
        Ok(envelope) => envelope,
        Err(SealError::Fragment(FragmentError::Malformed)) => {
            return assert!(index >= count || count > 0xff_ffff);
        }
        Err(SealError::Fragment(FragmentError::TooLong { len: told, room })) => {
            return assert!(told == len && room == fragment_body_len::<S>() && len > room);
        }
        Err(other) => panic!("{other} of a valid prekey"),
    };
    let again = open(&envelope).expect("just sealed");
    same(&again, &fragment);
}

fn surb_bytes(exact: bool, bytes: &[u8]) {
    let len = if exact { Surb::<Classic>::ENCODED_LEN } else { bytes.len() };
    let bytes = sized(bytes, len);
    match Surb::<Classic>::decode(&bytes) {
        Ok(surb) => {
            let mut again = vec![0xff; bytes.len()];
            surb.encode(&mut again);
            assert_eq!(again, bytes);
            let packet = surb.reply(&[1]).expect("one byte fits");
            assert_eq!(packet.as_bytes()[..Classic::HEADER_LEN], bytes[40..]);
        }
        Err(SurbError::Length) => assert_ne!(len, Surb::<Classic>::ENCODED_LEN),
        Err(error) => assert!(error == SurbError::Reserved && bytes[6..8] != [0; 2]),
    }
}

/// Opens a reply over one to four hops, its payload changed before hop `at` and cut at the end.
fn reply(hops: u8, at: u8, cut: u8, changes: &[Change], body: &[u8]) {
    let len = 1 + usize::from(hops) % HOPS;
    let route = |layer: usize| match layer + 1 {
        last if last == len && len < HOPS => Route::own_loop(),
        last if last == len => Route::reply(SessionId::new([5; 16])),
        _ => Route::forward(NodeNumber::new(4), ShortGeneration::new(2), Delay::ZERO),
    };
    let keys = &HOPS_OF_REPLIES;
    let path: Vec<_> =
        (0..len).map(|layer| PathHop { key: keys[layer].public(), route: route(layer) }).collect();
    let (surb, opener) = build_surb(NodeNumber::new(3), &path, &mut rng(36)).expect("four hops");
    let body = &body[..body.len().min(Toy::BODY_LEN)];
    let mut packet = surb.reply(body).expect("cut to a body's length");
    let mut differs = false;
    for (layer, key) in keys[..len].iter().enumerate() {
        if layer == usize::from(at) % len {
            let before = packet.as_bytes();
            let mut bytes = before.to_vec();
            apply(&mut bytes[Toy::HEADER_LEN..], changes);
            differs = bytes != before;
            packet = Packet::from_bytes(&bytes).expect("the length is not changed");
        }
        let opened = open_header(packet, layer, key).expect("headers are not changed");
        if layer + 1 < len {
            packet = opened.forward();
            continue;
        }
        let (id, payload) = opened.reply();
        assert!(id == opener.id());
        let kept = payload.len().saturating_sub(usize::from(cut));
        match opener.open(&mut payload.to_vec()[..kept]) {
            Ok(got) => {
                assert!(!differs && cut == 0, "a changed reply was taken");
                assert_eq!(&got[..], sized(body, Toy::BODY_LEN));
            }
            Err(_) => assert!(differs || cut > 0, "a valid reply was refused"),
        }
        return;
    }
}

fn instruction<S: Suite>(whole: bool, bytes: &[u8]) {
    let bytes = sized(bytes, if whole { S::BODY_LEN } else { bytes.len() });
    match Instruction::<S>::decode(&bytes, &context()) {
        Ok(Instruction::Discard) => assert_eq!(bytes[..4], [0, 1, 0, 0]),
        Ok(Instruction::Store(store)) => assert_eq!(store.encode()[..], bytes),
        Ok(Instruction::Pull(_)) => panic!("nobody signs without the mailbox's key"),
        Err(_) => {}
    }
}

fn context() -> RelayContext {
    RelayContext { network: NETWORK, relay: NodeNumber::new(9), join_key: JoinKey::new([2; 32]) }
}

static PULL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let keys = path::keys::<Classic>();
    let hops = [PathHop { key: keys[0].public(), route: Route::own_loop() }];
    let (surb, _) = build_surb(NodeNumber::new(3), &hops, &mut rng(37)).expect("one hop");
    let context = context();
    let request = PullRequest {
        key: &MailboxKey::from_seed(&[4; 32]),
        network: &context.network,
        relay: context.relay,
        join_key: &context.join_key,
        write_keys: [&WriteKey::new([5; 32]), &WriteKey::new([6; 32])],
        acks: &[],
        surb: &surb,
    };
    request.encode()
});

/// Checks that every byte of a pull is under its signature; another kind makes another instruction
/// of it.
fn pull(changes: &[Change]) {
    let mut bytes = PULL.clone();
    apply(&mut bytes, changes);
    let read = Instruction::<Classic>::decode(&bytes, &context());
    assert_eq!(matches!(read, Ok(Instruction::Pull(_))), bytes == *PULL);
}

fn answer<S: Suite>(whole: bool, bytes: &[u8]) {
    let bytes = sized(bytes, if whole { S::BODY_LEN } else { bytes.len() });
    if let Ok(answer) = Answer::<S>::decode(&bytes) {
        let again = answer.encode();
        assert_eq!(again, bytes[..again.len()]);
    }
}

/// A fragment of version 1, the only one of its message, with a text of two bytes.
const FRAGMENT: &[u8] = &[
    1, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0,
    0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 4, b'h', b'i',
];
