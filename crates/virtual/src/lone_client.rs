//! A client alone: the real courier and real packets, which are opened with the keys of all hops.
//! Gives what each slot carried and over which nodes, as all nodes together would know it.

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::Rng;
use rohrpost_packet::envelope::{Envelope, KeyId, Kind, MessageId};
use rohrpost_packet::{NodeNumber, SessionId};
use rohrpost_proto::courier::{Account, Attachment, Contact, Courier, Departure, Event, Message};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::instruction::{
    Answer, EnvelopeId, Instruction, MailboxId, RelayContext, SurbWait, WriteKey,
};
use rohrpost_proto::mix::own_client::OwnClient;
use rohrpost_proto::time::{Steady, Time};

use crate::key_ring::KeyRing;
use crate::node::{courier, rng};
use crate::roster::BEGIN;
use crate::toy::Toy;

/// A client that sends its cells to nobody.
pub struct LoneClient<'a> {
    ring: &'a KeyRing,
    entry: NodeNumber,
    courier: Courier<Toy>,
    own: Vec<(MailboxId, WriteKey)>,
    contacts: Vec<KeyId>,
    posted: u32,
    /// Letter of a contact, which the mailboxes' relays hand out with an answer again and again.
    letter: Envelope<Toy>,
    /// Time between two such answers, and of the next, if the relays do so.
    serves: Option<(Duration, Time)>,
}

/// Content of a cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// A pull of an own mailbox.
    Pull,
    /// An envelope for a contact.
    Letter,
    /// An envelope for an own mailbox.
    Loop,
    /// A packet that its relay discards.
    Cover,
}

/// A cell with a packet, and all that is known of it to who holds all keys.
pub struct Sent {
    /// Time at which the cell left.
    pub at: Time,
    /// Content of the cell.
    pub role: Role,
    /// Three mixes and the relay.
    pub path: Vec<NodeNumber>,
    /// Way of the answer of a pull: three mixes and the entry relay.
    pub answer: Option<Vec<NodeNumber>>,
    /// Mailbox and write key of an envelope.
    pub store: Option<(MailboxId, WriteKey)>,
}

impl<'a> LoneClient<'a> {
    /// A client of this entry relay, with contacts at two others, which has been told `view`.
    #[must_use]
    pub fn new(ring: &'a KeyRing, seed: u64, entry: NodeNumber, view: Arc<View<Toy>>) -> Self {
        let mut rng = rng(seed, "lone client", 0);
        let turn = turn(&mut rng);
        let account = ring.account(entry, turn, &mut rng);
        Self::with_account(ring, rng, entry, account, view)
    }

    /// The own client of a mix, which has been told `view`.
    ///
    /// # Panics
    /// The mix is not in the roster.
    #[must_use]
    pub fn of_mix(ring: &'a KeyRing, seed: u64, mix: NodeNumber, view: Arc<View<Toy>>) -> Self {
        let mut rng = rng(seed, "own client", 0);
        let operator = ring.roster().node(mix).expect("the mix is in the roster").operator.clone();
        let mut client = OwnClient::new(operator, Arc::clone(ring.shared_roster()));
        let stay = client.begin(Steady::of_clock(BEGIN), &mut rng).expect("there is a relay");
        Self::with_account(ring, rng, stay.entry, stay.account, view)
    }

    fn with_account(
        ring: &'a KeyRing,
        mut rng: ChaCha20Rng,
        entry: NodeNumber,
        account: Account,
        view: Arc<View<Toy>>,
    ) -> Self {
        let turns = [turn(&mut rng), turn(&mut rng)];
        let mut session = [0; 16];
        rng.fill_bytes(&mut session);
        let attachment = Attachment::Client { entry, session: SessionId::new(session) };
        let own = account.mailboxes.iter();
        let own = own.map(|mailbox| (mailbox.key.id(), mailbox.write_key.clone())).collect();
        let now = Steady::of_clock(BEGIN);
        let mut courier = courier(
            (now, BEGIN),
            attachment,
            account,
            ring.shared_roster(),
            ring.trust(),
            &mut rng,
        );
        courier.handle_view(now, view);
        let relays: Vec<_> = ring.roster().relays().map(|relay| relay.number).collect();
        let writers: Vec<_> = turns
            .iter()
            .cycle()
            .take(CONTACTS)
            .map(|turn| ring.account(relays[turn % relays.len()], *turn, &mut rng))
            .collect();
        let cards: Vec<Contact> = writers.iter().map(Account::contact).collect();
        let contacts = cards.iter().map(|card| card.identity.key_id()).collect();
        cards.into_iter().for_each(|card| courier.add_contact(card));
        let letter = ring.letter(&writers[0], &courier.contact(), &mut rng);
        Self { ring, entry, courier, own, contacts, posted: 0, letter, serves: None }
    }

    /// Lets the mailboxes' relays hand out one letter of a contact again and again, once in `every`;
    /// all other pulls get no answer.
    pub fn serve_again(&mut self, every: Duration) {
        self.serves = Some((every, BEGIN));
    }

    /// Entry relay of the client.
    #[must_use]
    pub const fn entry(&self) -> NodeNumber {
        self.entry
    }

    /// True if this is the newest write key of an own mailbox.
    #[must_use]
    pub fn is_current(&self, mailbox: MailboxId, key: &WriteKey) -> bool {
        self.own.iter().any(|(own, current)| *own == mailbox && current.fits(key))
    }

