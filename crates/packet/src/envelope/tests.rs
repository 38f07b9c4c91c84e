use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::suite::Classic;

const NETWORK: NetworkId = NetworkId::new([8; 32]);
const STANDING: Standing = Standing {
    open: 70,
    heard: 76,
    whole: 0x0e00_0000_0000_0000_0000_0000_0000_0005,
    since: 9,
    incarnation: 8,
    last: 80,
    told: [0x0404, 3, 0, 0, 0, 0, 0, 9],
    behind: 2,
    after: 0x0504,
    hour: 200,
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn fragment(body: &[u8]) -> Fragment {
    Fragment {
        message: MessageId::new([4; 16]),
        kind: Kind::Content,
        sequence: 77,
        position: FragmentPosition { index: 1, count: 3 },
        minutes: 29_000_000,
        standing: STANDING,
        body: Zeroizing::new(body.to_vec()),
    }
}

struct Pair {
    alice: IdentitySecret,
    bob: IdentitySecret,
    prekey: PrekeySecret,
    rng: ChaCha20Rng,
}

fn pair() -> Pair {
    let mut rng = rng();
    Pair {
        alice: IdentitySecret::generate(&mut rng),
        bob: IdentitySecret::generate(&mut rng),
        prekey: PrekeySecret::generate(&mut rng),
        rng,
    }
}

impl Pair {
    fn seal<S: Suite>(&mut self, fragment: &Fragment) -> Result<Envelope<S>, SealError> {
        let (bob, prekey) = (self.bob.public(), self.prekey.public());
        seal(&self.alice, bob, prekey, &NETWORK, fragment, &mut self.rng)
    }
}

fn a_full_letter_arrives<S: Suite>() {
    let mut pair = pair();
    let text = vec![0xa5; fragment_body_len::<S>()];
    let envelope: Envelope<S> = pair.seal(&fragment(&text)).unwrap();
    assert_eq!(envelope.as_bytes().len(), S::ENVELOPE_LEN);
    let other = PrekeySecret::generate(&mut pair.rng);
    let opened = envelope.open(&[&other, &pair.prekey], &NETWORK).unwrap();
    assert!(opened.sender() == pair.alice.public());
    let got = opened.fragment(pair.bob.public(), pair.alice.public()).unwrap();
    assert_eq!((got.sequence, got.minutes), (77, 29_000_000));
    assert_eq!(got.standing, STANDING);
    assert_eq!(got.position, FragmentPosition { index: 1, count: 3 });
    assert_eq!(got.body.as_slice(), text);
}

#[test]
fn a_full_letter_arrives_in_both_suites() {
    a_full_letter_arrives::<Hybrid>();
    a_full_letter_arrives::<Classic>();
}

#[test]
fn a_text_beyond_the_room_is_refused() {
    let mut pair = pair();
    let room = fragment_body_len::<Classic>();
    let error = pair.seal::<Classic>(&fragment(&vec![1; room + 1])).err().unwrap();
    assert_eq!(error, SealError::Fragment(FragmentError::TooLong { len: room + 1, room }));
}

#[test]
fn another_network_recipient_or_sender_cannot_open() {
    let mut pair = pair();
    let envelope: Envelope<Classic> = pair.seal(&fragment(b"text")).unwrap();
    let elsewhere = NetworkId::new([9; 32]);
    assert_eq!(envelope.open(&[&pair.prekey], &elsewhere).err(), Some(OpenError::Recipient));
    let other = PrekeySecret::generate(&mut pair.rng);
    assert_eq!(envelope.open(&[&other], &NETWORK).err(), Some(OpenError::Recipient));
    let mallory = IdentitySecret::generate(&mut pair.rng);
    let opened = envelope.open(&[&pair.prekey], &NETWORK).unwrap();
    let refused = opened.fragment(pair.bob.public(), mallory.public()).err();
    assert_eq!(refused, Some(OpenError::Sender));
    let opened = envelope.open(&[&pair.prekey], &NETWORK).unwrap();
    let refused = opened.fragment(mallory.public(), pair.alice.public()).err();
    assert_eq!(refused, Some(OpenError::Sender));
}

#[test]
fn every_changed_bit_is_refused() {
    let mut pair = pair();
    let envelope: Envelope<Classic> = pair.seal(&fragment(b"text")).unwrap();
    for index in 0..envelope.as_bytes().len() {
        let mut bytes = envelope.as_bytes().to_vec();
        bytes[index] ^= 1 << (index % 8);
        let changed = Envelope::<Classic>::from_bytes(&bytes).unwrap();
        let opened = changed.open(&[&pair.prekey], &NETWORK);
        assert!(opened.is_err(), "byte {index}");
    }
}

#[test]
fn key_files_give_the_same_keys_back() {
    let pair = pair();
    let prekey = PrekeySecret::from_seed(&pair.prekey.to_seed());
    assert!(prekey.public() == pair.prekey.public());
    let alice = IdentitySecret::from_seed(&pair.alice.to_seed());
    assert!(alice.public() == pair.alice.public());
}

#[test]
fn an_envelope_is_known_again_by_its_mark_and_no_other_has_it() {
    let mut pair = pair();
    let text = fragment(b"text");
    let envelopes: [Envelope<Classic>; 2] = [pair.seal(&text).unwrap(), pair.seal(&text).unwrap()];
    let mark =
        |envelope: &Envelope<Classic>| envelope.open(&[&pair.prekey], &NETWORK).unwrap().mark();
    let [one, other] = envelopes.each_ref().map(mark);
    assert!(one == mark(&envelopes[0]) && one != other);
    assert!(one.prekey() == pair.prekey.public().id() && one.prekey() == other.prekey());
    assert!(EnvelopeMark::new(one.prekey(), *one.as_bytes()) == one);
    let another = PrekeySecret::generate(&mut pair.rng);
    assert!(another.public().id() != one.prekey());
}
