//! Dropping what is for people's mailboxes while sparing the loops of mixes, which would notice.
//!
//! A mailbox relay, and the last mix with it, can drop by mailbox. Two things might tell it which
//! mailboxes are mixes' own: their ages, and the mixes by which pulls come and answers leave. By age
//! it drops for the half of all mailboxes that are likeliest people's, in three crowds: people who
//! were there before it began to watch, who came evenly within a year, and who came since. The second
//! is a chi-square test on packets of real couriers. What mixes notice of the rest is tried with
//! their real watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rohrpost_measure::detection::{Estimate, LikelihoodRatio};
use rohrpost_measure::independence::ChiSquare;
use rohrpost_measure::statistics::{Sample, count};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Load;
use rohrpost_proto::directory::roster::{Role, Roster, Traffic};
use rohrpost_proto::mix::own_client::{Outcome, OwnClient};
use rohrpost_proto::mix::watch::{LoopFate, Watch};
use rohrpost_proto::time::{Slot, Steady};
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::pulls::{BEGIN, MAILBOXES};

pub(super) const AGES: Attack = Attack {
    name: "dropping",
    claim: "whoever drops packets by mailbox does not spare mixes' own loops by that",
    attacker: "a mailbox relay, with the last mixes before it, for 100 people's mailboxes beside \
               those of mixes",
    sees: "the age of each mailbox since it began to watch 30 days ago; last mixes of pulls and \
           first mixes of answers",
    knows: "the law of mixes' mailboxes, that mixes start anew about monthly, and when people came; \
            answers all pulls, and drops the envelopes for the half of the mailboxes that are likeliest people's",
    number: "mixes' mailboxes among those it drops for, by their even share, in its best crowd",
    limit: Some(Bound::AtLeast(0.05)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "mixes change their mailboxes with their entry, once a day",
        how: How::Law(Weakness::MixesChangeMailboxes),
        reaches: Bound::AtMost(0.03),
    }],
};

pub(super) const HALF: Attack = Attack {
    name: "dropping-half",
    claim: "a mix notices a relay that drops half of what is for a mailbox of its client",
    attacker: "a mailbox relay, or whoever is between it and the last mixes",
    sees: "nothing that matters here",
    knows: "that one loop in five may fail without an alarm, and that mixes have two mailboxes",
    number: "share of trials in which the mix notices within an hour",
    limit: Some(Bound::AtLeast(0.95)),
    quick: true,
    run: drop_half,
    weakened: &[Weakened {
        what: "the loops to both mailboxes make one test",
        how: How::Law(Weakness::LoopsAreJudgedTogether),
        reaches: Bound::AtMost(0.2),
    }],
};

/// Draw of the age of a person's mailbox as the relay sees it, in hours.
type Crowd = fn(&mut StdRng) -> f64;

/// Crowds of people.
const CROWDS: [(&str, Crowd); 3] = [
    ("all before", |_| WATCHED),
    ("evenly within a year", |rng| rng.random_range(0.0..365.0 * 24.0_f64).min(WATCHED)),
    ("all since", |rng| rng.random_range(0.0..WATCHED)),
];

/// What came of a relay that dropped.
#[derive(Clone, Copy, Default)]
struct Dropped {
    /// Mailboxes of mixes, and those among them for which it dropped.
    own: usize,
    hit: usize,
    /// Time until the first mix noticed; `None` if it spared all, or none noticed in an hour.
    noticed: Option<Duration>,
}

fn attack(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &layout());
    let trials = effort.trials(effort.size(12, 100), |_, rng| {
        let roster = ring.shared_roster();
        let others = (0..LEARN).flat_map(|_| own_ages(roster, rng).into_values());
        let mixes = Sample::new(others.flatten());
        let own = own_ages(roster, rng);
        CROWDS.each_ref().map(|(_, crowd)| {
            let people = Sample::new((0..mixes.len()).map(|_| crowd(rng)));
            let ratio = &LikelihoodRatio::learn(&people, &mixes, BINS);
            let relays = own.values().map(|own| drop_for(own, *crowd, ratio, &ring, rng));
            relays.collect::<Vec<_>>()
        })
    });
    let mut worst = Estimate::exact(f64::INFINITY);
    let mut crowds = Vec::new();
    for (at, (crowd, _)) in CROWDS.iter().enumerate() {
        let relays: Vec<_> = trials.iter().flat_map(|trial| &trial[at]).collect();
        let sum = |of: fn(&Dropped) -> usize| count(relays.iter().map(|one| of(one)).sum());
        let share = Estimate::share(sum(|one| one.hit), sum(|one| one.own));
        let even = |share: f64| share / EVEN;
        let by_even =
            Estimate { value: even(share.value), low: even(share.low), high: even(share.high) };
        let times = relays.iter().filter_map(|one| one.noticed).map(|time| time.as_secs_f64());
        let times = Sample::new(times);
        crowds.push(serde_json::json!({
            "crowd": crowd,
            "by_even_share": by_even.value,
            "relays_noticed": count(times.len()) / count(relays.len()),
            "seconds_until_noticed": times.median(),
            "envelopes_until_noticed": times.median() * envelopes_per_second() * PEOPLE * EVEN,
        }));
        if by_even.value < worst.value {
            worst = by_even;
        }
    }
    Measured::new(worst)
        .with("crowds", crowds)
        .with("relays", trials.len() * ring.roster().relays().count())
        .with("p_by_first_and_last_mixes", by_mixes(effort, &ring).p)
}

