//! A year of virtual days: people with real stores, agents and couriers, and relays with real
//! mailboxes (`docs/virtual-network.md`). What everybody meets in such a time happens to them, and
//! no message may be lost, doubled or late without a word.

mod calendar;
mod copies;
mod ledger;
mod machine;
mod relays;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_client::{Network, Store, danger_draw_from};
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_virtual::{Layout, every_seed, roster, seeds};

use calendar::{BEGIN, DAY, Nodes, Part, Person, Scene};
use ledger::Ledger;
use machine::Machine;
use world::{World, name};

const SLOT: Duration = Duration::from_secs(60);

/// What befalls people, machines and nodes.
const PARTS: [Part; 10] = [
    Part::Leave,
    Part::ShortWeeks,
    Part::Upgrades,
    Part::LostRelays,
    Part::Restores,
    Part::PutBacks,
    Part::Clocks,
    Part::Departed,
    Part::FullDisks,
    Part::Bots,
];

#[test]
fn a_fortnight_of_short_weeks_loses_nothing() {
    every_seed(few_seeds(), |seed| println!("{}", live(seed, fortnight(&[Part::ShortWeeks]))));
}

#[test]
fn a_fortnight_of_lost_relays_and_wrong_clocks_loses_nothing() {
    every_seed(few_seeds(), |seed| {
        println!("{}", live(seed, fortnight(&[Part::Upgrades, Part::LostRelays, Part::Clocks])))
    });
}

#[test]
fn a_fortnight_of_older_copies_loses_no_more_than_they_lack() {
    every_seed(few_seeds(), |seed| {
        println!("{}", live(seed, fortnight(&[Part::Restores, Part::PutBacks])))
    });
}

#[test]
fn a_fortnight_of_full_disks_loses_nothing() {
    every_seed(few_seeds(), |seed| println!("{}", live(seed, fortnight(&[Part::FullDisks]))));
}

/// All of it together. Two part-timers who came apart need four of their weeks until each has heard
/// that the other has heard.
#[test]
fn sixty_days_lose_nothing() {
    let scene = Scene { people: 10, days: 60, quiet: 28, parts: &PARTS[..8] };
    every_seed(few_seeds(), |seed| println!("{}", live(seed, scene)));
}

#[test]
#[ignore = "half an hour of CPU for each seed"]
fn year_of_days() {
    let scene = Scene { people: 50, days: 365, quiet: 28, parts: &PARTS };
    every_seed(seeds(), |seed| println!("{}", live(seed, scene)));
}

/// Programs that write around the clock to people whose mailboxes hand out what they write while they
/// work. One seed, for it is many letters.
#[test]
fn a_fortnight_of_programs_loses_nothing() {
    let first = seeds().start;
    every_seed(first..first + 1, |seed| println!("{}", live(seed, fortnight(&[Part::Bots]))));
}

/// Sixteen days of eight people.
const fn fortnight(parts: &[Part]) -> Scene<'_> {
    Scene { people: 8, days: 16, quiet: 14, parts }
}

/// At most four of the seeds that were asked for.
fn few_seeds() -> std::ops::Range<u64> {
    let seeds = seeds();
    seeds.start..seeds.end.min(seeds.start + 4)
}

/// Lives through one part alone, of the name in `ROHRPOST_PART`, for finding faults.
#[test]
#[ignore = "one part alone, which is named by hand"]
fn one_part() {
    let wanted = std::env::var("ROHRPOST_PART").unwrap_or_default();
    let parts: Vec<_> =
        PARTS.into_iter().filter(|part| wanted.contains(&format!("{part:?}"))).collect();
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (people, days) = (number("ROHRPOST_PEOPLE", 15), number("ROHRPOST_DAYS", 28));
    let people = usize::try_from(people).expect("a number of people");
    let scene = Scene { people, days, quiet: 28, parts: &parts };
    every_seed(seeds(), |seed| println!("{}", live(seed, scene)));
}

