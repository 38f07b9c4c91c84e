//! An agent under the dates that its links show.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rohrpost_network::unix_now;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Event, Twin};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Agreement;

use super::*;
use crate::api::SendRequest;
use crate::content::Content;
use crate::profile::Profile;
use crate::session::SessionError;
use crate::store::DeliveryStatus;
use world::{
    Client, DAY, Folder, SECOND, START, carry, complete, fragments, network, signed_network, unlock,
};

mod receiving;
mod room;
mod rosters;

#[expect(dead_code, reason = "its other stories are those of the store")]
#[path = "../../tests/store/world.rs"]
pub(super) mod world;

/// An agent of a client's store, without a session's task.
fn agent(store: Store) -> AgentTask {
    try_agent(store).unwrap()
}

fn try_agent(store: Store) -> Result<AgentTask, AgentError> {
    agent_in(network(), store)
}

/// A later network of these stories, in which a relay is left out.
fn network_without(relay: NodeNumber) -> Network {
    let (trust, text, signatures) = signed_network("store", 2, Some(relay));
    let roster = Roster::verify(&text, &signatures, &trust, START.as_secs()).unwrap();
    Network { trust: Arc::new(trust), roster: Arc::new(roster) }
}

fn agent_in(network: Network, store: Store) -> Result<AgentTask, AgentError> {
    let store = BlockingStore::new(store);
    AgentTask::new(Arc::new(network), store, offline(), Clocks::of_machine())
}

/// Checks that the begin of an agent without a link reads as little of a store with many contacts as
/// of one with few: what a session would go on with is not gathered.
#[tokio::test(flavor = "multi_thread")]
async fn a_begin_without_a_link_reads_no_contacts() {
    let folder = Folder::new("agent-offline");
    let read = [1, 20].map(|contacts| {
        let client = Client::new(&folder, &format!("with-{contacts}"));
        for number in 0..contacts {
            let contact = Profile::create(&client.network.roster, None).unwrap().account.contact();
            client.store.add_contact(&format!("contact-{number}"), contact, unix_now()).unwrap();
        }
        let Client { network, store, .. } = client.reopen();
        let task = AgentTask::begin(Arc::new(network), store, offline()).unwrap();
        task.store.with(|store| Ok(store.records_opened())).unwrap()
    });
    assert_eq!(read[0], read[1]);
}

/// A link comes up and shows a date.
async fn link(agent: &mut AgentTask, date: Duration, agreement: Agreement) {
    agent.handle_event(SessionEvent::Connected { clock_ahead: 0 }).await;
    let (up, time) = (nodes(agent), Time::from_micros(0) + date);
    agent.handle_event(SessionEvent::View { up, shortage: None, time, agreement }).await;
}

/// All nodes of a client's network.
fn nodes(agent: &AgentTask) -> BTreeSet<NodeNumber> {
    agent.network.roster.nodes().map(|node| node.number).collect()
}

/// Checks that an entry relay that shows a client announcements of weeks ago, right after its start,
/// erases none of its prekeys by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_date_of_weeks_ago_erases_no_prekey() {
    let folder = Folder::new("agent-weeks-ago");
    let (now, network) = (unix_now(), network());
    let home = folder.path("alice");
    let profile = Profile::create(&network.roster, Some("north")).unwrap();
    let store = Store::create(&home, &unlock(), &network, &profile, now - DAY * 20).unwrap();
    (1..7).for_each(|time| assert!(store.roll(now - DAY * (20 - 3 * time)).unwrap()));
    let mut alice = agent(store);
    link(&mut alice, now, Agreement::All).await;
    let prekeys = |agent: &AgentTask| {
        let account = agent.store.with(Store::profile).unwrap().account;
        account.prekeys.iter().map(|prekey| prekey.public().id()).collect::<Vec<_>>()
    };
    let before = prekeys(&alice);
    drop(alice);

    let store = Store::open(&home, &unlock(), &network).unwrap();
    let mut alice = agent(store);
    link(&mut alice, now - DAY * 20, Agreement::Nodes).await;
    link(&mut alice, now, Agreement::All).await;
    alice.maintain(1).await;
    let after = prekeys(&alice);
    assert!(before.iter().all(|prekey| after.contains(prekey)), "{} are left", after.len());
}

