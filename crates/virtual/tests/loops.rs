//! Loops test the network for whoever sends them, also where relays' clocks are apart
//! (`docs/traffic.md`, Mixes).

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::mix::watch::{Alarm, LoopFate, Watch};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Address, Setup, Skew, Toy, World};

const MINUTE: Duration = Duration::from_secs(60);

/// Watch of a mix that hears of one client's loops, as a mix hears of its own client's.
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

    /// Tells the watch of all that has happened since the last call; the first alarm.
    fn hear(&mut self, world: &World<Toy>) -> Option<Time> {
        let news = &world.events[self.told..];
        self.told = world.events.len();
        let own = news.iter().filter(|told| told.client == self.client);
        let mut alarm = None;
        for told in own {
            let Some(fate) = LoopFate::of(&told.event) else { continue };
            self.counts.0 += 1;
            self.counts.1 += usize::from(fate == LoopFate::Failed);
            let given = self.watch.handle_loop(told.at, fate);
            assert!(given.is_none_or(|given| given == Alarm::Loops));
            alarm = alarm.or_else(|| given.map(|_| told.at));
        }
        alarm
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
        let alarm = watcher.hear(&world);
        let (loops, failed) = watcher.counts;
        assert!(alarm.is_none() && loops > 300, "{behind:?}: {failed} of {loops} failed");
        assert!(failed * 8 < loops, "{behind:?}: {failed} of {loops} failed");
        let begun = world.now;
        let relays = [2, 3, 4].map(|relay| Address::Node(NodeNumber::new(relay)));
        world.cut(&[Address::Node(NodeNumber::new(9))], &relays, MINUTE * 10);
        world.run_for(MINUTE * 3);
        let alarm = watcher.hear(&world).expect("the watch notices");
        assert!(alarm.since(begun) < MINUTE * 3, "{:?}", alarm.since(begun));
    }
}
