//! The rules one by one.

use std::time::Duration;

use rohrpost_packet::NodeNumber;

use super::scene::{key_of, node_key, roster};
use crate::directory::consensus::document::{Document, Member, SignedDocument, sign};
use crate::directory::consensus::equivocation::Equivocation;
use crate::directory::consensus::merge::merge;
use crate::directory::consensus::pledge::Pledge;
use crate::directory::consensus::proposal::{Proposal, encoded_len};
use crate::directory::consensus::rosters::Charter;
use crate::directory::consensus::vote::{Heard, Keys, SignedVote, Vote};
use crate::directory::roster::Directory;
use crate::directory::timing::Timing;
use crate::time::{Slot, Time};

const NOW: Time = Time::from_micros(1_795_000_000_000_000);
const MIX: NodeNumber = NodeNumber::new(8);

fn timing() -> Timing {
    Directory::default().timing
}

fn vote(up: bool, generations: &[u32]) -> Vote {
    let roster = roster();
    let newest = key_of(MIX, generations[0]);
    let before = generations.get(1).map(|generation| key_of(MIX, *generation));
    let heard = vec![Heard { node: MIX, up, keys: Keys { newest, before } }];
    Vote { roster_version: 1, roster_hash: roster.hash, slot: timing().slot_of(NOW), heard }
}

fn merged(votes: &[Vote]) -> Option<u32> {
    let members = merge(votes);
    members.first().map(|member| member.key.generation.get())
}

#[test]
fn a_majority_of_the_votes_decides_on_presence_and_key() {
    let up = |generations: &[u32]| vote(true, generations);
    let down = |generations: &[u32]| vote(false, generations);
    assert_eq!(merged(&[up(&[5]), up(&[5]), down(&[5])]), Some(5));
    assert_eq!(merged(&[up(&[5]), down(&[5]), down(&[5])]), None);
    assert_eq!(merged(&[up(&[6, 5]), up(&[5, 4]), up(&[5, 4])]), Some(5), "not all have heard");
    assert_eq!(merged(&[up(&[6, 5]), up(&[6, 5]), up(&[5, 4])]), Some(6));
    assert_eq!(merged(&[up(&[99]), up(&[5, 4]), up(&[5, 4])]), Some(5), "of the future");
    assert_eq!(merged(&[up(&[1]), up(&[6, 5]), up(&[5, 4])]), Some(5), "of the past");
    assert_eq!(merged(&[up(&[1]), up(&[6, 5]), up(&[7, 6])]), Some(6));
    assert_eq!(
        merged(&[up(&[6]), up(&[5]), down(&[5])]),
        None,
        "who does not hear it knows old keys"
    );
}

#[test]
fn a_slot_is_signed_once_and_in_its_time() {
    let (interval, voting, round) = (timing().interval(), timing().voting(), timing().round());
    let slot = timing().slot_of(NOW + interval * 10);
    let begin = timing().begin_of(slot);
    let mut pledge = Pledge::begin(NOW, timing());
    let micro = Duration::from_micros(1);
    let early =
        Time::from_micros((begin.micros()) - u64::try_from(timing().clocks().as_micros()).unwrap());
    assert!(!pledge.sign(slot, Time::from_micros(early.micros() - 1), 1));
    assert!(!pledge.sign(slot, begin + voting + round, 1));
    assert!(pledge.sign(slot, begin + voting + round, 2), "one more has signed");
    assert!(!pledge.sign(slot, begin + voting, 2), "twice");
    assert!(!pledge.sign(slot, begin + voting + micro, 5), "twice");
    let next = slot.next();
    assert!(pledge.sign(next, begin + interval * 60, 99).then_some(()).is_none(), "long over");
    assert!(!pledge.sign(next, begin + interval, 1), "the clock went back");
}