/// Checks that a date that was too late by a relay's and a machine's clock is left again as soon as
/// all clocks agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_was_too_late_is_left_when_all_clocks_agree() {
    let folder = Folder::new("agent-too-late");
    let now = unix_now();
    let Client { store, .. } = Client::new(&folder, "alice");
    let mut alice = agent(store);
    link(&mut alice, now + DAY * 365, Agreement::Machine).await;
    link(&mut alice, now, Agreement::Nodes).await;
    assert!(alice.date.unix().unwrap() >= now + DAY * 365);
    link(&mut alice, now, Agreement::All).await;
    assert!(alice.date.unix().unwrap() < now + DAY);
}

/// Checks that a client whose machine's clock is a year behind, which its relay and other nodes show,
/// keeps what it has read and what was delivered.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_by_a_machine_that_is_a_year_behind_stays() {
    let folder = Folder::new("agent-behind");
    let [alice, bob] = Client::pair(&folder);
    let (now, bobs_key, alices_key) = (unix_now(), bob.key(), alice.key());
    let date = now + DAY * 365;
    bob.store.accept("alice", &Content::text("x"), DAY, date).unwrap();
    let letter = bob.waiting(alices_key).remove(0);
    let sent = alice.store.accept("bob", &Content::text("y"), DAY, now).unwrap().id;
    let mut alice = agent(alice.store);
    link(&mut alice, date, Agreement::Nodes).await;
    let parts = fragments(&letter);
    let parts = parts.iter().map(|fragment| (bobs_key, fragment));
    alice.store.with(|store| store.store_letters(parts, [], START)).unwrap();
    let messages = vec![complete(&letter)];
    let below = letter.sequence + 1;
    for event in [
        Event::Complete { sender: bobs_key, messages, below, floor: 0, short: 1 },
        Event::Delivered { message: sent },
    ] {
        alice.handle_event(SessionEvent::Courier(event)).await;
    }
    let inbox = alice.store.with(|store| store.inbox(0)).unwrap();
    assert!(inbox.len() == 1 && inbox[0].arrived + SECOND >= date);
    alice.store.with(|store| store.acknowledge(&[inbox[0].number], date)).unwrap();
    alice.maintain(1).await;
    assert_eq!(alice.store.with(|store| store.inbox(0)).unwrap().len(), 1);
    assert!(alice.store.with(|store| store.outgoing(sent)).unwrap().is_some());
}

/// Checks that a letter that is written while the machine's clock is two weeks behind is given its
/// time from the date on: it must not be over once that clock is set right.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_machine_that_is_behind_expires_by_the_date() {
    let folder = Folder::new("agent-expiry");
    let [alice, _bob] = Client::pair(&folder);
    let date = unix_now() + DAY * 14;
    let mut alice = agent(alice.store);
    link(&mut alice, date, Agreement::Nodes).await;
    let (to, text) = ("bob".to_owned(), Some("x".to_owned()));
    let send =
        SendRequest { to, text, expires_after: Some(DAY.as_secs() * 7), ..SendRequest::default() };
    alice.answer(Request::Send(send), Asker::User).await.unwrap();
    let outbox = alice.store.with(Store::outbox).unwrap();
    let letter = outbox.first().unwrap();
    assert!(letter.expires + SECOND >= date + DAY * 7);
}

