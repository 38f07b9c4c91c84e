//! Watch of a mix over itself: notices that somebody fills its pool, starves it or holds packets
//! back, as whoever wants to be alone with one packet must (n-1 or blending attacks; Serjantov,
//! Dingledine and Syverson 2002).
//!
//! Each test is sequential (Wald 1945): the logarithm of how much likelier the attack explains what
//! was seen than good order does, added up, and never below zero, so that an attack is found
//! however late it begins (Page 1954). A test alarms above its threshold h; in good order that
//! happens at most once per e^h observations (Lorden 1971).
//!
//! | test | good order | attack |
//! |---|---|---|
//! | delays that packets ask for | exponential, the roster's mean | exponential, twice the mean |
//! | fresh packets of each operator | Poisson, its own rate of the last minutes | a tenth of it |
//! | packets after a gap | as many as before the gap | all of the gap's at once |
//! | own loops | one in five fails | three in five fail |
//! | answers to own pulls | one in eight is missing | half are missing |
//!
//! The first is Little's law (1961): the pool holds arrival rate times mean delay, and who wants it
//! to hold more must ask for more delay. One silent operator is a restart, not an attack: of the
//! silence, that of the most silent operator does not count. The observations are those of one
//! period of the mailboxes, in which every client does the same.

mod alarm;
mod answers;
mod arrivals;
mod sequential;

use std::time::Duration;

use super::inflow::InflowCounts;
use super::operators::Operators;
use crate::courier::Event;
use crate::directory::roster::Roster;
use crate::places::Places;
use crate::time::Time;
use crate::weakness::Weakness;
pub use alarm::Alarm;
use answers::Answers;
pub use answers::PullFate;
use arrivals::{Arrivals, float};
use sequential::Sequential;

/// Watch of one mix. The order of calls: [`Self::handle_inflow`] at [`Self::poll_timeout`] with all
/// that has come in so far, [`Self::handle_event`] for each event of the mix's own client.
pub struct Watch {
    operators: Operators,
    mean_delay: Duration,
    period: Duration,
    next: Time,
    before: InflowCounts,
    delays: Sequential,
    arrivals: Arrivals,
    loops: Sequential,
    answers: Answers,
    /// Test of the loops to each mailbox of the own client, which lie at different relays.
    mailboxes: [Sequential; 2],
    /// Periods in a row in which a link's share of the pool was used up.
    full: u32,
    /// Time until which the mix answers what it has noticed last.
    alarmed_until: Option<Time>,
    /// Time until which each kind of alarm is not given again, in the order of [`Alarm::ALL`].
    told_until: [Option<Time>; Alarm::ALL.len()],
}

/// Fate of an own loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoopFate {
    /// The loop came back by the time that was drawn for it, or little later.
    InTime,
    /// The loop came back later than that, or not at all.
    Failed,
}

impl LoopFate {
    /// The fate of a loop that a courier tells of, and the mailbox that the loop was for.
    #[must_use]
    pub fn of(event: &Event) -> Option<(usize, Self)> {
        match event {
            Event::LoopReturned { mailbox, lateness, .. } if *lateness <= LOOP_LATENESS => {
                Some((*mailbox, Self::InTime))
            }
            Event::LoopReturned { mailbox, .. } | Event::LoopLost { mailbox } => {
                Some((*mailbox, Self::Failed))
            }
            _ => None,
        }
    }
}

impl Watch {
    /// Makes the watch of a mix in `layer`, into which nothing has come yet.
    #[must_use]
    pub fn new(now: Time, roster: &Roster, layer: usize) -> Self {
        let operators = Operators::before(roster, layer);
        let period = roster.traffic.answer_period();
        Self {
            arrivals: Arrivals::new(operators.count()),
            operators,
            mean_delay: roster.traffic.mix_delay,
            period,
            next: now.next_multiple(period),
            before: InflowCounts::default(),
            delays: Sequential::new(DELAYS_THRESHOLD),
            loops: Sequential::new(LOOPS_THRESHOLD),
            answers: Answers::default(),
            mailboxes: [(); 2].map(|()| Sequential::new(MAILBOX_THRESHOLD)),
            full: 0,
            alarmed_until: None,
            told_until: [None; Alarm::ALL.len()],
        }
    }

    /// Goes by the places of links as they are now.
    pub fn follow(&mut self, places: &Places) {
        let operators = Operators::of(places);
        self.arrivals.follow(operators.among(&self.operators));
        self.operators = operators;
    }

    /// Judges what has come in since the last call, by the counts so far. Several attacks may go on
    /// at once: none hides another.
    pub fn handle_inflow(
        &mut self,
        now: Time,
        counts: InflowCounts,
    ) -> impl Iterator<Item = Alarm> + use<> {
        let seen = if now < self.next { [None; 3] } else { self.judge(now, counts) };
        seen.map(|seen| self.alarm(now, seen)).into_iter().flatten()
    }