/// Ages in hours of the mailboxes of all mixes, by relay, as seen by one who began to watch.
fn own_ages(roster: &Arc<Roster>, rng: &mut StdRng) -> BTreeMap<NodeNumber, Vec<f64>> {
    let mut ages: BTreeMap<NodeNumber, Vec<f64>> = BTreeMap::new();
    for mix in roster.nodes().filter(|node| matches!(node.role, Role::Mix { .. })) {
        let (relays, age) = own_mailboxes(&mix.operator, roster, rng);
        let age = (age.as_secs_f64() / 3_600.0).min(WATCHED);
        relays.into_iter().for_each(|relay| ages.entry(relay).or_default().push(age));
    }
    ages
}

/// Relays of the mailboxes of a mix of this operator, and how long it has them: its client makes one
/// stay after another since the mix was started anew.
fn own_mailboxes(
    operator: &str,
    roster: &Arc<Roster>,
    rng: &mut StdRng,
) -> (Vec<NodeNumber>, Duration) {
    let begin = Steady::of_clock(BEGIN);
    let now = begin + STARTED_WITHIN.mul_f64(rng.random());
    let mut client = OwnClient::new(operator.to_owned(), Arc::clone(roster));
    let (mut at, mut known) = (begin, None);
    loop {
        let stay = client.begin(at, rng).expect("the network has relays");
        let mailboxes = &stay.account.mailboxes;
        let name = mailboxes[0].key.id();
        let since = known.filter(|(known, _)| *known == name).map_or(at, |(_, since)| since);
        known = Some((name, since));
        if stay.until >= now {
            return (mailboxes.iter().map(|mailbox| mailbox.relay).collect(), now.since(since));
        }
        at = stay.until;
        client.end(stay.account, Outcome::Served);
    }
}

/// Lets a relay with these mailboxes of mixes drop for the half that is likeliest people's.
fn drop_for(
    own: &[f64],
    crowd: Crowd,
    ratio: &LikelihoodRatio,
    ring: &KeyRing,
    rng: &mut StdRng,
) -> Dropped {
    let people = (0..100).map(|_| (crowd(rng), false)).collect::<Vec<_>>();
    let mut all: Vec<_> = own.iter().map(|age| (*age, true)).chain(people).collect();
    // A coin decides between those that are as likely.
    all.shuffle(rng);
    all.sort_by(|(one, _), (other, _)| ratio.of(*other).total_cmp(&ratio.of(*one)));
    let hit = all[..all.len() / 2].iter().filter(|(_, own)| *own).count();
    let noticed = (0..hit).filter_map(|_| until_noticed(ring.roster(), 1.0, rng)).min();
    Dropped { own: own.len(), hit, noticed }
}

/// Time until a mix notices that this share of what is for one of its mailboxes is dropped.
fn until_noticed(roster: &Roster, dropped: f64, rng: &mut StdRng) -> Option<Duration> {
    let Traffic { slot, mix_delay, .. } = roster.traffic;
    // Loops that do not come back are lost after twenty times their usual way, as couriers have it.
    let lost_after = (mix_delay * 6 + slot * 7) * 20;
    let fate = |at: Slot| {
        let Load::Loop(mailbox) = Load::draw(at, MAILBOXES, rng) else { return None };
        let fails = if mailbox == 0 { dropped.max(FAILS) } else { FAILS };
        let failed = rng.random_bool(fails);
        let known = at.start(slot) + if failed { lost_after } else { Duration::ZERO };
        Some((known, mailbox, if failed { LoopFate::Failed } else { LoopFate::InTime }))
    };
    let mut fates: Vec<_> = slots(BEGIN.slot(slot)).take(HOUR_OF_SLOTS).filter_map(fate).collect();
    fates.retain(|(known, ..)| known.since(BEGIN) < Duration::from_secs(3_600));
    fates.sort_by_key(|(known, ..)| *known);
    let mut watch = Watch::new(BEGIN, roster, 0);
    let noticed = fates
        .into_iter()
        .find(|(known, mailbox, fate)| watch.handle_loop(*known, *mailbox, *fate).is_some());
    noticed.map(|(known, ..)| known.since(BEGIN))
}

