//! A mix refuses what does not belong to it, and passes on what does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod scene;

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::{
    Classic, Generation, HopPublicKey, Packet, PathHop, Route, ShortGeneration, wrap,
};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::mix::watch::{Alarm, LoopFate};
use rohrpost_proto::replay::{Ingress, ReplayMemory, ReplaySet, Verdict};
use scene::{NOW, Scene, rng};

const LINK: Ingress = Ingress::new(0);

/// A packet whose first hop is `key`, in layer 3.
fn frame(key: &HopPublicKey<Classic>, rng: &mut ChaCha20Rng) -> Frame<Classic> {
    let hops = [PathHop { key, route: Route::deliver() }];
    let packet = wrap(3, &hops, b"text", rng).unwrap();
    Frame { generation: key.generation().short(), packet }
}

fn copy(frame: &Frame<Classic>) -> Frame<Classic> {
    let packet = Packet::from_bytes(frame.packet.as_bytes()).unwrap();
    Frame { generation: frame.generation, packet }
}

#[test]
fn a_packet_is_opened_once_per_key_and_keys_die_with_their_memory() {
    let (hop, mut rng) = (Hop::<Classic>::new(3, 1, 1_000), rng(1));
    let first = hop.rotate(Generation::new(100), NOW, &mut rng);
    let packet = frame(&first, &mut rng);
    assert!(hop.open(LINK, copy(&packet)).is_ok());
    assert_eq!(hop.open(LINK, copy(&packet)).err(), Some(Refusal::Replay));
    let grace = NOW + Duration::from_secs(60);
    let second = hop.rotate(Generation::new(200), grace, &mut rng);
    assert_eq!(
        hop.open(LINK, copy(&packet)).err(),
        Some(Refusal::Replay),
        "remembered in the grace"
    );
    assert!(hop.open(LINK, frame(&first, &mut rng)).is_ok(), "old key, new packet");
    hop.sweep(grace);
    assert_eq!(hop.open(LINK, copy(&packet)).err(), Some(Refusal::Generation), "gone with its key");
    assert!(hop.open(LINK, frame(&second, &mut rng)).is_ok());
    assert_eq!(hop.newest().unwrap().generation(), Generation::new(200));
}

#[test]
fn each_reason_to_refuse_is_told_apart_inside_only() {
    let (hop, mut rng) = (Hop::<Classic>::new(3, 1, 1_000), rng(2));
    let key = hop.rotate(Generation::new(100), NOW, &mut rng);
    let mut unknown = frame(&key, &mut rng);
    unknown.generation = ShortGeneration::new(7);
    assert_eq!(hop.open(LINK, unknown).err(), Some(Refusal::Generation));
    let generation = key.generation().short();
    let random = Frame { generation, packet: Packet::random(&mut rng) };
    assert_eq!(hop.open(LINK, random).err(), Some(Refusal::Header));
    let mut bytes = frame(&key, &mut rng).packet.as_bytes().to_vec();
    bytes[..32].fill(0);
    let small = Frame { generation, packet: Packet::from_bytes(&bytes).unwrap() };
    assert_eq!(hop.open(LINK, small).err(), Some(Refusal::Decapsulation));
    assert_eq!(Frame::<Classic>::decode(&[0; 2568][..]).err().map(|_| ()), Some(()));
    let names: std::collections::HashSet<_> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(names.len(), Refusal::ALL.len());
}

#[test]
fn a_full_memory_accepts_nothing_new_and_forgets_nothing() {
    let mut rng = rng(3);
    let hop = Hop::<Classic>::new(3, 1, 1_000);
    let key = hop.rotate(Generation::new(1), NOW, &mut rng);
    let mut set = ReplaySet::new(50);
    let mut tags = Vec::new();
    for _ in 0..51 {
        let opened = hop.open(LINK, frame(&key, &mut rng)).ok().unwrap();
        tags.push(*opened.tag());
    }
    let verdicts: Vec<_> = tags.iter().map(|tag| set.test_and_set(tag)).collect();
    assert!(verdicts[..50].iter().all(|verdict| *verdict == Verdict::Fresh));
    assert_eq!(verdicts[50], Verdict::Full);
    assert!(tags[..50].iter().all(|tag| set.test_and_set(tag) == Verdict::Replayed));
    assert_eq!(set.fill(), (50, 50));
}