    /// Posts a message of one fragment to a contact, in turns.
    ///
    /// # Panics
    /// More messages wait than a courier takes.
    pub fn post(&mut self) {
        let turn = usize::try_from(self.posted).expect("few");
        let to = self.contacts[turn % self.contacts.len()];
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.posted.to_be_bytes());
        self.posted += 1;
        let message = Message {
            id: MessageId::new(id),
            kind: Kind::Content,
            sequence: self.courier.next_sequence(to),
            minutes: 0,
            expires: BEGIN + WEEK,
            left: None,
            body: b"a letter".to_vec().into(),
        };
        self.courier.post(to, message).expect("the message is accepted");
    }

    /// Lets the next slot come. `None` if its cell holds no packet.
    pub fn step(&mut self) -> Option<Sent> {
        let at = self.courier.poll_timeout();
        let departure = self.courier.handle_timeout(at);
        self.courier.prepare(at);
        self.note_events(at);
        let Some(Departure::Cell(bytes)) = departure else {
            return None;
        };
        let UpCell::Packet { first_hop, packet, .. } =
            UpCell::decode(bytes).expect("the courier encodes its cells")
        else {
            return None;
        };
        let ring = self.ring;
        let (path, instruction) = ring.follow(0, first_hop, packet, |relay, opened| {
            let body = opened.deliver().expect("the payload is whole");
            let context = RelayContext {
                network: ring.roster().network_id,
                relay,
                join_key: ring.trust().join_key().clone(),
            };
            Instruction::<Toy>::decode(&body, &context).expect("the courier makes no other")
        });
        let sent = Sent { at: at.reading(), role: Role::Cover, path, answer: None, store: None };
        Some(match instruction {
            Instruction::Discard => sent,
            Instruction::Store(store) => {
                let own = self.own.iter().any(|(mailbox, _)| *mailbox == store.mailbox);
                let role = if own { Role::Loop } else { Role::Letter };
                Sent { role, store: Some((store.mailbox, store.write_key)), ..sent }
            }
            Instruction::Pull(pull) => {
                let first = pull.surb.first_hop();
                let served = self.next_answer(at.reading());
                let body = served.as_ref().map_or(Vec::new(), Answer::encode);
                let reply = pull.surb.reply(&body).expect("an answer fits");
                let (answer, (id, payload)) =
                    ring.follow(0, first, reply, |_, opened| opened.reply());
                if served.is_some() {
                    self.courier.handle_reply(at, id, payload);
                    self.note_events(at);
                }
                Sent { role: Role::Pull, answer: Some(answer), ..sent }
            }
        })
    }
}

impl LoneClient<'_> {
    /// The answer of a mailbox that serves again, when it is time for one.
    fn next_answer(&mut self, now: Time) -> Option<Answer<Toy>> {
        let (every, due) = self.serves.filter(|(_, due)| now >= *due)?;
        self.serves = Some((every, due.max(now) + every));
        let envelope = (EnvelopeId::of(&self.letter), self.letter.clone());
        Some(Answer { wait: SurbWait::new(now, now), envelope: Some(envelope) })
    }

    /// Commits what has come, as an application that stores at once.
    fn note_events(&mut self, now: Steady) {
        while let Some(event) = self.courier.poll_event() {
            if let Event::Arrived { receipt, .. } | Event::Repeated { receipt } = event {
                self.courier.commit(now, &receipt);
            }
        }
    }
}

fn turn(rng: &mut ChaCha20Rng) -> usize {
    usize::from(rng.next_u32().to_be_bytes()[0])
}

/// Lifetime of a message.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Contacts of the client, none of which ever answers: sixteen letters leave for each.
const CONTACTS: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::roster::{Layout, NORTH};

    #[test]
    fn every_role_is_seen_over_four_nodes() {
        let ring = KeyRing::new(1, &Layout::default());
        let mut client = LoneClient::new(&ring, 1, NORTH, ring.view(&[]));
        let mut seen = BTreeMap::new();
        for slot in 0..400 {
            if slot % 8 == 0 {
                client.post();
            }
            let Some(sent) = client.step() else { continue };
            assert_eq!(sent.path.len(), 4);
            assert_eq!(sent.answer.is_some(), sent.role == Role::Pull);
            if let Some(answer) = sent.answer {
                assert_eq!((answer.len(), answer[3]), (4, NORTH));
            }
            *seen.entry(sent.role).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    /// The letter is taken, and its acknowledgement leaves.
    #[test]
    fn a_served_letter_is_acknowledged() {
        let ring = KeyRing::new(1, &Layout::default());
        let mut client = LoneClient::new(&ring, 1, NORTH, ring.view(&[]));
        client.serve_again(Duration::from_secs(30));
        let sent = (0..4 * 3_600).filter_map(|_| client.step());
        assert_eq!(sent.filter(|sent| sent.role == Role::Letter).count(), 1);
    }

    #[test]
    fn a_document_without_a_layer_gives_no_packet() {
        let ring = KeyRing::new(1, &Layout::default());
        let first_layer = [NodeNumber::new(5), NodeNumber::new(6)];
        let mut client = LoneClient::new(&ring, 1, NORTH, ring.view(&first_layer));
        assert!((0..50).all(|_| client.step().is_none()));
    }
}
