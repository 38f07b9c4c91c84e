//! Stories of the last-resort prekey, which outlives all others.

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{
    Fragment, FragmentPosition, Kind, MessageId, PrekeySecret, Standing, seal,
};
use rohrpost_proto::courier::{Contact, Event, Memory};
use rohrpost_proto::instruction::Store;
use rohrpost_proto::time::Time;

use crate::world::{Carried, START, account, message};
use crate::{SECOND, alice_and_bob, count};

/// Checks that an address finds a contact whose prekeys have all ended, by the last-resort prekey, once
/// the contact's own address is twelve days old: though the contact was heard of this minute, for what it
/// wrote may be but a part of its newer address.
#[test]
fn an_address_finds_whoever_has_erased_all_prekeys_of_before() {
    for days in [11, 13] {
        let (mut world, alice, bob) = alice_and_bob();
        let to = world.key_id(bob);
        let memory = Memory { heard: Some(START), ..Memory::default() };
        world.couriers[alice].resume(to, 0, 0, &memory);
        let made = Some(Time::from_micros(START.micros() - days * 86_400_000_000));
        let contact = Contact { made, ..world.couriers[bob].contact() };
        world.couriers[alice].add_contact(contact);
        let mut renewed = account(77, &[3, 4]);
        renewed.prekeys = vec![PrekeySecret::from_seed(&[7; 96])];
        world.couriers[bob].renew_account(renewed);
        let mut address = message("", 1);
        address.kind = Kind::Address;
        world.couriers[alice].announce(to, address);
        world.run(START + SECOND * 60);
        let told = |event: &Event| match event {
            Event::Complete { messages, .. } => messages.iter().any(|of| of.kind == Kind::Address),
            _ => false,
        };
        assert_eq!(count(&world, bob, told), usize::from(days > 12), "{days} days");
    }
}

/// Checks that nothing but addresses is taken under the last-resort prekey: it lives for months, and
/// what is sealed to it can be opened for as long.
#[test]
fn the_last_resort_prekey_opens_addresses_alone() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 20);
    let contact = world.couriers[bob].contact();
    let (mailbox, last_resort) = (&contact.mailboxes[0], contact.last_resort.as_ref().unwrap());
    let (mut arrived, mut end) = (Vec::new(), START + SECOND * 20);
    for kind in [Kind::Content, Kind::Acknowledgement, Kind::Address] {
        let fragment = Fragment {
            message: MessageId::new([kind.byte(); 16]),
            kind,
            sequence: 1,
            position: FragmentPosition::WHOLE,
            minutes: 0,
            standing: Standing::default(),
            body: b"under the last resort".to_vec().into(),
        };
        let (sender, network) = (account(3, &[2, 3]).identity, world.roster.network_id);
        let mut rng = ChaCha20Rng::from_seed([kind.byte(); 32]);
        let envelope =
            seal::<Classic>(&sender, &contact.identity, last_resort, &network, &fragment, &mut rng);
        let store = Store {
            mailbox: mailbox.id,
            write_key: mailbox.write_key.clone(),
            envelope: envelope.unwrap(),
        };
        let (at, from) = (START + SECOND * 20, Some(alice));
        world.serve_again(&Carried { at, relay: mailbox.relay, mailbox: mailbox.id, from, store });
        end = end + SECOND * 20;
        world.run(end);
        arrived.push(count(&world, bob, |event| matches!(event, Event::Arrived { .. })));
    }
    assert_eq!(arrived, [0, 0, 1]);
}