/// Checks that a letter that is written before a link has shown the date is given its time from then on,
/// though the machine's clock was far off when it was written, in this run or in one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_written_before_the_date_is_known_lives_from_the_first_link_on() {
    for date in [unix_now() + DAY * 365, START + DAY] {
        let folder = Folder::new("agent-undated");
        let [alice, _bob] = Client::pair(&folder);
        let mut before = agent(alice.store);
        let send = |text: &str| {
            let (to, text) = ("bob".to_owned(), Some(text.to_owned()));
            let expires_after = Some(DAY.as_secs() * 7);
            Request::Send(SendRequest { to, text, expires_after, ..SendRequest::default() })
        };
        before.answer(send("of the run before"), Asker::User).await.unwrap();
        drop(before);
        let store = Store::open(&folder.path("alice"), &unlock(), &network()).unwrap();
        let mut alice = agent(store);
        alice.answer(send("of this run"), Asker::User).await.unwrap();
        link(&mut alice, date, Agreement::Nodes).await;
        alice.maintain(1).await;
        for letter in alice.store.with(Store::outbox).unwrap() {
            assert_eq!(letter.status, DeliveryStatus::Queued);
            let [accepted, expires] = [letter.accepted, letter.expires].map(|at| at + SECOND);
            assert!(accepted >= date && accepted < date + DAY);
            assert!(expires >= date + DAY * 7 && expires < date + DAY * 8);
        }
    }
}

/// Checks that a contact that shows an older copy in each of its letters has a client begin anew once an
/// hour, and not with each of them: whatever is shown meanwhile is acted on when the hour is over, also
/// in the next run.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_that_is_shown_in_each_letter_is_acted_on_once_an_hour() {
    let folder = Folder::new("agent-liar");
    let [alice, bob] = Client::pair(&folder);
    let (bobs_key, date) = (bob.key(), unix_now());
    let since = |agent: &AgentTask| {
        let resumed = agent.store.with(|store| store.correspondent(bobs_key)).unwrap().unwrap();
        resumed.memory.since
    };
    let shows = || SessionEvent::Courier(Event::OlderCopy { contact: bobs_key, heard_of: 0 });
    let mut alice = agent(alice.store);
    link(&mut alice, date, Agreement::Nodes).await;
    let before = since(&alice);
    alice.handle_event(shows()).await;
    let first = since(&alice);
    assert!(first > before);
    let prekeys =
        |agent: &AgentTask| agent.store.with(Store::profile).unwrap().account.prekeys.len();
    let made = prekeys(&alice);
    for _ in 0..5 {
        alice.handle_event(shows()).await;
    }
    alice.maintain(1).await;
    assert_eq!((since(&alice), prekeys(&alice)), (first, made));
    link(&mut alice, date + Duration::from_secs(3601), Agreement::Nodes).await;
    alice.maintain(1).await;
    let second = since(&alice);
    assert!(second > first && prekeys(&alice) == made);
    alice.maintain(1).await;
    assert_eq!(since(&alice), second, "it was put off once");
}

/// Goes through the daily check of an agent's store.
fn check(agent: &mut AgentTask) -> Vec<String> {
    let hour = Duration::from_secs(3600);
    loop {
        agent.keep_house();
        if agent.housekeeping.due() > Instant::now() + hour {
            return agent.watch.health(Instant::now()).problems;
        }
    }
}

/// Damage in a page that an opening does not read: the daily check finds it, and the status tells.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_by_the_daily_check_and_told() {
    let folder = Folder::new("agent-check");
    let [alice, bob] = Client::pair(&folder);
    for _ in 0..40 {
        alice.store.accept("bob", &Content::text(&"a".repeat(3000)), DAY, unix_now()).unwrap();
    }
    carry(&alice, &bob, unix_now());
    let file = bob.file();
    let Client { home, network, store } = bob;
    drop(store);
    let (image, seals) = (file.clone(), file.with_extension("vault.seals"));
    let [image, seals] = [image, seals].map(|path| (std::fs::read(&path).unwrap(), path));
    let put = |(bytes, path): &(Vec<u8>, std::path::PathBuf)| std::fs::write(path, bytes).unwrap();
    let mut told = 0;
    for at in (3 * 4096 + 100..image.0.len()).step_by(4096) {
        let mut damaged = image.clone();
        damaged.0[at] ^= 1;
        put(&damaged);
        put(&seals);
        let Ok(store) = Store::open(&home, &unlock(), &network) else { continue };
        let Ok(mut agent) = try_agent(store) else { continue };
        let problems = check(&mut agent);
        let named = |problem: &String| problem.contains(&*file.to_string_lossy());
        assert!(problems.iter().all(named), "{problems:?}");
        told += problems.len();
    }
    assert!(told > 20, "{told}");
    put(&image);
    let store = Store::open(&home, &unlock(), &network).unwrap();
    assert!(check(&mut agent(store)).is_empty());
}