/// Lives through one seed and judges it; gives what the run was and cost.
fn live(seed: u64, scene: Scene<'_>) -> String {
    let began = Instant::now();
    danger_draw_from(*blake3::hash(format!("{seed} clients").as_bytes()).as_bytes());
    let folder = tempfile::tempdir_in(memory()).expect("a directory for the homes");
    let network = network();
    let nodes = nodes(&network);
    let mut rng = generator(seed, "calendar");
    let people = scene.people(&mut rng);
    let machines = found(folder.path(), &network, &nodes, &people);
    let generators = [generator(seed, "world"), generator(seed, "relays")];
    let kinds = people.iter().map(|person| person.kind).collect();
    let ledger = Ledger::new(kinds, nodes.lasting.iter().copied().collect());
    let mut world = World::new(Arc::clone(&network), machines, ledger, BEGIN, generators);
    let fates = scene.fates(&people, &nodes, BEGIN, &mut rng);
    for (at, deed) in fates.into_iter().chain(scene.days(&people, BEGIN, &mut rng)) {
        world.plan(at, deed);
    }
    world.run_until(BEGIN + DAY * (scene.days + scene.quiet));
    world.machines.iter_mut().for_each(Machine::end);
    let stores: Vec<Store> = world.machines.iter().map(Machine::store).collect();
    let summary = world.ledger.judge(&stores);
    let [left, ended] = world.troubles;
    assert_eq!(left > 0, scene.parts.contains(&Part::FullDisks), "clients whose disks were full");
    let run = format!(
        "seed {seed}: {} people, {} days, {} messages: {} delivered, {} expired, {} undeliverable, \
         {} lost with older copies, {} refused; {left} clients left for full disks, {ended} ended; \
         {} faults; at most {} copies for someone away; {:.1} s",
        people.len(),
        scene.days,
        summary.messages,
        summary.delivered,
        summary.expired,
        summary.undeliverable,
        summary.lost,
        summary.refused,
        summary.faults.len(),
        world.copies.most,
        began.elapsed().as_secs_f64(),
    );
    let faults = summary.faults.join("\n");
    assert!(summary.faults.is_empty(), "{run}\n{faults}");
    run
}

/// The nodes of a network; clients enter at all relays but two, which are mortal.
fn nodes(network: &Network) -> Nodes {
    let mut lasting: Vec<_> = network.roster.relays().map(|relay| relay.number).collect();
    let mortal = lasting.split_off(lasting.len() - 2);
    Nodes { all: network.roster.nodes().map(|node| node.number).collect(), lasting, mortal }
}

/// Makes the homes of people who have exchanged their cards.
fn found(folder: &Path, network: &Arc<Network>, nodes: &Nodes, people: &[Person]) -> Vec<Machine> {
    let entries = network.roster.relays().filter(|relay| nodes.lasting.contains(&relay.number));
    let agencies: Vec<_> = entries.map(|relay| relay.operator.clone()).collect();
    let machine = |person: usize| {
        let agency = &agencies[person % agencies.len()];
        Machine::new(folder.join(name(person)), network, agency, BEGIN)
    };
    let machines: Vec<_> = (0..people.len()).map(machine).collect();
    let stores: Vec<_> = machines.iter().map(Machine::store).collect();
    let now = Duration::from_micros(BEGIN.micros());
    for (person, life) in people.iter().enumerate() {
        for other in &life.contacts {
            let card = stores[*other].card(network, now).expect("a card").address.contact;
            stores[person].add_contact(&name(*other), card, now).expect("a new contact");
        }
    }
    machines
}

/// Seven agencies with a relay each; a cell leaves once a minute.
fn network() -> Arc<Network> {
    let traffic = Traffic { slot: SLOT, ..Traffic::default() };
    let layout = Layout { operators: 7, relays: 7, traffic, ..Layout::default() };
    let (trust, roster) = roster(&layout);
    Arc::new(Network { trust: Arc::new(trust), roster })
}

fn generator(seed: u64, purpose: &str) -> ChaCha20Rng {
    let text = format!("{seed} {purpose}");
    ChaCha20Rng::from_seed(*blake3::hash(text.as_bytes()).as_bytes())
}

/// A directory in memory where the system offers one: stores flush often, and lose no power here.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
