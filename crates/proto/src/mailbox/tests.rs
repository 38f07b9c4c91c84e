use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::envelope::{Envelope, NetworkId};
use rohrpost_packet::{
    Classic, Generation, HopSecretKey, NodeNumber, PathHop, Route, SessionId, SurbOpener,
    build_surb, open_header,
};

use super::*;
use crate::directory::roster::Traffic;
use crate::directory::trust::JoinKey;
use crate::instruction::{
    Answer, EnvelopeId, MailboxKey, PullRequest, RelayContext, SurbWait, WriteKey,
};

const MIX: NodeNumber = NodeNumber::new(3);
const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);

/// A relay, one owner, and the one hop that the owner's reply blocks run over.
struct Stage {
    mailboxes: Mailboxes<Classic>,
    context: RelayContext,
    owner: MailboxKey,
    write_key: WriteKey,
    predecessor: WriteKey,
    hop: HopSecretKey<Classic>,
    rng: ChaCha20Rng,
    now: Time,
    /// Lifetimes of reply blocks, as the answers told them.
    waits: Vec<SurbWait>,
}

fn stage(limits: MailboxLimits) -> Stage {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    Stage {
        mailboxes: Mailboxes::new(limits),
        context: RelayContext {
            network: NetworkId::new([1; 32]),
            relay: NodeNumber::new(9),
            join_key: JoinKey::new([2; 32]),
        },
        owner: MailboxKey::generate(&mut rng),
        write_key: WriteKey::generate(&mut rng),
        predecessor: WriteKey::generate(&mut rng),
        hop: HopSecretKey::generate(Generation::new(1), &mut rng),
        rng,
        now: BEGIN,
        waits: Vec::new(),
    }
}

impl Stage {
    fn pull_body(&mut self, acks: &[EnvelopeId]) -> (Vec<u8>, SurbOpener<Classic>) {
        let route = Route::reply(SessionId::new([7; 16]));
        let hops = [PathHop { key: self.hop.public(), route }];
        let (surb, opener) = build_surb(MIX, &hops, &mut self.rng).unwrap();
        let request = PullRequest {
            key: &self.owner,
            network: &self.context.network,
            relay: self.context.relay,
            join_key: &self.context.join_key,
            write_keys: [&self.write_key, &self.predecessor],
            acks,
            surb: &surb,
        };
        (request.encode(), opener)
    }

    fn pull(&mut self, acks: &[EnvelopeId]) -> SurbOpener<Classic> {
        let (body, opener) = self.pull_body(acks);
        let instruction = Instruction::decode(&body, &self.context).unwrap();
        self.mailboxes.handle(self.now, instruction).unwrap();
        opener
    }

    fn store(&self, fill: u8, write_key: &WriteKey) -> Result<(), Refusal> {
        let envelope = Envelope::from_bytes(&[fill; Classic::ENVELOPE_LEN]).unwrap();
        let (mailbox, write_key) = (self.owner.id(), write_key.clone());
        let body = Store::<Classic> { mailbox, write_key, envelope }.encode();
        let instruction = Instruction::decode(&body, &self.context).unwrap();
        self.mailboxes.handle(self.now, instruction)
    }

    /// Runs the next common tick and opens its answers; gives the first byte of each envelope, or
    /// none.
    fn answer(&mut self, openers: &mut Vec<SurbOpener<Classic>>) -> Vec<Option<(EnvelopeId, u8)>> {
        self.now = self.now + Duration::from_secs(1);
        let answers = self.mailboxes.tick(self.now, &mut self.rng);
        let mut got = Vec::new();
        for outgoing in answers {
            assert_eq!(outgoing.to, MIX);
            let opened = open_header(outgoing.frame.packet, 0, &self.hop).unwrap();
            let (id, mut payload) = opened.reply();
            let place = openers.iter().position(|opener| opener.id() == id).unwrap();
            let body = openers.remove(place).open(&mut payload).unwrap();
            let Answer::<Classic> { wait, envelope } = Answer::decode(&body).unwrap();
            self.waits.push(wait);
            got.push(envelope.map(|(id, envelope)| (id, envelope.as_bytes()[0])));
        }
        got
    }
}