    fn judge(&mut self, now: Time, counts: InflowCounts) -> [Option<Alarm>; 3] {
        let periods = 1 + now.since(self.next).as_micros() / self.period.as_micros().max(1);
        self.next = now.next_multiple(self.period);
        let came = counts.since(&self.before);
        self.before = counts;
        let filled = self.is_filled(&came).then_some(Alarm::Filled);
        let by_operator = came.by_operator(self.operators.of_links());
        // A driver that slept through periods has not seen what came in each.
        let [starved, held] =
            if periods == 1 { self.arrivals.judge(&by_operator) } else { [None; 2] };
        [filled, starved, held]
    }

    /// Judges the network by an event of the own client: what has become of a loop or a pull.
    pub fn handle_event(&mut self, now: Time, event: &Event) -> Option<Alarm> {
        if let Some((mailbox, fate)) = LoopFate::of(event) {
            return self.handle_loop(now, mailbox, fate);
        }
        let fate = PullFate::of(event)?;
        let alarm = self.answers.add(fate).then_some(Alarm::Answers);
        self.alarm(now, alarm)
    }

    /// Judges the network by a loop to this mailbox of the own client. Each mailbox has a test beside
    /// that of all: what one relay drops of its half would be too little of the whole.
    pub fn handle_loop(&mut self, now: Time, mailbox: usize, fate: LoopFate) -> Option<Alarm> {
        let (failed, attacked) = (LOOPS_FAIL, LOOPS_FAIL_ATTACKED);
        let evidence = match fate {
            LoopFate::Failed => (attacked / failed).ln(),
            LoopFate::InTime => ((1.0 - attacked) / (1.0 - failed)).ln(),
        };
        let tests = self.mailboxes.get_mut(mailbox).into_iter().chain([&mut self.loops]);
        let skipped = usize::from(Weakness::LoopsAreJudgedTogether.is_active());
        let alarms = tests.skip(skipped).filter_map(|test| test.add(evidence).then_some(()));
        let alarm = alarms.last().map(|()| Alarm::Loops);
        self.alarm(now, alarm)
    }

    /// Time at which [`Self::handle_inflow`] is to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Time {
        self.next
    }

    /// True while the mix answers an alarm: it doubles its own cover.
    #[must_use]
    pub fn is_alarmed(&self, now: Time) -> bool {
        self.alarmed_until.is_some_and(|until| now < until)
    }

    /// Tells whether somebody fills the pool. Of n delays with the sum s in means, the likelihood
    /// ratio of twice the mean to the mean is `2⁻ⁿ · e^(s/2)`. A delay counts as [`COUNTED_MEANS`]
    /// at most, which lowers the ratio and so makes no false alarm more likely.
    fn is_filled(&mut self, came: &InflowCounts) -> bool {
        let packets = float(came.links.iter().sum());
        let means = came.delays.as_secs_f64() / self.mean_delay.as_secs_f64();
        let parked = self.delays.add(means / 2.0 - packets * std::f64::consts::LN_2);
        self.full = if came.shed > 0 { self.full + 1 } else { 0 };
        parked || self.full >= FULL_PERIODS
    }

    /// Answers an alarm, and gives it unless one of its kind was given of late. Who raises one kind
    /// on purpose, which costs a few packets, silences no other.
    fn alarm(&mut self, now: Time, seen: Option<Alarm>) -> Option<Alarm> {
        let alarm = seen?;
        let answered = self.is_alarmed(now);
        self.alarmed_until = Some(now + ANSWER);
        let told = &mut self.told_until[alarm.place()];
        let silent = told.is_some_and(|until| now < until);
        if silent || (answered && Weakness::AnAlarmSilencesAll.is_active()) {
            return None;
        }
        *told = Some(now + ANSWER);
        Some(alarm)
    }
}

/// Time for which a mix answers what it has noticed, and for which it does not give that kind of
/// alarm again: long enough that who waits for its end pays in patience.
pub const ANSWER: Duration = Duration::from_secs(600);
/// Threshold for delays. An observation is a packet: 10¹⁰ of them in good order, 11 days at 10⁴ a
/// second.
const DELAYS_THRESHOLD: f64 = 23.0;
/// Means that the delay of one packet counts at most, so that evidence takes at least seven packets:
/// with 27 means, the most that a mix admits, three sufficed. One honest delay in 3 000 is longer.
pub(super) const COUNTED_MEANS: u32 = 8;
/// Lateness up to which a loop is in time: what links and queues take of themselves.
const LOOP_LATENESS: Duration = Duration::from_millis(300);
/// Threshold for loops: 10⁵ of them in good order, two days of two clients' loops.
const LOOPS_THRESHOLD: f64 = 11.5;
/// Threshold for the loops to one mailbox: 17 in a row that fail, those of 70 seconds by the default
/// rates, so that its relay may start anew; in good order one alarm in 6 · 10⁷ of them, in years.
const MAILBOX_THRESHOLD: f64 = 18.0;
/// Share of own loops that fail in good order: links lose, nodes restart.
const LOOPS_FAIL: f64 = 0.2;
/// Share of own loops that fail under attack.
const LOOPS_FAIL_ATTACKED: f64 = 0.6;
/// Periods in a row in which a share was used up: one may be a burst.
const FULL_PERIODS: u32 = 2;
