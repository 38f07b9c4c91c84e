//! Sessions without a link, and the end of a client's tasks.

use std::sync::Arc;

use rohrpost_client::api::Request;
use rohrpost_client::{
    Agent, Content, PostError, Profile, Session, Store, StoreError, VaultError, unix_now,
};

use super::world::{Client, DAY, Folder, PERIOD, START, network, unlock};

#[tokio::test]
async fn a_post_before_the_first_link_is_refused_for_what_it_is() {
    let folder = Folder::new("session-post");
    let [alice, bob] = Client::pair(&folder);
    alice.store.accept("bob", &Content::text("hello"), DAY, START).unwrap();
    let contacts = alice.store.correspondents().unwrap();
    // Nobody answers at the addresses of this network.
    let waiting = Session::start(&alice.network, alice.store.profile().unwrap(), contacts).unwrap();
    for session in [waiting, Session::offline()] {
        let message = alice.waiting(bob.key()).remove(0);
        let refused = session.post(bob.key(), message).await;
        assert_eq!(refused, Err(PostError::NotConnected));
    }
    assert!(PostError::NotConnected.to_string().contains("once it is connected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_its_store_end_with_the_last_clone() {
    let folder = Folder::new("session-clones");
    let Client { store, home, .. } = Client::new(&folder, "alice");
    let agent = Agent::start_offline(Arc::new(network()), store).unwrap();
    let clone = agent.clone();
    drop(agent);
    let open = || Store::open(&home, &unlock(), &network());
    assert!(matches!(open().err(), Some(StoreError::Vault(VaultError::InUse(_)))));
    drop(clone);
    while let Err(error) = open() {
        assert!(matches!(error, StoreError::Vault(VaultError::InUse(_))), "{error}");
        tokio::task::yield_now().await;
    }
}

/// Checks that a client whose link is down for days goes through no address versions, of which it
/// could tell nobody.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_rolls_without_a_link() {
    let folder = Folder::new("session-roll");
    let network = Arc::new(network());
    let days_ago = unix_now() - PERIOD;
    let home = folder.path("alice");
    let profile = Profile::create(&network.roster, Some("north")).unwrap();
    let store = Store::create(&home, &unlock(), &network, &profile, days_ago).unwrap();
    // Nobody answers at the addresses of this network.
    let agent = Agent::start(Arc::clone(&network), store).unwrap();
    for _ in 0..50 {
        agent.ask(Request::Health {}).await.unwrap();
    }
    agent.end().await;
    drop(agent);
    let store = Store::open(&home, &unlock(), &network).unwrap();
    assert_eq!(store.profile().unwrap().account.prekeys.len(), 1);
    assert!(store.roll(days_ago + PERIOD).unwrap(), "it was due");
}

/// Checks that a machine's clock that is a year ahead erases nothing at the start: no link has shown
/// the date.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_before_a_link_has_shown_the_date() {
    let folder = Folder::new("session-date");
    let network = Arc::new(network());
    // For the store, the machine's clock is a year ahead.
    let date = unix_now() - DAY * 365;
    let home = folder.path("alice");
    let profile = Profile::create(&network.roster, Some("north")).unwrap();
    let store = Store::create(&home, &unlock(), &network, &profile, date).unwrap();
    assert!(store.roll(date + PERIOD).unwrap());
    // Nobody answers at the addresses of this network.
    let agent = Agent::start(Arc::clone(&network), store).unwrap();
    for _ in 0..50 {
        agent.ask(Request::Health {}).await.unwrap();
    }
    agent.end().await;
    drop(agent);
    let store = Store::open(&home, &unlock(), &network).unwrap();
    assert_eq!(store.profile().unwrap().account.prekeys.len(), 2);
}