#[test]
fn an_envelope_is_served_oldest_first_and_else_there_is_a_dummy() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers: Vec<_> = (0..4).map(|_| stage.pull(&[])).collect();
    let key = stage.write_key.clone();
    assert!(stage.store(1, &key).is_ok() && stage.store(2, &key).is_ok());
    let served: Vec<_> = (0..4).flat_map(|_| stage.answer(&mut openers)).collect();
    let fills: Vec<_> = served.iter().map(|served| served.map(|(_, fill)| fill)).collect();
    assert_eq!(fills, [Some(1), Some(2), None, None]);
    assert!(stage.answer(&mut openers).is_empty(), "no reply block, no answer");
}

#[test]
fn an_envelope_is_served_again_after_thirty_seconds_until_it_is_acknowledged() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers: Vec<_> = (0..SURB_START).map(|_| stage.pull(&[])).collect();
    stage.store(1, &stage.write_key).unwrap();
    let first = stage.answer(&mut openers)[0].unwrap();
    stage.now = stage.now + Duration::from_secs(28);
    openers.push(stage.pull(&[]));
    assert!(stage.answer(&mut openers) == [None], "29 s after");
    openers.push(stage.pull(&[]));
    assert!(stage.answer(&mut openers) == [Some(first)], "30 s after");
    stage.now = stage.now + Duration::from_secs(60);
    openers.push(stage.pull(&[first.0]));
    assert!(stage.answer(&mut openers) == [None], "acknowledged");
    assert_eq!(stage.mailboxes.counts()[0].held, 0);
}

/// Where cells leave seldom, the pull that says that an envelope has come is later than the next
/// answer, and than thirty seconds. That answer carries the next envelope.
#[test]
fn an_envelope_is_not_served_twice_where_pulls_are_slow() {
    let traffic = Traffic { slot: Duration::from_secs(60), ..Traffic::default() };
    let mut stage = stage(MailboxLimits::of(&traffic));
    let mut openers: Vec<_> = (0..SURB_START).map(|_| stage.pull(&[])).collect();
    for fill in 0..8 {
        stage.store(fill, &stage.write_key).unwrap();
    }
    let mut served = Vec::new();
    let mut last: Vec<EnvelopeId> = Vec::new();
    for _ in 0..8 {
        stage.now = stage.now + traffic.answer_period();
        let (id, fill) = stage.answer(&mut openers)[0].expect("an envelope waits");
        openers.push(stage.pull(&last));
        last = vec![id];
        served.push(fill);
    }
    assert_eq!(served, (0..8).collect::<Vec<u8>>());
}

#[test]
fn an_answer_tells_when_its_reply_block_was_spent_and_how_long_it_lay() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers = vec![stage.pull(&[])];
    stage.now = stage.now + Duration::from_millis(300);
    openers.extend((1..SURB_START).map(|_| stage.pull(&[])));
    stage.answer(&mut openers);
    stage.answer(&mut openers);
    let tick = BEGIN + Duration::from_millis(1300);
    let waits = [
        SurbWait { spent: tick, waited: Duration::from_millis(1300) },
        SurbWait { spent: tick + Duration::from_secs(1), waited: Duration::from_secs(2) },
    ];
    assert_eq!(stage.waits, waits);
}

#[test]
fn the_stock_of_reply_blocks_is_bounded_and_the_oldest_leaves() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers: Vec<_> = (0..SURB_STOCK + 3).map(|_| stage.pull(&[])).collect();
    let first = openers[0].id();
    for _ in 0..SURB_STOCK {
        assert!(stage.answer(&mut openers) == [None]);
    }
    assert!(stage.answer(&mut openers).is_empty());
    assert_eq!(openers.len(), 3);
    assert!(openers[0].id() == first, "the oldest were never used");
}