/// Checks that no link can fill the memory of all: of two links each may fill two thirds; what the
/// other brings still finds room, and a replay is told from a lack of room even on a link that has
/// used up its share.
#[test]
fn no_link_can_fill_the_memory_of_all() {
    let mut rng = rng(4);
    let hop = Hop::<Classic>::new(3, 2, 900);
    let key = hop.rotate(Generation::new(1), NOW, &mut rng);
    let [greedy, other] = [0, 1].map(Ingress::new);
    let mut first = None;
    let mut taken = 0;
    for _ in 0..700 {
        let packet = frame(&key, &mut rng);
        first.get_or_insert_with(|| copy(&packet));
        taken += usize::from(hop.open(greedy, packet).is_ok());
    }
    assert_eq!(taken, 600);
    assert_eq!(hop.open(greedy, frame(&key, &mut rng)).err(), Some(Refusal::ReplayFull));
    assert_eq!(hop.open(greedy, first.unwrap()).err(), Some(Refusal::Replay));
    assert!((0..20).all(|_| hop.open(other, frame(&key, &mut rng)).is_ok()));
}

/// Checks that key and memory die together, and that the memory comes back empty for the next key.
#[test]
fn a_memory_that_comes_back_remembers_nothing() {
    let (memory, mut rng) = (ReplayMemory::new(1, 100), rng(5));
    let hop = Hop::<Classic>::new(3, 1, 100);
    for generation in 1..20 {
        let at = NOW + Duration::from_secs(u64::from(generation));
        let key = hop.rotate(Generation::new(generation), at, &mut rng);
        assert_eq!(hop.replay_fill().0, 0, "generation {generation}");
        let opened = hop.open(LINK, frame(&key, &mut rng)).ok().unwrap();
        assert_eq!(memory.test_and_set(LINK, opened.tag()), Verdict::Fresh);
        hop.sweep(at);
    }
}

/// Checks that nobody can keep a place in the pool for longer than an honest delay: a delay that no
/// builder draws is refused as a malformed route, and is not even remembered.
#[test]
fn a_delay_beyond_what_builders_draw_is_refused() {
    let mut scene = Scene::new(100);
    let longest = scene.longest;
    for _ in 0..100 {
        let beyond = Duration::from_micros(u32::MAX.into());
        assert_eq!(scene.send(LINK, beyond), Err(Refusal::Route));
    }
    assert_eq!(scene.send(LINK, longest + Duration::from_micros(1)), Err(Refusal::Route));
    assert_eq!(scene.mix.waiting(), 0);
    let frame = scene.build(longest + Duration::from_micros(1));
    for _ in 0..2 {
        let again = copy(&frame);
        assert_eq!(scene.mix.handle_frame(NOW, LINK, again), Err(Refusal::Route), "not a replay");
    }
    assert_eq!(scene.send(LINK, longest), Ok(()));
    assert_eq!(scene.send(LINK, Duration::from_millis(200)), Ok(()));
    assert_eq!(scene.mix.waiting(), 2);
}

/// Checks that a neighbour that floods a mix with packets of the longest delay leaves room for those
/// of the others and for the mix's own cover.
#[test]
fn a_flooding_neighbour_leaves_the_others_their_places() {
    let mut scene = Scene::new(160);
    let longest = scene.longest;
    let [hostile, honest] = [0, 1].map(Ingress::new);
    let taken = (0..200).filter(|_| scene.send(hostile, longest).is_ok()).count();
    assert_eq!(taken, 64, "2 / (sources + 1) of the pool, of three links and the own cover");
    assert_eq!(scene.send(hostile, longest), Err(Refusal::Overload));
    assert!((0..20).all(|_| scene.send(honest, longest).is_ok()));
    assert!((0..20).all(|_| scene.insert_own().is_ok()));
}