/// Checks that a complete message of which the store could take no note comes before the next.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_taken_note_of_comes_before_what_is_later() {
    let folder = Folder::new("agent-untaken");
    let [alice, bob] = Client::pair(&folder);
    let (bobs_key, alices_key) = (bob.key(), alice.key());
    for text in ["one", "two"] {
        bob.store.accept("alice", &Content::text(text), DAY, unix_now()).unwrap();
    }
    let letters = bob.waiting(alices_key);
    let file = alice.file();
    let mut alice = agent(alice.store);
    for letter in &letters {
        let parts = fragments(letter);
        let parts = parts.iter().map(|fragment| (bobs_key, fragment));
        alice.store.with(|store| store.store_letters(parts, [], START)).unwrap();
    }
    let away = folder.path("away");
    std::fs::rename(&file, &away).unwrap();
    alice.store.reopen().unwrap_err();
    for letter in &letters {
        let (messages, below) = (vec![complete(letter)], letter.sequence + 1);
        let event = Event::Complete { sender: bobs_key, messages, below, floor: 0, short: 1 };
        alice.handle_event(SessionEvent::Courier(event)).await;
        if !file.exists() {
            std::fs::rename(&away, &file).unwrap();
            alice.store.reopen().unwrap();
        }
    }
    let inbox = alice.store.with(|store| store.inbox(0)).unwrap();
    assert!(inbox.iter().map(|incoming| incoming.id).eq(letters.iter().map(|letter| letter.id)));
}

/// Checks that a client ends when it hears that it runs elsewhere, and tells when that is to end.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_copies_one_ends_and_the_other_tells_its_user() {
    let folder = Folder::new("agent-twin");
    let mut alice = agent(Client::new(&folder, "alice").store);
    let twin = |twin| SessionEvent::Courier(Event::Twin(twin));
    alice.handle_event(twin(Twin::Later)).await;
    assert!(alice.ending.is_none());
    let problems = alice.watch.health(Instant::now()).problems;
    assert!(problems.len() == 1 && problems[0].contains("another copy"), "{problems:?}");
    alice.handle_event(twin(Twin::Earlier)).await;
    assert!(matches!(alice.ending.take(), Some(AgentError::Twin)));
    alice.handle_event(twin(Twin::Moved { incarnation: 1_800_000_000 })).await;
    let told = alice.ending.take().unwrap().to_string();
    assert!(told.contains("moved on 2027-01-15"), "{told}");
    drop(alice);
    let store = Store::open(&folder.path("alice"), &unlock(), &network()).unwrap();
    let again = Agent::start(Arc::new(network()), store);
    assert!(matches!(again.err(), Some(AgentError::Moved(_))));
}

