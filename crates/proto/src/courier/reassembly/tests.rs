use zeroize::Zeroizing;

use super::*;

/// Fragments of the largest message here.
const MOST: u32 = 50;

fn fragment(sequence: u64, index: u32, count: u32) -> Fragment {
    Fragment {
        message: MessageId::new([u8::try_from(sequence & 0xff).unwrap(); 16]),
        kind: Kind::Content,
        sequence,
        position: FragmentPosition { index, count },
        minutes: 0,
        certificate: None,
        body: Zeroizing::new(Vec::new()),
    }
}

fn tombstone(sequence: u64) -> Fragment {
    Fragment { kind: Kind::Tombstone, ..fragment(sequence, 0, 1) }
}

/// Takes a fragment and commits it; gives the numbers of the messages that are complete by that.
fn come(reassembly: &mut Reassembly, fragment: &Fragment) -> Vec<u64> {
    assert_eq!(reassembly.take(&Part::of(fragment)), Taken::New);
    let committed = reassembly.commit(fragment.sequence, fragment.position.index);
    assert!(committed.new);
    committed.complete.into_iter().map(|complete| complete.sequence).collect()
}

#[test]
fn messages_are_told_of_in_their_order() {
    let mut reassembly = Reassembly::new(MOST);
    assert_eq!(come(&mut reassembly, &fragment(1, 0, 1)), []);
    assert_eq!(come(&mut reassembly, &fragment(2, 1, 2)), []);
    assert_eq!(come(&mut reassembly, &fragment(0, 0, 1)), [0, 1]);
    assert_eq!(come(&mut reassembly, &fragment(2, 0, 2)), [2]);
    assert_eq!(
        reassembly.acknowledgement(),
        Acknowledgement { below: 3, ..Acknowledgement::default() }
    );
}

#[test]
fn what_is_not_kept_is_not_acknowledged() {
    let mut reassembly = Reassembly::new(MOST);
    let first = fragment(0, 0, 1);
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::New);
    // The application could not store it; perhaps now it can.
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::New);
    assert_eq!(reassembly.acknowledgement().below, 0);
    assert_eq!(reassembly.commit(0, 0).complete.len(), 1);
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::Known);
    assert_eq!(reassembly.acknowledgement().below, 1);
    let again = reassembly.commit(0, 0);
    assert!(!again.new && again.complete.is_empty(), "a message is told of once");
}

#[test]
fn an_acknowledgement_names_what_is_there() {
    let mut reassembly = Reassembly::new(MOST);
    for (sequence, index, count) in [(1, 0, 1), (2, 0, 1), (4, 0, 9), (4, 1, 9), (4, 7, 9)] {
        come(&mut reassembly, &fragment(sequence, index, count));
    }
    let acknowledgement = reassembly.acknowledgement();
    assert_eq!(acknowledgement.below, 0);
    assert_eq!(acknowledgement.runs, [(1, 2)]);
    assert_eq!(acknowledgement.partial, [(4, vec![(0, 2), (7, 1)])]);
}

#[test]
fn a_tombstone_takes_the_place_of_what_has_expired() {
    let mut reassembly = Reassembly::new(MOST);
    come(&mut reassembly, &fragment(0, 1, 3));
    come(&mut reassembly, &fragment(1, 0, 1));
    assert_eq!(come(&mut reassembly, &tombstone(0)), [0, 1]);
    assert_eq!(reassembly.take(&Part::of(&fragment(0, 2, 3))), Taken::Known);
    // A message that is complete stays what it is.
    come(&mut reassembly, &fragment(3, 0, 1));
    assert_eq!(reassembly.take(&Part::of(&tombstone(3))), Taken::Known);
    assert_eq!(come(&mut reassembly, &fragment(2, 0, 1)), [2, 3]);
}

#[test]
fn contradictions_and_what_is_too_far_ahead_find_no_room() {
    let mut reassembly = Reassembly::new(MOST);
    come(&mut reassembly, &fragment(0, 0, 3));
    assert_eq!(reassembly.take(&Part::of(&fragment(0, 1, 4))), Taken::Silent);
    assert_eq!(reassembly.take(&Part::of(&fragment(WINDOW, 0, 1))), Taken::Silent);
    assert_eq!(reassembly.take(&Part::of(&fragment(WINDOW - 1, 0, 1))), Taken::New);
    assert_eq!(reassembly.take(&Part::of(&fragment(1, 0, MOST + 1))), Taken::Silent);
    assert_eq!(reassembly.take(&Part::of(&fragment(1, 0, MOST))), Taken::New);
}

#[test]
fn no_more_comes_than_a_few_of_the_largest_messages() {
    let mut reassembly = Reassembly::new(MOST);
    for (sequence, index) in (1..=3).flat_map(|of| (0..MOST).map(move |index| (of, index))) {
        assert_eq!(reassembly.take(&Part::of(&fragment(sequence, index, MOST))), Taken::New);
    }
    assert_eq!(reassembly.take(&Part::of(&fragment(4, 0, MOST))), Taken::Silent);
    // What all the others wait for always has room.
    assert_eq!(reassembly.take(&Part::of(&fragment(0, 0, MOST))), Taken::New);
}

#[test]
fn a_new_incarnation_ends_the_one_before() {
    let mut reassembly = Reassembly::new(MOST);
    let born = 7 << 32;
    come(&mut reassembly, &fragment(1, 0, 1));
    come(&mut reassembly, &fragment(2, 0, 2));
    assert_eq!(reassembly.take(&Part::of(&fragment(born + WINDOW, 0, 1))), Taken::Silent);
    // What was complete is told of; what was not is over.
    assert_eq!(come(&mut reassembly, &fragment(born + 1, 0, 1)), [1]);
    assert_eq!(come(&mut reassembly, &fragment(born, 0, 1)), [born, born + 1]);
    assert_eq!(reassembly.take(&Part::of(&fragment(2, 1, 2))), Taken::Known);
    assert_eq!(reassembly.acknowledgement().below, born + 2);
}

/// Checks the last incarnation: no other comes after it, and a search that wraps around finds its
/// own messages, without end.
#[test]
fn the_last_incarnation_of_all_is_received_like_any_other() {
    let mut reassembly = Reassembly::new(MOST);
    let born = u64::from(u32::MAX) << 32;
    assert_eq!(come(&mut reassembly, &fragment(born + 5, 0, 1)), []);
    assert_eq!(reassembly.acknowledgement().below, born);
    assert_eq!(come(&mut reassembly, &fragment(born, 0, 1)), [born]);
    assert_eq!(reassembly.take(&Part::of(&fragment(u64::MAX, 0, 1))), Taken::Silent);
    let parts = [Part::of(&fragment(born + 5, 0, 1))];
    let (resumed, complete) = Reassembly::resume(MOST, born + 1, &parts);
    assert!(complete.is_empty() && resumed.below() == born + 1);
}
