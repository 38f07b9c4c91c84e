//! A mix whose pool somebody fills, starves or holds back notices in time, and hardly ever when
//! nobody does (`docs/traffic.md`, Mixes).

use std::time::Duration;

use rohrpost_proto::mix::watch::Alarm;
use rohrpost_virtual::{Attack, Scene, WatchedMix, every_seed, seeds_or};

/// Trials of each attack, and how many must be noticed.
const TRIALS: u64 = 20;
const NOTICED: usize = 19;
/// Time in which an attack must be noticed.
const WITHIN: Duration = Duration::from_secs(10);
/// Honest packets per second and link: a mix of a localnet has twenty to forty.
const RATE: f64 = 10.0;

/// Runs five minutes in good order and then ten seconds of an attack; the alarm and its delay.
fn trial(seed: u64, attack: Attack, held: Duration) -> Option<(Duration, Alarm)> {
    let mut mix = WatchedMix::new(seed, 4, 200);
    mix.run_for(Duration::from_secs(300) + Duration::from_millis(37 * seed), calm());
    assert_eq!(mix.alarms(), [], "in good order, seed {seed}");
    let begun = mix.elapsed();
    let mut left = held;
    while mix.alarms().is_empty() && left > Duration::ZERO {
        // A hold ends all at once; of the rest nothing depends on where a part ends.
        let part = if held < WITHIN { left } else { left.min(Duration::from_secs(1)) };
        mix.run_for(part, Scene { rate: RATE, attack });
        left -= part;
    }
    mix.run_for(WITHIN.saturating_sub(held), calm());
    mix.alarms().first().map(|(at, alarm)| (at.saturating_sub(begun), *alarm))
}

const fn calm() -> Scene {
    Scene { rate: RATE, attack: Attack::None }
}

/// Checks that nineteen of twenty attacks are noticed in time, by the alarm that fits.
fn assert_noticed(attack: Attack, held: Duration, fits: &[Alarm]) {
    let trials: Vec<_> = (1..=TRIALS).map(|seed| trial(seed, attack, held)).collect();
    let noticed =
        trials.iter().flatten().filter(|(after, alarm)| *after <= WITHIN && fits.contains(alarm));
    assert!(noticed.count() >= NOTICED, "{attack:?}: {trials:?}");
}

#[test]
fn a_pool_that_somebody_fills_with_long_delays_is_noticed() {
    let attack = Attack::Fill { link: 1, rate: 5.0 };
    assert_noticed(attack, WITHIN, &[Alarm::Filled]);
}

#[test]
fn a_link_that_floods_its_share_is_noticed() {
    let attack = Attack::Flood { link: 2, rate: 600.0 };
    assert_noticed(attack, WITHIN, &[Alarm::Filled]);
}

#[test]
fn a_mix_that_somebody_starves_notices() {
    assert_noticed(Attack::Starve { spared: 100 }, WITHIN, &[Alarm::Starved]);
}

#[test]
fn packets_that_somebody_holds_for_five_seconds_are_noticed() {
    let attack = Attack::Hold { link: 0 };
    assert_noticed(attack, Duration::from_secs(6), &[Alarm::HeldBack]);
}

/// Checks that who raises one alarm on purpose, by a burst of packets with long delays, silences no
/// other: what it does meanwhile is noticed as ever.
#[test]
fn an_alarm_that_somebody_raises_on_purpose_hides_no_attack() {
    let attacks = [
        (Attack::Starve { spared: 100 }, Alarm::Starved, WITHIN),
        (Attack::Hold { link: 0 }, Alarm::HeldBack, Duration::from_secs(6)),
    ];
    for (attack, fits, held) in attacks {
        let noticed = (1..=TRIALS).filter(|seed| {
            let mut mix = WatchedMix::new(*seed, 4, 200);
            mix.run_for(Duration::from_secs(180), calm());
            let ruse = Attack::Fill { link: 1, rate: 30.0 };
            mix.run_for(Duration::from_secs(2), Scene { rate: RATE, attack: ruse });
            assert_eq!(mix.alarms().len(), 1, "the ruse, seed {seed}");
            mix.run_for(Duration::from_secs(20), calm());
            let begun = mix.elapsed();
            mix.run_for(held, Scene { rate: RATE, attack });
            mix.run_for(WITHIN.saturating_sub(held), calm());
            mix.alarms()[1..].iter().any(|(at, alarm)| *alarm == fits && *at - begun <= WITHIN)
        });
        let noticed = noticed.count();
        assert!(noticed >= NOTICED, "{attack:?}: {noticed} of {TRIALS}");
    }
}

/// Checks that a day of honest traffic, with bursts and the restart of a neighbour each hour, makes
/// one alarm at most.
#[test]
fn a_day_in_good_order_makes_one_alarm_at_most() {
    every_seed(seeds_or(1), |seed| {
        let mut mix = WatchedMix::new(seed, 4, 1_000);
        for hour in 0..24 {
            // Half as much at night as by day.
            let rate = if (8..18).contains(&hour) { 2.0 } else { 1.0 };
            let scene = |rate, attack| Scene { rate, attack };
            mix.run_for(Duration::from_secs(1_700), scene(rate, Attack::None));
            mix.run_for(Duration::from_secs(100), scene(4.0 * rate, Attack::None));
            mix.run_for(Duration::from_secs(900), scene(rate, Attack::None));
            let restart = Attack::Restart { link: hour % 4 };
            mix.run_for(Duration::from_secs(30), scene(rate, restart));
            mix.run_for(Duration::from_secs(870), scene(rate, Attack::None));
        }
        assert!(mix.alarms().len() <= 1, "seed {seed}: {:?}", mix.alarms());
    });
}
