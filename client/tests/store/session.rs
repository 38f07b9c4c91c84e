//! Sessions without a link, and the end of a client's tasks.

use std::sync::Arc;

use rohrpost_client::{Agent, Content, PostError, Session, Store, StoreError, VaultError};

use super::world::{Client, DAY, Folder, START, network, unlock};

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