/// A SURB that is missing at one tick would be seen missing at the owner's session too, so there is
/// a stock. Once all of it is spent, what comes next is not spent at once.
#[test]
fn answers_begin_with_a_stock_of_four_and_pause_once_it_is_spent() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers = Vec::new();
    for round in ["registered anew", "after the stock was spent"] {
        for held in 1..SURB_START {
            openers.push(stage.pull(&[]));
            assert!(stage.answer(&mut openers).is_empty(), "{round}: {held} held");
        }
        openers.push(stage.pull(&[]));
        for held in (0..SURB_START).rev() {
            assert_eq!(stage.answer(&mut openers).len(), 1, "{round}: {held} left after it");
        }
        assert!(stage.answer(&mut openers).is_empty(), "{round}: nothing left");
    }
}

#[test]
fn unknown_full_and_wrong_key_are_one_refusal() {
    let mut stage = stage(MailboxLimits::default());
    let key = stage.write_key.clone();
    assert_eq!(stage.store(1, &key), Err(Refusal::Refused), "unknown: it was never pulled");
    stage.pull(&[]);
    assert_eq!(stage.store(1, &WriteKey::new([3; 32])), Err(Refusal::Refused), "wrong key");
    assert_eq!(stage.store(1, &WriteKey::new([0; 32])), Err(Refusal::Refused), "no key");
    let stored = (0..40).take_while(|fill| stage.store(*fill, &key).is_ok()).count();
    assert_eq!(stored, 32, "room before anything is earned");
    assert_eq!(stage.store(99, &key), Err(Refusal::Refused), "full");
    for _ in 0..100 {
        stage.pull(&[]);
    }
    assert_eq!(stage.store(99, &key), Ok(()), "a hundred pulls earn room for one more");
    assert_eq!(stage.store(98, &key), Err(Refusal::Refused));
}

/// A file that is under way when its recipient goes comes to his mailbox at a letter in a second
/// and a half; what others write in the days after that still finds room.
#[test]
fn a_burst_for_an_owner_who_is_away_leaves_half_of_the_room_to_others() {
    let mut stage = stage(MailboxLimits::default());
    let mut openers: Vec<_> = (0..SURB_START).map(|_| stage.pull(&[])).collect();
    let key = stage.write_key.clone();
    let store = |stage: &mut Stage, fills: std::ops::Range<u8>, every: u64| {
        let stored = fills.filter(|fill| {
            stage.now = stage.now + Duration::from_millis(every);
            stage.store(*fill, &key).is_ok()
        });
        stored.count()
    };
    assert_eq!(store(&mut stage, 0..20, 1_500), 20, "the owner pulls");
    (0..SURB_START).for_each(|_| drop(stage.answer(&mut openers)));
    assert_eq!(store(&mut stage, 20..220, 1_500), 3, "a file of five minutes");
    assert_eq!(store(&mut stage, 220..225, 3_600_000), 5, "others");
    stage.pull(&[]);
    assert_eq!(store(&mut stage, 225..255, 1), 4, "the owner is back, and reads: all of the room");
}

#[test]
fn both_write_keys_of_the_newest_pull_open_a_mailbox_and_no_older_ones() {
    let mut stage = stage(MailboxLimits::default());
    stage.pull(&[]);
    let [first, second] = [&stage.write_key, &stage.predecessor].map(WriteKey::clone);
    assert!(stage.store(1, &first).is_ok() && stage.store(2, &second).is_ok());
    stage.predecessor = std::mem::replace(&mut stage.write_key, WriteKey::new([3; 32]));
    assert_eq!(stage.store(3, &stage.write_key), Err(Refusal::Refused), "not told yet");
    stage.pull(&[]);
    assert!(stage.store(3, &stage.write_key).is_ok() && stage.store(4, &first).is_ok());
    assert_eq!(stage.store(5, &second), Err(Refusal::Refused), "its time is over");
}