/// Share of mixes' mailboxes at which the mix notices that half is dropped.
fn drop_half(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &layout());
    let trials = effort.size(50, 500);
    let times = effort.trials(trials, |_, rng| until_noticed(ring.roster(), 0.5, rng));
    let noticed = Sample::new(times.iter().flatten().map(Duration::as_secs_f64));
    Measured::new(Estimate::share(count(noticed.len()), count(times.len())))
        .with("seconds_until_noticed", noticed.median())
}

/// Envelopes per second for one mailbox of a client, which are loops.
fn envelopes_per_second() -> f64 {
    let mut rng = StdRng::seed_from_u64(1);
    let traffic = Traffic::default();
    let loads = slots(BEGIN.slot(traffic.slot)).take(HOUR_OF_SLOTS);
    let loads = loads.map(|slot| Load::draw(slot, MAILBOXES, &mut rng));
    let first = loads.filter(|load| *load == Load::Loop(0)).count();
    count(first) / (count(HOUR_OF_SLOTS) * traffic.slot.as_secs_f64())
}

fn slots(first: Slot) -> impl Iterator<Item = Slot> {
    std::iter::successors(Some(first), |slot| Some(slot.next()))
}

/// Tests whether pulls and their answers come over other mixes for mixes' clients than for people's.
fn by_mixes(effort: &Effort<'_>, ring: &KeyRing) -> ChiSquare {
    let view = ring.view(&[]);
    let slots = effort.size(1_000, 8_000);
    let mixes = ring.roster().nodes().filter(|node| matches!(node.role, Role::Mix { .. }));
    let mixes: Vec<_> = mixes.map(|mix| mix.number).collect();
    let relays: Vec<_> = ring.roster().relays().map(|relay| relay.number).collect();
    let clients = effort.trials(2 * long(mixes.len()), |number, rng| {
        let at = usize::try_from(number).unwrap_or(0);
        let mut client = match mixes.get(at) {
            Some(mix) => LoneClient::of_mix(ring, rng.random(), *mix, view.clone()),
            None => LoneClient::new(ring, rng.random(), relays[at % relays.len()], view.clone()),
        };
        let mut ends: BTreeMap<_, u64> = BTreeMap::new();
        for sent in (0..slots).filter_map(|_| client.step()) {
            if let Some(answer) = &sent.answer {
                *ends.entry((sent.path[2], answer[0])).or_default() += 1;
            }
        }
        ends
    });
    let (own, people) = clients.split_at(mixes.len());
    let columns: BTreeSet<_> = clients.iter().flat_map(BTreeMap::keys).collect();
    let row = |clients: &[BTreeMap<(NodeNumber, NodeNumber), u64>]| -> Vec<u64> {
        let sum = |ends| clients.iter().filter_map(|client| client.get(ends)).sum();
        columns.iter().map(|ends| sum(*ends)).collect()
    };
    ChiSquare::independence(&[row(own), row(people)])
}

fn long(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Twelve mixes, whose mailboxes are some six at each of four relays.
fn layout() -> Layout {
    Layout { mixes_per_layer: 4, ..Layout::default() }
}

/// Hours for which the relay has watched.
const WATCHED: f64 = 30.0 * 24.0;
/// Time within which each mix was started anew, evenly: about once a month.
const STARTED_WITHIN: Duration = Duration::from_secs(60 * 86_400);
/// Share of all mailboxes for which it drops.
const EVEN: f64 = 0.5;
/// People's mailboxes at the relay.
const PEOPLE: f64 = 100.0;
/// Networks from which the attacker learns, each with mixes of its own.
const LEARN: usize = 8;
/// Classes of ages that the attacker tells apart.
const BINS: usize = 40;
/// Share of loops that fail of themselves.
const FAILS: f64 = 0.01;
const HOUR_OF_SLOTS: usize = 4 * 3_600;
