use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::{Agreement, Disagreement};

use super::super::tests::world::network;
use super::*;
use crate::session::SessionError;

const NORTH: NodeNumber = NodeNumber::new(1);
const SOUTH: NodeNumber = NodeNumber::new(2);
const MINUTE: Duration = Duration::from_secs(60);

/// A client that has just come online, with mailboxes at two relays.
fn watch(now: Instant) -> Watch {
    let mut watch = Watch::new("relay-east".to_owned(), &network().roster, now);
    watch.follow(&[(NORTH, "relay-north".to_owned()), (SOUTH, "relay-south".to_owned())]);
    watch.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, now);
    watch.handle_event(&view(10, None), now);
    watch
}

/// Asserts that there is one problem, and these words are in it.
#[track_caller]
fn assert_only(watch: &Watch, now: Instant, words: &str) {
    let problems = watch.health(now).problems;
    assert!(problems.len() == 1 && problems[0].contains(words), "{problems:?}");
}

#[track_caller]
fn assert_well(watch: &Watch, now: Instant) {
    let problems = watch.health(now).problems;
    assert!(problems.is_empty(), "{problems:?}");
}

fn view(up: u32, shortage: Option<Shortage>) -> SessionEvent {
    let up = (1..=up).map(NodeNumber::new).collect();
    SessionEvent::View { up, shortage, time: Time::from_micros(0), agreement: Agreement::All }
}

#[test]
fn a_link_that_is_down_is_told_with_its_reason_until_it_is_up() {
    let now = Instant::now();
    let mut watch = watch(now);
    assert_well(&watch, now);
    watch.handle_event(&SessionEvent::Disconnected(SessionError::Lost), now);
    assert_only(&watch, now, "no link to relay-east: the link to the entry relay was lost");
    assert!(!watch.health(now).online);
    watch.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, now);
    assert_well(&watch, now);
}

#[test]
fn a_relay_that_sends_no_document_is_told_of_after_half_a_minute() {
    let now = Instant::now();
    let mut watch = Watch::new("relay-east".to_owned(), &network().roster, now);
    watch.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, now);
    assert_well(&watch, now + FIRST_DOCUMENT / 2);
    let late = now + FIRST_DOCUMENT;
    assert_only(&watch, late, "relay-east has sent no network document");
    watch.handle_event(&view(9, None), late);
    assert_well(&watch, late);
    let health = watch.health(late + MINUTE);
    assert_eq!((health.nodes_up, health.nodes, health.document_age), (9, 10, Some(60)));
}

#[test]
fn a_stale_document_is_told_of_until_there_is_a_newer_one() {
    let now = Instant::now();
    let mut watch = watch(now);
    watch.handle_event(&SessionEvent::Stale, now);
    assert_only(&watch, now, "older than 120 s");
    watch.handle_event(&view(10, None), now);
    assert_well(&watch, now);
}

#[test]
fn a_document_that_names_too_little_is_told_of_with_what_is_missing() {
    let now = Instant::now();
    let mut watch = watch(now);
    let shortage = Some(Shortage::Mixes { layer: 2, up: 1, of: 3 });
    watch.handle_event(&view(7, shortage), now);
    assert_only(&watch, now, "of relay-east names only 1 of 3 mixes of layer 2: nothing leaves");
    watch.handle_event(&view(10, None), now);
    assert_well(&watch, now);
}

#[test]
fn a_clock_that_is_five_minutes_off_is_told_of() {
    let now = Instant::now();
    let mut watch = watch(now);
    let cases = [
        (299_999, None),
        (-299_999, None),
        (420_000, Some("7 minutes ahead")),
        (-300_000, Some("5 minutes behind")),
    ];
    for (clock_ahead, told) in cases {
        watch.handle_event(&SessionEvent::Connected { clock_ahead }, now);
        match told {
            Some(words) => assert_only(&watch, now, words),
            None => assert_well(&watch, now),
        }
        assert_eq!(watch.health(now).clock_ahead, Some(clock_ahead));
    }
}

#[test]
fn loops_that_stay_away_are_told_of_for_an_hour_or_two() {
    let now = Instant::now();
    let mut watch = watch(now);
    let mut handle = |count, event: fn() -> Event, now| {
        (0..count).for_each(|_| watch.handle_event(&SessionEvent::Courier(event()), now));
        [NORTH, SOUTH].into_iter().for_each(|relay| watch.answered(relay, now));
        watch.health(now).problems
    };
    assert!(handle(100, || Event::LoopSent, now).is_empty());
    assert!(handle(9, || Event::LoopLost { mailbox: 0 }, now).is_empty());
    let problems = handle(1, || Event::LoopLost { mailbox: 0 }, now);
    assert!(problems.len() == 1 && problems[0].contains("10 of 100 own loops"), "{problems:?}");
    // One in ten is much; one in a hundred is not.
    assert!(handle(900, || Event::LoopSent, now).is_empty());
    assert_eq!(handle(100, || Event::LoopLost { mailbox: 0 }, now).len(), 1);
    // In the next hour they still count, in the one after not.
    assert_eq!(handle(1, || Event::LoopSent, now + HOUR).len(), 1);
    assert!(handle(1, || Event::LoopSent, now + 2 * HOUR).is_empty());
    let health = watch.health(now);
    assert_eq!((health.loops_sent, health.loops_lost), (1002, 110));
}