#[test]
fn pulls_without_join_key_or_signature_are_refused() {
    let mut stage = stage(MailboxLimits::default());
    let (body, _) = stage.pull_body(&[]);
    let refused = |body: &[u8], context: &RelayContext| {
        Instruction::<Classic>::decode(body, context).err().map(Refusal::from)
    };
    assert_eq!(refused(&body, &stage.context), None);
    for index in (4..body.len()).step_by(37) {
        let mut changed = body.clone();
        changed[index] ^= 1;
        assert!(refused(&changed, &stage.context).is_some(), "byte {index}");
    }
    let join_key = JoinKey::new([8; 32]);
    let stranger = RelayContext { join_key, ..stage.context };
    assert_eq!(refused(&body, &stranger), Some(Refusal::Refused));
    let network = NetworkId::new([8; 32]);
    let elsewhere = RelayContext { network, join_key: JoinKey::new([2; 32]), ..stranger };
    assert_eq!(refused(&body, &elsewhere), Some(Refusal::Refused));
}

#[test]
fn one_envelope_is_kept_once_and_forgotten_after_its_time() {
    let mut stage = stage(MailboxLimits::default());
    stage.pull(&[]);
    let key = stage.write_key.clone();
    assert!(stage.store(1, &key).is_ok() && stage.store(1, &key).is_ok());
    assert_eq!(stage.mailboxes.counts()[0].held, 1);
    stage.now = stage.now + TTL - Duration::from_secs(1);
    stage.pull(&[]);
    stage.now = stage.now + Duration::from_secs(2);
    stage.mailboxes.sweep(stage.now);
    assert_eq!(stage.mailboxes.counts()[0].held, 0, "the envelope is gone, the mailbox is pulled");
    stage.now = stage.now + TTL;
    stage.mailboxes.sweep(stage.now);
    assert!(stage.mailboxes.is_empty());
}

#[test]
fn a_full_relay_takes_no_more_mailboxes_and_makes_the_least_earned_yield() {
    let mut one = stage(MailboxLimits { mailboxes: 1, envelopes: 2, ..MailboxLimits::default() });
    one.pull(&[]);
    let poor = std::mem::replace(&mut one.owner, MailboxKey::from_seed(&[5; 32]));
    let (body, _) = one.pull_body(&[]);
    let pull = Instruction::decode(&body, &one.context).unwrap();
    assert_eq!(one.mailboxes.handle(one.now, pull), Err(Refusal::Refused));

    let mut two = stage(MailboxLimits { mailboxes: 2, envelopes: 2, ..MailboxLimits::default() });
    let key = two.write_key.clone();
    two.owner = MailboxKey::from_seed(&poor.to_seed());
    two.pull(&[]);
    assert!(two.store(1, &key).is_ok() && two.store(2, &key).is_ok());
    assert_eq!(two.store(3, &key), Err(Refusal::Refused), "nobody has earned less");
    two.owner = MailboxKey::from_seed(&[5; 32]);
    two.pull(&[]);
    two.pull(&[]);
    assert_eq!(two.store(4, &key), Ok(()), "two pulls are more than one");
    let held: usize = two.mailboxes.counts().iter().map(|counts| counts.held).sum();
    assert_eq!(held, 2);
}

#[test]
fn a_second_copy_at_a_full_relay_costs_nobody_anything() {
    let mut stage = stage(MailboxLimits { mailboxes: 2, envelopes: 2, ..MailboxLimits::default() });
    let key = stage.write_key.clone();
    stage.pull(&[]);
    stage.store(1, &key).unwrap();
    let poor = std::mem::replace(&mut stage.owner, MailboxKey::from_seed(&[5; 32]));
    stage.pull(&[]);
    stage.pull(&[]);
    stage.store(2, &key).unwrap();
    assert_eq!(stage.store(2, &key), Ok(()), "the richer mailbox has it");
    assert!(stage.mailboxes.counts().iter().all(|counts| counts.held == 1), "nobody yielded");
    stage.owner = poor;
    assert_eq!(stage.store(1, &key), Ok(()), "the poorer one has it; none would yield for it");
    assert!(stage.mailboxes.counts().iter().all(|counts| counts.held == 1));
}

#[cfg(feature = "danger-weaken")]
#[test]
fn tests_of_laws_fail_without_them() {
    let test = answers_begin_with_a_stock_of_four_and_pause_once_it_is_spent;
    assert!(crate::weakness::danger_breaks(crate::weakness::Weakness::AnswersFromTheFirst, test));
}
