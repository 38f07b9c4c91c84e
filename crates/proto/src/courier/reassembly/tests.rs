use std::time::Duration;

use zeroize::Zeroizing;

use super::super::message::first_number;
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
        standing: Standing::default(),
        body: Zeroizing::new(Vec::new()),
    }
}

fn address(version: u64, index: u32, count: u32) -> Fragment {
    Fragment { kind: Kind::Address, ..fragment(version, index, count) }
}

fn open(open: u64) -> Standing {
    Standing { open, ..Standing::default() }
}

/// Takes a fragment and commits it; gives the numbers of the messages that are complete by that.
fn come(reassembly: &mut Reassembly, fragment: &Fragment) -> Vec<u64> {
    assert_eq!(reassembly.take(&Part::of(fragment)), Taken::New);
    let committed = reassembly.commit(fragment.kind, fragment.sequence, fragment.position.index);
    assert!(committed.new);
    numbers(committed.complete)
}

fn numbers(complete: Vec<Complete>) -> Vec<u64> {
    complete.into_iter().map(|complete| complete.sequence).collect()
}

/// A message of one fragment that was told of.
fn told(sequence: u64) -> Complete {
    let Fragment { message, kind, .. } = fragment(sequence, 0, 1);
    Complete { sequence, message, kind, fragments: 1 }
}

/// Numbers of the messages that an acknowledgement says are whole.
fn whole(reassembly: &Reassembly) -> Vec<u64> {
    reassembly.acknowledgement().whole().map(|name| name.sequence).collect()
}

#[test]
fn messages_are_told_of_in_their_order() {
    let mut reassembly = Reassembly::new(MOST);
    assert_eq!(come(&mut reassembly, &fragment(1, 0, 1)), []);
    assert_eq!(come(&mut reassembly, &fragment(2, 1, 2)), []);
    assert_eq!(come(&mut reassembly, &fragment(0, 0, 1)), [0, 1]);
    assert_eq!(come(&mut reassembly, &fragment(2, 0, 2)), [2]);
    assert_eq!((reassembly.below(), whole(&reassembly)), (3, vec![0, 1, 2]));
    // What the sender knows to have come needs no name.
    assert_eq!(numbers(reassembly.hear(&open(2), Steady::BEGIN)), []);
    assert_eq!((reassembly.floor(), whole(&reassembly)), (2, vec![2]));
}

/// Letters repeat which messages have come, over gaps of others that may have been given up: their
/// sender says so with his next letter, which may be weeks away.
#[test]
fn messages_that_were_told_of_are_repeated_over_gaps() {
    let of = |numbers: &[u64], before| {
        let told = numbers.iter().map(|number| told(*number)).collect();
        let memory = Memory { below: numbers[0], told, ..Memory::default() };
        let (mut reassembly, _) = Reassembly::resume(MOST, &memory);
        reassembly.note_acknowledged();
        reassembly.repeated(before)
    };
    let name = |sequence| Name::of(sequence, told(sequence).message).short();
    assert_eq!(Reassembly::new(MOST).repeated(u64::MAX), None);
    assert_eq!(of(&[7], u64::MAX), Some((7, [name(7), 0, 0, 0, 0, 0, 0, 0])));
    assert_eq!(of(&[5, 6, 8], u64::MAX), Some((8, [name(8), 0, name(6), name(5), 0, 0, 0, 0])));
    let far = Some((40, [name(40), 0, 0, 0, 0, 0, 0, name(33)]));
    assert_eq!(of(&[1, 32, 33, 40], u64::MAX), far, "no further than there are names");
    assert_eq!(of(&[1, 32, 33, 40], 33), Some((32, [name(32), 0, 0, 0, 0, 0, 0, 0])));
    assert_eq!(of(&[1, 32, 33, 40], 1), far, "and then from the last again");
}

/// Checks that letters say nothing of what has come before an acknowledgement has.
#[test]
fn nothing_is_repeated_that_was_not_acknowledged() {
    let mut reassembly = Reassembly::new(MOST);
    come(&mut reassembly, &fragment(0, 0, 1));
    assert_eq!(reassembly.repeated(u64::MAX), None);
    reassembly.note_acknowledged();
    come(&mut reassembly, &fragment(1, 0, 1));
    let last = |reassembly: &Reassembly| reassembly.repeated(u64::MAX).map(|(last, _)| last);
    assert_eq!(last(&reassembly), Some(0));
    reassembly.note_acknowledged();
    assert_eq!(last(&reassembly), Some(1));
}