/// Checks that a mailbox whose relay the roster does not name any more is replaced as soon as the
/// client is online, though the other may not have answered yet, and that contacts are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_relay_is_retired_is_replaced() {
    let folder = Folder::new("agent-retired");
    let [alice, bob] = Client::pair(&folder);
    let bob = bob.key();
    let mailboxes = |store: &Store| {
        let mailboxes = store.profile().unwrap().account.mailboxes;
        mailboxes.iter().map(|own| own.relay).collect::<Vec<_>>()
    };
    let before = mailboxes(&alice.store);
    let (retired, stays) = (before[0], before[1]);
    let network = network_without(retired);
    let relays = network.roster.relays().map(|relay| relay.number).collect::<Vec<_>>();
    let mut alice = agent_in(network, alice.store).unwrap();
    let problems = |agent: &AgentTask| agent.watch.health(Instant::now()).problems;
    let named = format!("the mailbox at node {retired} is lost, for roster 2 does not name");
    assert!(problems(&alice).iter().any(|problem| problem.contains(&named)));
    alice.maintain(1).await;
    assert_eq!(alice.store.with(|store| Ok::<_, StoreError>(mailboxes(store))).unwrap(), before);
    link(&mut alice, unix_now(), Agreement::All).await;
    alice.maintain(1).await;
    let after = alice.store.with(|store| Ok::<_, StoreError>(mailboxes(store))).unwrap();
    assert!(after[1] == stays && after[0] != retired && relays.contains(&after[0]), "{after:?}");
    assert!(problems(&alice).is_empty(), "{:?}", problems(&alice));
    alice.maintain(12 * 60).await;
    let announcement = alice.store.with(|store| store.announcement(bob)).unwrap();
    assert!(announcement.is_some(), "the contact is to hear of it");
}

/// Checks that letters of somebody unknown become a request and nothing else, that it is told, and that
/// whoever is accepted is a contact who is to hear the own address.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_unknown_is_told_of_and_accepted() {
    let folder = Folder::new("agent-stranger");
    let [alice, mallory] = ["alice", "mallory"].map(|name| Client::new(&folder, name));
    mallory.store.add_contact("alice", alice.card(START), START).unwrap();
    mallory.store.accept("alice", &Content::text("let me in"), DAY, START).unwrap();
    let (key, alices) = (mallory.key(), alice.key());
    let identity = mallory.store.profile().unwrap().account.identity.public().clone();
    let mut letters: Vec<_> = mallory.waiting(alices);
    letters.extend(mallory.announcement(alices));
    let mut alice = agent(alice.store);
    let mut notices = alice.notices.subscribe();
    for fragment in letters.iter().flat_map(fragments) {
        let (identity, fragment) = (identity.clone(), Box::new(fragment));
        let event = SessionEvent::Courier(Event::Stranger { identity, fragment });
        alice.handle_event(event).await;
    }
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        let Notice::Request(request) = notice else { panic!("nothing else has happened") };
        told.push(request);
    }
    let request = told.pop().unwrap();
    assert!(request.messages == 1 && request.ready && request.contact.len() == 64);
    let counts = Request::Status { from: 0, limit: Some(0), open: false };
    let Ok(Response::Status(status)) = alice.answer(counts, Asker::User).await else {
        panic!("the counts are given");
    };
    assert_eq!((status.requests, status.unread, status.owed), (1, 0, 0));
    let accept = |request: &str, name: &str| Request::Accept {
        request: request.to_owned(),
        name: name.to_owned(),
        reuse_name: false,
    };
    for (request, name, code) in [
        ("00000000", "max", FailureCode::UnknownRequest),
        ("max", "max", FailureCode::Request),
        (&request.contact[..8], "-x", FailureCode::Name),
    ] {
        let refused = alice.answer(accept(request, name), Asker::User).await;
        assert!(refused.is_err_and(|failure| failure.code == code));
    }
    let program = Asker::Program.check(&Request::Requests {});
    assert!(program.is_err_and(|failure| failure.code == FailureCode::Denied));
    alice.answer(accept(&request.contact[..8], "max"), Asker::User).await.unwrap();
    let known = alice.store.with(|store| store.contact("max")).unwrap();
    assert!(known.key() == key && known.address.version > 0);
    assert!(alice.store.with(|store| store.announcement(key)).unwrap().is_some());
    assert!(alice.store.with(Store::requests).unwrap().is_empty());
}