/// Checks that a few packets of the longest delay are no attack: whoever could raise an alarm with
/// three of them would do so at will. Where more come, period after period, they are one.
#[test]
fn three_packets_of_the_longest_delay_raise_no_alarm() {
    let mut scene = Scene::new(1_000);
    let (longest, usual) = (scene.longest, Duration::from_millis(200));
    let mut watch = scene.watch();
    let mut now = watch.poll_timeout();
    let mut period = |long: usize| {
        assert!((0..long).all(|_| scene.send(LINK, longest).is_ok()));
        assert!((0..20).all(|_| scene.send(Ingress::new(1), usual).is_ok()));
        let seen: Vec<_> = watch.handle_inflow(now, scene.mix.inflow().counts()).collect();
        now = watch.poll_timeout();
        seen
    };
    assert_eq!(period(0), []);
    assert_eq!(period(3), [], "three together");
    assert_eq!(period(0), []);
    let noticed = (0..5).find_map(|_| period(5).first().copied());
    assert_eq!(noticed, Some(Alarm::Filled));
}

/// Checks that who raises one kind of alarm on purpose hides no attack of another kind behind it.
#[test]
fn an_alarm_of_one_kind_silences_no_other() {
    let mut scene = Scene::new(1_000);
    let longest = scene.longest;
    let mut watch = scene.watch();
    let mut raised = None;
    while raised.is_none() {
        assert!((0..5).all(|_| scene.send(LINK, longest).is_ok()));
        raised = watch.handle_inflow(watch.poll_timeout(), scene.mix.inflow().counts()).next();
    }
    assert_eq!(raised, Some(Alarm::Filled));
    let now = watch.poll_timeout();
    let noticed = (0..50).find_map(|_| watch.handle_loop(now, 0, LoopFate::Failed));
    assert_eq!(noticed, Some(Alarm::Loops));
}

/// Checks that a mix counts as traffic of others only what it forwards: not garbage, not copies, not
/// what its link has no place for.
#[test]
fn only_fresh_packets_that_are_forwarded_count_as_inflow() {
    let mut scene = Scene::new(160);
    let (honest, hostile) = (LINK, Ingress::new(1));
    let usual = Duration::from_millis(200);
    let frame = scene.build(usual);
    for _ in 0..3 {
        let _ = scene.mix.handle_frame(NOW, honest, copy(&frame));
    }
    for seed in 0..50 {
        let generation = frame.generation;
        let garbage = Frame { generation, packet: Packet::random(&mut rng(seed)) };
        assert!(scene.mix.handle_frame(NOW, hostile, garbage).is_err());
        assert!(scene.send(hostile, scene.longest + usual).is_err());
    }
    let counts = scene.mix.inflow().counts();
    assert_eq!((&counts.links[..3], counts.delays, counts.shed), (&[1, 0, 0][..], usual, 0));
    let taken = (0..100).filter(|_| scene.send(hostile, usual).is_ok()).count();
    let counts = scene.mix.inflow().counts();
    assert_eq!((counts.links[1], counts.shed), (64, 36));
    assert_eq!(taken, 64);
}

#[cfg(feature = "danger-weaken")]
#[test]
fn tests_of_laws_fail_without_them() {
    use rohrpost_proto::weakness::{Weakness, danger_breaks};

    let laws: [(_, fn()); 4] = [
        (Weakness::AnAlarmSilencesAll, an_alarm_of_one_kind_silences_no_other),
        (Weakness::DelaysWithoutBound, a_delay_beyond_what_builders_draw_is_refused),
        (Weakness::PoolWithoutShares, a_flooding_neighbour_leaves_the_others_their_places),
        (Weakness::AnyDelayCounts, three_packets_of_the_longest_delay_raise_no_alarm),
    ];
    for (law, test) in laws {
        assert!(danger_breaks(law, test), "{law:?}");
    }
}