/// Checks that whatever a process has signed, the next one does not sign again, though its clock has
/// gone back by a slot.
#[test]
fn a_new_process_leaves_out_what_the_one_before_may_have_signed() {
    let interval = timing().interval();
    for tenth in 0..100 {
        let now = NOW + Duration::from_millis(100 * tenth);
        let mut before = Pledge::begin(NOW, timing());
        let last = timing().slot_of(now + interval * 9 + timing().clocks());
        let time = now + interval * 9;
        let _ = before.sign(last, time, 1);
        let mut after = Pledge::begin(now + interval * 8, timing());
        for wait in 0..600 {
            let later = now + interval * 8 + Duration::from_millis(100 * wait);
            assert!(!after.sign(last, later, 5), "{tenth} {wait}");
        }
    }
}

#[test]
fn what_is_written_reads_back() {
    let signed = SignedVote::sign(vote(true, &[6, 5]), NodeNumber::new(2), &node_key(2));
    let again = SignedVote::decode(&signed.encode()).unwrap();
    assert!(again == signed && again.verify(&roster()));
    let document = Document {
        roster_version: 1,
        roster_hash: roster().hash,
        slot: timing().slot_of(NOW),
        members: vec![Member { node: MIX, key: key_of(MIX, 6) }],
    };
    let hash = document.hash();
    let signature =
        |relay: u32| (NodeNumber::new(relay), sign(&node_key(relay), document.slot, hash));
    let charter = Charter::of(roster());
    let holds = |signers: &[u32], counts: &dyn Fn(NodeNumber) -> bool| {
        let signatures = signers.iter().map(|relay| signature(*relay)).collect();
        let signed = SignedDocument { document: document.clone(), signatures };
        let again = SignedDocument::decode(&signed.encode()).unwrap();
        assert_eq!(again, signed);
        again.holds(&charter, counts)
    };
    assert!(holds(&[1, 2, 3, 4, 5], &|_| true));
    assert!(!holds(&[1, 2, 3, 4], &|_| true));
    assert!(!holds(&[1, 2, 3, 4, 8], &|_| true), "a mix signs for nobody");
    assert!(!holds(&[1, 2, 3, 4, 5], &|relay| relay.get() != 5), "one has signed twice");
}

/// Checks that what a roster is refused by is what goes over the links.
#[test]
fn the_longest_proposal_is_as_long_as_reckoned() {
    let [one, other] = [2, 3].map(|relay| {
        let number = NodeNumber::new(relay);
        SignedVote::sign(vote(true, &[6, 5]), number, &node_key(relay))
    });
    let mut proposal = Proposal::of(vec![one, other]).unwrap();
    let (slot, hash) = (proposal.document.slot, proposal.document.hash());
    for relay in [2, 3] {
        let signature = sign(&node_key(relay), slot, hash);
        proposal.signatures.insert(NodeNumber::new(relay), signature);
    }
    assert_eq!(proposal.encode().len(), encoded_len(1, 2));
}

#[test]
fn two_signatures_of_a_slot_prove_that_a_relay_lies() {
    let (roster, key, relay) = (roster(), node_key(3), NodeNumber::new(3));
    let slot = Slot::new(7);
    let hash = |members: Vec<Member>| {
        let (roster_version, roster_hash) = (1, roster.hash);
        Document { roster_version, roster_hash, slot, members }.hash()
    };
    let member = Member { node: MIX, key: key_of(MIX, 6) };
    let hashes = [hash(Vec::new()), hash(vec![member])];
    let signed = hashes.map(|hash| (hash, sign(&key, slot, hash)));
    let proof = Equivocation { relay, slot, signed };
    assert!(Equivocation::decode(&proof.encode()).unwrap().verify(&roster));
    let same = Equivocation { signed: [proof.signed[0]; 2], ..proof.clone() };
    assert!(!same.verify(&roster));
    let other = Equivocation { relay: NodeNumber::new(4), ..proof };
    assert!(!other.verify(&roster));
}