#[test]
fn what_is_not_kept_is_not_acknowledged() {
    let mut reassembly = Reassembly::new(MOST);
    let first = fragment(0, 0, 1);
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::New);
    // The application could not store it; perhaps now it can.
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::New);
    assert_eq!(whole(&reassembly), []);
    assert_eq!(reassembly.commit(Kind::Content, 0, 0).complete.len(), 1);
    assert_eq!(reassembly.take(&Part::of(&first)), Taken::Known);
    assert_eq!(whole(&reassembly), [0]);
    let again = reassembly.commit(Kind::Content, 0, 0);
    assert!(!again.new && again.complete.is_empty(), "a message is told of once");
}

#[test]
fn an_acknowledgement_names_what_is_there() {
    let mut reassembly = Reassembly::new(MOST);
    for (sequence, index, count) in [(1, 0, 1), (2, 0, 1), (4, 0, 9), (4, 1, 9), (4, 7, 9)] {
        come(&mut reassembly, &fragment(sequence, index, count));
    }
    let acknowledgement = reassembly.acknowledgement();
    assert_eq!((acknowledgement.floor, acknowledgement.told.len()), (0, 0));
    assert_eq!(whole(&reassembly), [1, 2]);
    let name = Name::of(4, fragment(4, 0, 9).message);
    assert_eq!(acknowledgement.partial, [Partial { name, ranges: vec![(0, 2), (7, 1)] }]);
}

#[test]
fn what_is_given_up_is_not_waited_for() {
    let mut reassembly = Reassembly::new(MOST);
    come(&mut reassembly, &fragment(0, 1, 3));
    come(&mut reassembly, &fragment(1, 0, 1));
    come(&mut reassembly, &fragment(3, 0, 1));
    assert_eq!(numbers(reassembly.hear(&open(1), Steady::BEGIN)), [1]);
    assert_eq!(reassembly.take(&Part::of(&fragment(0, 2, 3))), Taken::Known);
    // An older letter that comes late takes nothing back.
    assert_eq!(numbers(reassembly.hear(&open(0), Steady::BEGIN)), []);
    assert_eq!(come(&mut reassembly, &fragment(2, 0, 1)), [2, 3]);
    assert_eq!(reassembly.below(), 4);
    // Nothing of what was given up has come.
    assert_eq!(numbers(reassembly.hear(&open(9), Steady::BEGIN)), []);
    assert_eq!((reassembly.below(), reassembly.floor()), (9, 9));
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
    assert_eq!(reassembly.take(&Part::of(&fragment(born, 0, 1))), Taken::Silent);
    // What was complete comes again, in its order; or its sender has forgotten it.
    assert_eq!(numbers(reassembly.hear(&open(born), Steady::BEGIN)), []);
    assert_eq!(come(&mut reassembly, &fragment(born + 1, 0, 1)), []);
    assert_eq!(come(&mut reassembly, &fragment(born, 0, 1)), [born, born + 1]);
    assert_eq!(reassembly.take(&Part::of(&fragment(2, 1, 2))), Taken::Known);
    let parts = vec![Part::of(&fragment(1, 0, 1))];
    let (_, complete) =
        Reassembly::resume(MOST, &Memory { below: born, parts, ..Memory::default() });
    assert_eq!(numbers(complete), [], "nor after a restart");
}

/// Checks that whatever a contact says of its numbers, the highest among them, makes nothing but
/// its own messages over.
#[test]
fn numbers_at_the_end_of_their_range_overflow_nothing() {
    let mut reassembly = Reassembly::new(MOST);
    assert_eq!(numbers(reassembly.hear(&open(u64::MAX), Steady::BEGIN)), []);
    assert_eq!(reassembly.take(&Part::of(&fragment(u64::MAX, 0, 1))), Taken::Silent);
    assert!(!reassembly.has_forgotten(&Standing {
        heard: u64::MAX,
        whole: u128::MAX,
        ..open(u64::MAX)
    }));
}