/// Lets time pass in which so many nodes are up, with a document each minute; gives its end.
fn pass(watch: &mut Watch, from: Instant, time: Duration, up: u32) -> Instant {
    let minutes = u32::try_from(time.as_secs() / 60).unwrap();
    (1..=minutes).for_each(|minute| watch.handle_event(&view(up, None), from + MINUTE * minute));
    from + MINUTE * minutes
}

#[test]
fn a_mailbox_that_is_silent_is_told_of_and_replaced_while_another_answers() {
    let now = Instant::now();
    let mut watch = watch(now);
    let before = pass(&mut watch, now, LOST - MINUTE, 10);
    assert_eq!(watch.lost_mailbox(before), None, "not before its time");
    let later = pass(&mut watch, before, MINUTE, 10);
    watch.answered(SOUTH, later);
    assert_only(&watch, later, "the mailbox at relay-north has not answered for 360 minutes");
    assert_eq!(watch.lost_mailbox(later), Some(NORTH));
    // If none answers it is the client that is cut off.
    assert_eq!(watch.lost_mailbox(later + ANSWERS), None);
    watch.follow(&[(SOUTH, "relay-south".to_owned()), (NodeNumber::new(3), "new".to_owned())]);
    assert_eq!(watch.lost_mailbox(later), None);
    assert_well(&watch, later);
    let answered: Vec<_> = watch.health(later).mailboxes.iter().map(|own| own.answered).collect();
    assert_eq!(answered, [Some(0), None]);
}

/// Checks that a night without a link, as of a machine that sleeps, makes no mailbox a lost one: the
/// first one to answer in the morning would else have the other replaced.
#[test]
fn a_night_without_a_link_is_no_silence() {
    let now = Instant::now();
    let mut watch = watch(now);
    [NORTH, SOUTH].iter().for_each(|relay| watch.answered(*relay, now));
    watch.handle_event(&SessionEvent::Disconnected(SessionError::Lost), now);
    let morning = now + HOUR * 16;
    watch.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, morning);
    watch.handle_event(&view(10, None), morning + MINUTE);
    watch.answered(SOUTH, morning + MINUTE);
    assert_eq!(watch.lost_mailbox(morning + MINUTE), None);
    assert_well(&watch, morning + MINUTE);
}

/// Checks that mailboxes none of which answers are replaced if their relays are gone by the network's
/// documents, for as long as it takes elsewhere.
#[test]
fn mailboxes_whose_relays_are_gone_are_replaced_though_none_answers() {
    let now = Instant::now();
    let mut watch = watch(now);
    let silent = pass(&mut watch, now, LOST, 10);
    assert_eq!(watch.lost_mailbox(silent), None, "the relays are there");
    let nearly = pass(&mut watch, silent, LOST - MINUTE, 0);
    assert_eq!(watch.lost_mailbox(nearly), None);
    let gone = pass(&mut watch, nearly, MINUTE, 0);
    assert_eq!(watch.lost_mailbox(gone), Some(NORTH));
    let back = pass(&mut watch, gone, MINUTE, 10);
    assert_eq!(watch.lost_mailbox(back), None, "they are back");
}

/// The clock that is wrong is blamed: neither, until a document has shown which, and the relay's if
/// its link was refused for it.
#[test]
fn the_clock_that_is_wrong_is_blamed() {
    let now = Instant::now();
    let mut watch = watch(now);
    watch.handle_event(&SessionEvent::Connected { clock_ahead: -8 * 86_400_000 }, now);
    assert_only(
        &watch,
        now,
        "11520 minutes behind when compared with that of relay-east; a network",
    );
    let machine = Time::from_micros(1_795_000_000_000_000);
    let relay = machine + 8 * 1440 * MINUTE;
    let refused = Disagreement { relay, machine, nodes: Some(machine) };
    watch.handle_event(&SessionEvent::Disconnected(refused.into()), now);
    assert_only(
        &watch,
        now,
        "no link to relay-east: the relay's clock shows 2026-11-26 11:06 UTC, this",
    );
    assert_only(&watch, now, "the relay's is wrong; tell its operators; it is tried again");
    watch.handle_event(&SessionEvent::Connected { clock_ahead: -8 * 86_400_000 }, now);
    watch.handle_event(&view(10, None), now);
    assert_only(&watch, now, "this machine's clock is 11520 minutes behind; set it right");
    watch.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, now);
    assert_well(&watch, now);
}

/// Checks that another roster of the relay is given as the reason, instead of what follows from it.
#[test]
fn another_roster_of_the_relay_is_told_of_with_what_to_do() {
    let now = Instant::now();
    let mut watch = watch(now);
    watch.handle_event(&SessionEvent::Stale, now);
    for (version, words) in [
        (2, "relay-east goes by roster 2, and this client by roster 1, which is out of date"),
        (2, "`rohrpost network install DIR`"),
        (0, "until the relay has the newer one"),
        (1, "but another one of that number"),
    ] {
        watch.handle_event(&SessionEvent::OtherRoster { version }, now);
        assert_only(&watch, now, words);
    }
    watch.handle_event(&view(10, None), now);
    assert_well(&watch, now);
    let mut fresh = Watch::new("relay-east".to_owned(), &network().roster, now);
    fresh.handle_event(&SessionEvent::Connected { clock_ahead: 0 }, now);
    fresh.handle_event(&SessionEvent::OtherRoster { version: 2 }, now);
    assert_only(&fresh, now + FIRST_DOCUMENT, "goes by roster 2");
    assert_eq!(fresh.health(now).roster, 1);
}
