//! An agent whose network changes: newer rosters, entries that are retired or chosen.

use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::render_signatures;

use super::super::entrance::Step;
use super::*;
use crate::api::EntryPlaces;

/// The second roster, in which a relay is left out, as a link brings it.
fn second(without: NodeNumber) -> SessionEvent {
    let (_, roster, signatures) = signed_network("store", 2, Some(without));
    let files = RosterFiles { roster, signatures: render_signatures(&signatures) };
    let roster = Arc::clone(&Arc::new(network_without(without)).roster);
    SessionEvent::Roster { roster, files: Arc::new(files) }
}

/// Asserts that a client enters at its first spare relay, which the store knows as well, with spare ones
/// that the roster names.
async fn assert_moved(agent: &mut AgentTask, before: &Profile, without: NodeNumber) {
    let profile = agent.store.with(Store::profile).unwrap();
    assert_eq!(profile.entry, before.spare_entries[0]);
    assert_eq!(agent.entrance.present(), profile.entry);
    link(agent, unix_now(), Agreement::All).await;
    agent.maintain(1).await;
    agent.maintain(1).await;
    let profile = agent.store.with(Store::profile).unwrap();
    assert_eq!(profile.spare_entries.len(), 2);
    assert!(!profile.spare_entries.contains(&without));
    assert_eq!(beside(agent), None, "it has an operator of its own");
}

/// A mailbox that is at a relay of the entry's operator.
fn beside(agent: &AgentTask) -> Option<NodeNumber> {
    agent.store.with(Store::profile).unwrap().beside_entry(&agent.network.roster)
}

/// Checks that a client takes a roster over that a link brings, keeps it, and leaves an entry that it does
/// not name; and that it starts with that roster from then on, whatever files it is given.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_roster_is_kept_and_an_entry_that_it_does_not_name_left() {
    let folder = Folder::new("agent-newer-roster");
    let alice = Client::new(&folder, "alice");
    let before = alice.store.profile().unwrap();
    let mut alice_runs = agent(alice.store);
    link(&mut alice_runs, unix_now(), Agreement::All).await;
    alice_runs.handle_event(second(before.entry)).await;
    assert_eq!(alice_runs.network.roster.version, 2);
    assert_moved(&mut alice_runs, &before, before.entry).await;
    let health = alice_runs.watch.health(Instant::now());
    assert!(health.roster == 2 && health.problems.is_empty(), "{:?}", health.problems);
    drop(alice_runs);
    let store = Store::open(&alice.home, &unlock(), &network()).unwrap();
    let again = agent(store);
    assert_eq!(again.network.roster.version, 2);
    assert_eq!(again.entrance.own(), before.spare_entries[0]);
}

/// Checks that a client that starts with a roster which does not name its entry goes on at another.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_entry_was_retired_while_it_was_off_enters_through_another() {
    let folder = Folder::new("agent-no-entry");
    let alice = Client::new(&folder, "alice");
    let before = alice.store.profile().unwrap();
    let mut alice = agent_in(network_without(before.entry), alice.store).unwrap();
    assert_moved(&mut alice, &before, before.entry).await;
}

/// Checks that a user says where a client enters, and is told of names that are none; and that a mailbox of
/// the same operator does not move as the client comes, but in the course of weeks online.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_enters_where_its_user_says() {
    let folder = Folder::new("agent-entry");
    let alice = Client::new(&folder, "alice");
    let before = alice.store.profile().unwrap();
    let mut alice = agent(alice.store);
    let name = alice.network.roster.name_of(before.spare_entries[1]);
    let strange = alice.entry_places(Some("relay-of-nobody")).await.err().unwrap();
    assert!(strange.code == FailureCode::UnknownRelay && strange.message.contains(&name));
    let EntryPlaces { entry, present, spares } = alice.entry_places(Some(&name)).await.unwrap();
    assert_eq!((&entry, &present, spares.len()), (&name, &name, 2));
    let profile = alice.store.with(Store::profile).unwrap();
    assert_eq!(profile.entry, before.spare_entries[1]);
    assert_eq!(profile.spare_entries, [before.spare_entries[0], before.entry]);
    assert!(beside(&alice).is_some(), "of four operators two have mailboxes");
    link(&mut alice, unix_now(), Agreement::All).await;
    alice.maintain(0).await;
    assert!(beside(&alice).is_some());
    for _ in 0..60 {
        alice.maintain(24 * 60).await;
    }
    assert_eq!(beside(&alice), None);
}

/// Checks that silence counts over runs, of which each may be short: a spare relay serves each then, and
/// does not end it. One run that is long enough to try the own one again does, if that serves.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_silent_in_many_short_runs_is_left() {
    let folder = Folder::new("agent-short-runs");
    let alice = Client::new(&folder, "alice");
    let before = alice.store.profile().unwrap();
    let spare = before.spare_entries[0];
    drop(alice.store);
    // A run of so many minutes, in which those relays serve; gives where the client is then.
    let run = async |minutes: u64, serves: &dyn Fn(NodeNumber) -> bool| {
        let store = Store::open(&alice.home, &unlock(), &network()).unwrap();
        let mut alice = agent(store);
        for _ in 0..=minutes {
            alice.maintain(1).await;
            if serves(alice.entrance.present()) {
                link(&mut alice, unix_now(), Agreement::All).await;
            } else {
                alice.handle_event(SessionEvent::Disconnected(SessionError::Lost)).await;
            }
        }
        alice.note_run();
        alice.entrance.present()
    };
    for _ in 0..12 {
        assert_eq!(run(0, &|_| false).await, before.entry);
    }
    for _ in 0..3 {
        assert_eq!(run(0, &|relay| relay == spare).await, spare);
    }
    assert_eq!(run(3, &|_| true).await, before.entry, "it serves again, and is not left");
    assert_eq!(run(0, &|_| true).await, before.entry);
}

/// Checks that a relay that does not serve for six hours is left for one that does, and that the client
/// is told to be there only then.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_silent_for_hours_is_left() {
    let folder = Folder::new("agent-silent-entry");
    let alice = Client::new(&folder, "alice");
    let before = alice.store.profile().unwrap();
    let clocks = SimulatedClocks::new(Time::from_micros(0) + START);
    let store = BlockingStore::new(alice.store);
    let of = Clocks::Simulated(clocks.clone());
    let mut alice = AgentTask::new(Arc::new(network()), store, offline(), of).unwrap();
    let mut places = vec![before.entry];
    for minute in 0..8 * 60 {
        let time = Duration::from_secs(60 * minute);
        clocks.set(time, Time::from_micros(0) + START + time);
        let silent = alice.entrance.present() == before.entry;
        if silent || minute < 60 {
            alice.handle_event(SessionEvent::Disconnected(SessionError::Lost)).await;
        } else {
            link(&mut alice, START + time, Agreement::All).await;
        }
        alice.maintain(1).await;
        if places.last() != Some(&alice.entrance.present()) {
            places.push(alice.entrance.present());
        }
    }
    let spare = before.spare_entries[0];
    assert_eq!(places, [before.entry, spare, before.entry, spare]);
    assert_eq!(alice.store.with(Store::profile).unwrap().entry, spare);
    assert_eq!(alice.entrance.step(true, alice.clocks.instant()), None::<Step>);
}