#[test]
fn an_address_takes_no_number_and_only_the_newest_counts() {
    let mut reassembly = Reassembly::new(MOST);
    // Of a newer one something has come, and the one before becomes whole.
    for version in [3, 5, 7] {
        assert_eq!(come(&mut reassembly, &address(version, 0, 2)), []);
    }
    assert_eq!(reassembly.take(&Part::of(&address(3, 1, 2))), Taken::Silent, "no room");
    assert_eq!(come(&mut reassembly, &address(5, 1, 2)), [5]);
    assert_eq!(come(&mut reassembly, &address(9, 1, 2)), []);
    assert_eq!(come(&mut reassembly, &address(9, 0, 2)), [9]);
    assert_eq!(reassembly.take(&Part::of(&address(7, 1, 2))), Taken::Known);
    assert_eq!(reassembly.take(&Part::of(&address(10, 0, 5))), Taken::Silent);
    let acknowledgement = reassembly.acknowledgement();
    assert_eq!((acknowledgement.address, acknowledgement.told.len()), (9, 0));
    assert_eq!(come(&mut reassembly, &fragment(0, 0, 1)), [0]);
}

/// Checks that a store that was put back shows by what its contact has heard, and that one that
/// began anew, or has all of it, does not.
#[test]
fn what_was_acknowledged_and_is_not_here_shows_an_older_copy() {
    let set = |heard, whole, since| Standing { heard, whole, since, ..Standing::default() };
    let heard = |heard, since| set(heard, u128::from(heard > 0), since);
    let memory = Memory { since: 6, below: 2, ..Memory::default() };
    let (mut reassembly, _) = Reassembly::resume(MOST, &memory);
    assert!(!reassembly.has_forgotten(&heard(2, 6)), "all that was heard of is here");
    assert!(reassembly.has_forgotten(&heard(3, 6)));
    assert!(!reassembly.has_forgotten(&heard(3, 5)), "another incarnation acknowledged it");
    assert!(reassembly.has_forgotten(&heard(0, 7)), "a later incarnation was here");
    assert!(!reassembly.has_forgotten(&heard(0, 6)));
    come(&mut reassembly, &fragment(3, 0, 1));
    assert!(!reassembly.has_forgotten(&heard(4, 6)), "it is here and waits for another");
    assert!(reassembly.has_forgotten(&heard(5, 6)));
    assert!(reassembly.has_forgotten(&set(4, 0b11, 6)), "what filled the gap is not here");
    assert!(!reassembly.has_forgotten(&set(4, 0b1101, 6)), "nothing has filled it");
}

/// Checks that what came because the sender's word had made room is there after a restart, though the
/// store has not heard of that word.
#[test]
fn what_came_within_the_newest_window_is_there_after_a_restart() {
    let mut reassembly = Reassembly::new(MOST);
    for sequence in 0..2 {
        come(&mut reassembly, &fragment(sequence, 0, 1));
    }
    reassembly.hear(&open(2), Steady::BEGIN);
    let far = fragment(WINDOW + 1, 0, 1);
    come(&mut reassembly, &far);
    let told = (0..2).map(told).collect();
    let parts = vec![Part::of(&far)];
    let memory = Memory { below: 2, told, parts, ..Memory::default() };
    let (mut reassembly, _) = Reassembly::resume(MOST, &memory);
    assert_eq!(whole(&reassembly), [0, 1, WINDOW + 1]);
    assert!(!reassembly.has_forgotten(&Standing { heard: WINDOW + 2, whole: 1, ..open(2) }));
    assert_eq!(numbers(reassembly.hear(&open(WINDOW + 1), Steady::BEGIN)), [WINDOW + 1]);
}

/// Checks the same for a sender that has begun anew, and of which only fragments are stored: what waits
/// under its older numbers is not counted.
#[test]
fn what_came_under_new_numbers_is_there_after_a_restart() {
    let new = first_number(7);
    let parts = [fragment(6, 0, 1), fragment(new, 0, 1), fragment(new + 1, 0, 2)];
    let parts = parts.iter().map(Part::of).collect();
    let memory = Memory { below: 5, told: vec![told(4)], parts, ..Memory::default() };
    let (mut reassembly, complete) = Reassembly::resume(MOST, &memory);
    assert_eq!((numbers(complete), whole(&reassembly)), (vec![], vec![new]));
    assert_eq!(reassembly.floor(), new + 1 - (WINDOW - 1));
    assert!(!reassembly.has_forgotten(&Standing { heard: new + 1, whole: 1, ..open(new) }));
    assert_eq!(numbers(reassembly.hear(&open(new), Steady::BEGIN)), [new]);
    assert_eq!(come(&mut reassembly, &fragment(new + 1, 1, 2)), [new + 1]);
}

