//! Loops and pulls test the network for whoever sends them, also where relays' clocks are apart
//! (`docs/traffic.md`, Mixes).

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::mix::watch::{Alarm, LoopFate, Watch};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Address, Setup, Skew, Toy, World};

const MINUTE: Duration = Duration::from_secs(60);

/// Watch of a mix that hears of one client's loops and pulls, as a mix hears of its own client's.
struct Watcher {
    watch: Watch,
    told: usize,
    client: usize,
    /// Loops so far, and those of them that failed.
    counts: (usize, usize),
}

impl Watcher {
    fn new(world: &World<Toy>, client: usize) -> Self {
        Self { watch: Watch::new(world.now, world.roster(), 0), told: 0, client, counts: (0, 0) }
    }

    /// Tells the watch of all that has happened since the last call; the alarms.
    fn hear(&mut self, world: &World<Toy>) -> Vec<(Time, Alarm)> {
        let news = &world.events[self.told..];
        self.told = world.events.len();
        let own = news.iter().filter(|told| told.client == self.client);
        let mut alarms = Vec::new();
        for told in own {
            if let Some((_, fate)) = LoopFate::of(&told.event) {
                self.counts.0 += 1;
                self.counts.1 += usize::from(fate == LoopFate::Failed);
            }
            let alarm = self.watch.handle_event(told.at, &told.event);
            alarms.extend(alarm.map(|alarm| (told.at, alarm)));
        }
        alarms
    }
}

/// Relays whose clocks are up to a second apart answer at moments of their own, and no loop is late
/// for that: fewer than one in five fail, as the watch has it of good order, and it gives no alarm.
/// When one of the two last mixes loses what it sends to relays,
/// it does.
#[test]
fn relays_half_a_second_apart_raise_no_alarm_and_an_attack_does() {
    for behind in [350, 500, 650].map(Duration::from_millis) {
        let skews = [2, 3, 4].map(|relay| (NodeNumber::new(relay), Skew::Behind(behind))).into();
        let mut world = World::<Toy>::of(Setup { skews, ..Setup::new(5) });
        let client = world.add_client(NodeNumber::new(1));
        let mut watcher = Watcher::new(&world, client);
        world.run_for(MINUTE * 15);
        let alarms = watcher.hear(&world);
        let (loops, failed) = watcher.counts;
        assert!(alarms.is_empty() && loops > 300, "{behind:?}: {failed} of {loops} failed");
        assert!(failed * 8 < loops, "{behind:?}: {failed} of {loops} failed");
        let begun = world.now;
        let relays = [2, 3, 4].map(|relay| Address::Node(NodeNumber::new(relay)));
        world.lose(&[Address::Node(NodeNumber::new(9))], &relays, MINUTE * 10);
        world.run_for(MINUTE * 3);
        let alarms = watcher.hear(&world);
        let noticed = alarms.iter().find(|(_, alarm)| *alarm == Alarm::Loops);
        let after = noticed.expect("the watch notices").0.since(begun);
        assert!(after < MINUTE * 3, "{after:?}");
    }
}

/// A mix or a relay that stops and comes back raises no alarm by the pulls that it costs. Mailbox
/// relays whose answers do not arrive any more do, long before loops are given up.
#[test]
fn answers_that_stop_are_noticed_and_a_restart_is_not() {
    for seed in 1..=3 {
        let mut world = World::<Toy>::of(Setup::new(seed));
        let client = world.add_client(NodeNumber::new(1));
        let mut watcher = Watcher::new(&world, client);
        world.run_for(MINUTE * 5);
        for stopped in [9, 2].map(NodeNumber::new) {
            world.kill(stopped);
            world.run_for(MINUTE / 2);
            world.start(stopped);
            world.run_for(MINUTE * 3);
        }
        let alarms = watcher.hear(&world);
        assert!(alarms.iter().all(|(_, alarm)| *alarm != Alarm::Answers), "{alarms:?}");
        let begun = world.now;
        let relays = [2, 3, 4].map(|relay| Address::Node(NodeNumber::new(relay)));
        let first = [5, 6].map(|mix| Address::Node(NodeNumber::new(mix)));
        world.lose(&relays, &first, MINUTE * 10);
        world.run_for(MINUTE);
        let alarms = watcher.hear(&world);
        let after = alarms.first().map(|(at, alarm)| (at.since(begun), *alarm));
        assert!(after.is_some_and(|(_, alarm)| alarm == Alarm::Answers), "{after:?}");
    }
}