#[test]
fn what_was_stored_before_a_restart_is_there_after_it() {
    let told = vec![told(4)];
    let parts = [fragment(5, 0, 1), fragment(7, 0, 2), address(3, 0, 1)];
    let parts = parts.iter().map(Part::of).collect();
    let memory = Memory { since: 1, below: 5, told, address: 2, parts, ..Memory::default() };
    let (reassembly, complete) = Reassembly::resume(MOST, &memory);
    assert_eq!(numbers(complete), [3, 5]);
    assert_eq!((reassembly.floor(), reassembly.below()), (4, 6));
    let acknowledgement = reassembly.acknowledgement();
    assert_eq!((acknowledgement.since, acknowledgement.address), (1, 3));
    assert_eq!(whole(&reassembly), [4, 5]);
    assert_eq!(acknowledgement.partial.len(), 1);
}

/// Takes a fragment with its sender's word on what is before it, and commits it.
fn come_behind(reassembly: &mut Reassembly, fragment: &Fragment, behind: u8) -> Vec<u64> {
    assert_ne!(reassembly.take_behind(&Part::of(fragment), behind, 0), Taken::Silent);
    let Fragment { kind, sequence, position, .. } = fragment;
    numbers(reassembly.commit(*kind, *sequence, position.index).complete)
}

/// Checks that texts pass a file, in their order, and that the file has its turn when it is whole.
#[test]
fn what_waits_for_nothing_passes_what_is_not_complete() {
    let mut reassembly = Reassembly::new(MOST);
    assert_eq!(come_behind(&mut reassembly, &fragment(0, 0, 9), 0), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(3, 0, 1), 2), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(1, 0, 1), 0), [1, 3]);
    assert_eq!((reassembly.below(), whole(&reassembly)), (0, vec![1, 3]));
    assert_eq!(reassembly.take_behind(&Part::of(&fragment(3, 0, 1)), 2, 0), Taken::Known);
    // The second file waits for the first.
    assert_eq!(come_behind(&mut reassembly, &fragment(2, 0, 2), 2), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(2, 1, 2), 2), []);
    for index in 1..8 {
        assert_eq!(come_behind(&mut reassembly, &fragment(0, index, 9), 0), []);
    }
    assert_eq!(come_behind(&mut reassembly, &fragment(0, 8, 9), 0), [0, 2]);
    assert_eq!(reassembly.below(), 4);
}

/// Checks that a later word that nothing is waited for counts, whenever the earlier one comes.
#[test]
fn the_word_that_asks_for_less_counts() {
    let mut reassembly = Reassembly::new(MOST);
    assert_eq!(come_behind(&mut reassembly, &fragment(2, 0, 1), 1), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(2, 0, 1), 0), [2]);
    assert_eq!(come_behind(&mut reassembly, &fragment(5, 0, 2), 0), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(5, 1, 2), 1), [5]);
    assert_eq!(reassembly.below(), 0);
    let told = vec![told(2), Complete { fragments: 2, ..told(5) }];
    let parts = vec![Part::of(&fragment(4, 0, 1))];
    let memory = Memory { told, parts, ..Memory::default() };
    let (mut resumed, complete) = Reassembly::resume(MOST, &memory);
    assert_eq!((numbers(complete), whole(&resumed)), (vec![], vec![2, 5, 4]));
    assert_eq!(come_behind(&mut resumed, &fragment(4, 0, 1), 0), [4]);
}

/// Checks that a copy that comes late of what its sender has given up is not told of after what came
/// later in its lane; that what is whole by then is told of before that; and that files and texts
/// are apart in this. A restart changes none of it.
#[test]
fn what_was_given_up_does_not_come_after_what_was_not() {
    let mut reassembly = Reassembly::new(MOST);
    // Texts 1 and 3 and the file 2 wait for the text 0, which its sender gives up, as it does the rest.
    assert_eq!(come_behind(&mut reassembly, &fragment(1, 0, 1), 1), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(2, 0, 2), 2), []);
    assert_eq!(come_behind(&mut reassembly, &fragment(4, 0, 1), 0), [1, 4]);
    let acknowledged = reassembly.acknowledgement();
    let told = |sequence| Complete { ..told(sequence) };
    let memory = Memory {
        told: [1, 4].map(told).to_vec(),
        parts: vec![Part::of(&fragment(2, 0, 2))],
        ..Memory::default()
    };
    let (resumed, complete) = Reassembly::resume(MOST, &memory);
    assert!(
        complete.is_empty() && resumed.acknowledgement().encode(900) == acknowledged.encode(900)
    );
    for mut reassembly in [reassembly, resumed] {
        for late in [0, 3] {
            let late = Part::of(&fragment(late, 0, 1));
            assert_eq!(reassembly.take_behind(&late, 0, 0), Taken::Known);
        }
        assert_eq!(
            come_behind(&mut reassembly, &fragment(2, 1, 2), 0),
            [2],
            "a file, and passed by none"
        );
        assert_eq!(come_behind(&mut reassembly, &fragment(5, 0, 1), 0), [5]);
        assert_eq!(whole(&reassembly), [1, 2, 4, 5]);
    }
}

/// Checks that nothing is taken behind a number that its sender has given to two messages: it goes on
/// from an older copy of its store, and sends all of that again under other numbers once it has
/// heard so. A restart changes none of it.
#[test]
fn nothing_is_taken_behind_a_number_of_two_messages() {
    let mut reassembly = Reassembly::new(MOST);
    for sequence in 0..3 {
        come(&mut reassembly, &fragment(sequence, 0, 1));
    }
    let other = Fragment { message: MessageId::new([77; 16]), ..fragment(1, 0, 1) };
    assert_eq!(reassembly.take_behind(&Part::of(&other), 0, 0), Taken::Known);
    assert_eq!(reassembly.disputed(), Some(1));
    let told = (0..3).map(told).collect();
    let memory = Memory { below: 3, told, disputed: reassembly.disputed(), ..Memory::default() };
    let (resumed, _) = Reassembly::resume(MOST, &memory);
    for mut reassembly in [reassembly, resumed] {
        let later = Part::of(&fragment(4, 0, 1));
        assert_eq!(reassembly.take_behind(&later, 3, 0), Taken::Known);
        assert_eq!(whole(&reassembly), [0, 1, 2], "the sender hears of the first message");
        reassembly.hear(&open(100), Steady::BEGIN);
        assert_eq!(reassembly.disputed(), None);
        assert_eq!(come_behind(&mut reassembly, &fragment(100, 0, 1), 0), [100]);
    }
}

/// Checks the same for a number of a message of which the sender knew that it had come, before it went
/// back to a copy that is older than that.
#[test]
fn nothing_is_taken_behind_a_number_of_a_message_that_is_over() {
    let mut reassembly = Reassembly::new(MOST);
    for sequence in 0..100 {
        come(&mut reassembly, &fragment(sequence, 0, 1));
    }
    reassembly.hear(&open(98), Steady::BEGIN);
    reassembly.hear(&open(99), Steady::BEGIN);
    let past = (99 - PAST as u64..99).map(|number| (number, told(number).message)).collect();
    let memory = Memory { below: 100, told: vec![told(99)], past, ..Memory::default() };
    let (resumed, _) = Reassembly::resume(MOST, &memory);
    for mut reassembly in [reassembly, resumed] {
        let same = Part::of(&fragment(60, 0, 1));
        assert_eq!(reassembly.take_behind(&same, 0, 0), Taken::Known, "a copy that comes late");
        assert_eq!(reassembly.disputed(), None);
        let other = Fragment { message: MessageId::new([77; 16]), ..fragment(60, 0, 1) };
        assert_eq!(reassembly.take_behind(&Part::of(&other), 0, 0), Taken::Known);
        assert_eq!(reassembly.disputed(), Some(60));
        let memory = Memory { disputed: Some(60), ..memory.clone() };
        for mut reassembly in [reassembly, Reassembly::resume(MOST, &memory).0] {
            let later = Part::of(&fragment(100, 0, 1));
            assert_eq!(reassembly.take_behind(&later, 0, 0), Taken::Known);
            let new = first_number(7);
            reassembly.hear(&open(new), Steady::BEGIN);
            assert_eq!(reassembly.disputed(), None);
            // A letter of the older copy comes late.
            assert_eq!(reassembly.take_behind(&Part::of(&other), 0, 0), Taken::Known);
            assert_eq!(reassembly.disputed(), None);
            assert_eq!(come_behind(&mut reassembly, &fragment(new, 0, 1), 0), [new]);
        }
        let parts = vec![Part::of(&fragment(first_number(7), 0, 1))];
        let memory = Memory { disputed: Some(60), parts, ..memory.clone() };
        let (resumed, _) = Reassembly::resume(MOST, &memory);
        assert_eq!((resumed.disputed(), whole(&resumed).last()), (None, Some(&first_number(7))));
    }
}

/// Checks the same for a number of which a part of another message is there, that has not come whole.
#[test]
fn nothing_is_taken_behind_a_number_of_two_messages_of_which_neither_is_whole() {
    let mut reassembly = Reassembly::new(MOST);
    come(&mut reassembly, &fragment(0, 0, 3));
    let other = Fragment { message: MessageId::new([77; 16]), ..fragment(0, 1, 3) };
    assert_eq!(reassembly.take_behind(&Part::of(&other), 0, 0), Taken::Known);
    assert_eq!(reassembly.disputed(), Some(0));
    assert_eq!(reassembly.take_behind(&Part::of(&fragment(1, 0, 1)), 0, 0), Taken::Known);
    let acknowledgement = reassembly.acknowledgement();
    let name = Name::of(0, fragment(0, 0, 3).message);
    assert_eq!(acknowledgement.partial, [Partial { name, ranges: vec![(0, 1)] }]);
    assert_eq!(whole(&reassembly), []);
}

/// Checks the same where the second message of that number has not come, and the first letter to come is
/// of what stands behind it: the letter names what it waits for. What was told of before is not told
/// of under another name, and what waits for what is open is not either.
#[test]
fn nothing_is_taken_behind_a_number_whose_message_is_called_otherwise() {
    let name = |number: u64, id: u8| Name::of(number, MessageId::new([id; 16])).short();
    let mut reassembly = Reassembly::new(MOST);
    for sequence in 0..3 {
        come(&mut reassembly, &fragment(sequence, 0, 1));
    }
    come_behind(&mut reassembly, &fragment(4, 0, 2), 0);
    let part = |number| Part::of(&fragment(number, 0, 1));
    assert_eq!(reassembly.take_behind(&part(5), 1, name(4, 4)), Taken::New, "it waits for that");
    assert_eq!(reassembly.take_behind(&part(3), 1, name(2, 2)), Taken::New);
    assert_eq!(reassembly.disputed(), None);
    // Its sender hears what is there.
    assert_eq!(reassembly.take_behind(&part(6), 2, name(4, 77)), Taken::Known);
    assert_eq!(reassembly.disputed(), Some(4));
    assert_eq!(reassembly.take_behind(&part(3), 1, name(2, 77)), Taken::Known);
    assert_eq!(reassembly.disputed(), Some(2));
    let address = Part::of(&address(9, 0, 2));
    assert_eq!(reassembly.take_behind(&address, 0, 0), Taken::New);
    let new = first_number(7);
    reassembly.hear(&open(new), Steady::BEGIN);
    assert_eq!((reassembly.disputed(), reassembly.below()), (None, new));
}

/// Checks that a dispute ends with the message that was given a number again, also when its sender had
/// given it up, and all before the next, before a copy of it came: the sender does not notice that it
/// goes on from an older copy, for nothing tells it so.
#[test]
fn a_dispute_over_what_was_given_up_does_not_last() {
    let mut reassembly = Reassembly::new(MOST);
    for sequence in 0..100 {
        come(&mut reassembly, &fragment(sequence, 0, 1));
    }
    reassembly.hear(&open(98), Steady::BEGIN);
    reassembly.hear(&open(100), Steady::BEGIN);
    let other = Fragment { message: MessageId::new([77; 16]), ..fragment(98, 0, 1) };
    let hour = |hour: u32| Steady::BEGIN + Duration::from_secs(3600) * hour;
    reassembly.hear(&open(98), hour(5));
    assert_eq!(reassembly.take_behind(&Part::of(&other), 0, 0), Taken::Known);
    assert_eq!(reassembly.disputed(), Some(98));
    let later = Part::of(&fragment(100, 0, 1));
    for (open_of, left) in [(98, 6), (100, 4), (100, 5)] {
        // Of before it was given up; of before the sender went back to an older copy.
        reassembly.hear(&open(open_of), hour(left));
        assert_eq!(reassembly.take_behind(&later, 0, 0), Taken::Known);
    }
    reassembly.hear(&open(100), hour(6));
    assert_eq!(reassembly.disputed(), None);
    assert_eq!(come_behind(&mut reassembly, &fragment(100, 0, 1), 0), [100]);
}
