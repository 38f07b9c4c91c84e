//! The calendar of a run: who works when, is on leave, writes to whom, and what befalls machines
//! and nodes. All of it is drawn from the seed, each part by a function of its own.

use std::ops::Range;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::time::Time;

/// Something that somebody does.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// A person's machine is switched on, or wakes; the client runs from then on.
    Begin(usize),
    /// A person's machine sleeps: the client stays, without a link.
    Sleep(usize),
    /// A person's client ends.
    End(usize),
    /// A person writes to another.
    Post { from: usize, to: usize, lifetime: Duration },
    /// A node ends, with all that it has in memory.
    Kill(NodeNumber),
    /// A node starts with an empty memory.
    Revive(NodeNumber),
    /// A person backs its client up, while it runs.
    BackUp(usize),
    /// A person's laptop is lost; a new one goes on from the backup.
    Restore(usize),
    /// A file backup of a home is made, while its client does not run.
    Copy(usize),
    /// A home is put back from its file backup.
    PutBack(usize),
    /// A machine's clock is set, so many microseconds ahead of the true time.
    SetClock(usize, i64),
    /// A machine's disk is full from now on.
    FillDisk(usize),
    /// A machine's disk has room again.
    FreeDisk(usize),
}

/// Something that befalls people, machines or nodes in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// People are away for days to months: in turn, together, overlapping.
    Leave,
    /// Pairs of people who never work on the same day.
    ShortWeeks,
    /// Relays and mixes are upgraded at weekends, and lose their memory.
    Upgrades,
    /// Two relays go for good.
    LostRelays,
    /// Laptops are replaced by others, which go on from a backup.
    Restores,
    /// Homes are put back from file backups.
    PutBacks,
    /// Machines' clocks are off by hours to years, and set right.
    Clocks,
    /// Machines' disks are full for an hour or so, while their clients run.
    FullDisks,
    /// People who leave for good, of whom nobody says so.
    Departed,
    /// Programs that write forty messages a day.
    Bots,
}

/// Size of a run, and what befalls it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'p> {
    pub(crate) people: usize,
    pub(crate) days: u32,
    /// Days after those, on which all work and nobody writes.
    pub(crate) quiet: u32,
    pub(crate) parts: &'p [Part],
}

/// Working life of a person.
pub(crate) struct Person {
    pub(crate) contacts: Vec<usize>,
    pub(crate) kind: Kind,
    /// Days of the week on which the person works, Monday first.
    week: [bool; 7],
    /// Days of leave.
    away: Vec<Range<u32>>,
    /// True if the machine sleeps over night and does not end the client.
    sleeps: bool,
}

/// Kind of a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Colleague,
    /// One who is gone for good from some day on.
    Departed,
    /// A program on a machine that is always on.
    Bot,
}

/// Deeds of a run with their times, in no order.
pub(crate) type Deeds = Vec<(Time, Deed)>;

impl Scene<'_> {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Longest leave of a run: two months, and no more than a third of the run.
    fn leave(&self) -> u32 {
        (self.days / 3).clamp(1, 60)
    }

    /// The people of a run, and when each is away.
    pub(crate) fn people(&self, rng: &mut ChaCha20Rng) -> Vec<Person> {
        let colleagues = self.people;
        let mut people: Vec<_> =
            (0..colleagues).map(|_| Person::new(Kind::Colleague, rng)).collect();
        for person in 0..colleagues {
            for step in [1, 2, 7].into_iter().filter(|step| step * 2 < colleagues) {
                know(&mut people, person, (person + step) % colleagues);
            }
        }
        if self.has(Part::ShortWeeks) {
            short_weeks(&mut people);
        }
        if self.has(Part::Leave) {
            self.take_leave(&mut people, rng);
        }
        if self.has(Part::Departed) {
            self.depart(&mut people, rng);
        }
        if self.has(Part::Bots) {
            hire_bots(&mut people, colleagues, rng);
        }
        people
    }

    /// Sends people on leave: most by themselves, some together with the one before.
    fn take_leave(&self, people: &mut [Person], rng: &mut ChaCha20Rng) {
        let longest = self.leave();
        let mut before: Vec<Range<u32>> = Vec::new();
        for person in people {
            let mut day = rng.random_range(1..self.days);
            while day < self.days {
                let end = (day + rng.random_range(1..=longest)).min(self.days);
                person.away.push(day..end);
                day = end + rng.random_range(longest..=longest * 4);
            }
            if rng.random_range(0..5) == 0 && !before.is_empty() {
                person.away.clone_from(&before);
            }
            before.clone_from(&person.away);
        }
    }

    /// Adds people who leave for good: two for every five who stay.
    fn depart(&self, people: &mut Vec<Person>, rng: &mut ChaCha20Rng) {
        let stay = people.len();
        for _ in 0..stay * 2 / 5 {
            let mut person = Person::new(Kind::Departed, rng);
            let last = rng.random_range(2..=(self.days / 3).max(3));
            person.away.push(last..u32::MAX);
            people.push(person);
            let new = people.len() - 1;
            for _ in 0..3 {
                know(people, new, rng.random_range(0..stay));
            }
        }
    }

    /// The days of all people: when their clients run, and what they write.
    pub(crate) fn days(&self, people: &[Person], begin: Time, rng: &mut ChaCha20Rng) -> Deeds {
        let mut deeds = Deeds::new();
        for day in 0..self.days + self.quiet {
            let midnight = begin + DAY * day;
            for (number, person) in people.iter().enumerate().filter(|(_, one)| one.works(day)) {
                let hours = person.hours(day, midnight, number, rng, &mut deeds);
                if day <= self.days {
                    let probes = day == self.days;
                    person.write(number, people, hours, probes, rng, &mut deeds);
                }
            }
        }
        deeds
    }

    /// What befalls nodes and machines.
    pub(crate) fn fates(
        &self,
        people: &[Person],
        nodes: &Nodes,
        begin: Time,
        rng: &mut ChaCha20Rng,
    ) -> Deeds {
        let mut deeds = Deeds::new();
        let mut deaths = Vec::new();
        if self.has(Part::LostRelays) {
            deaths = self.lose_relays(nodes, begin, rng);
            deeds.extend(deaths.iter().map(|(at, node)| (*at, Deed::Kill(*node))));
        }
        if self.has(Part::Upgrades) {
            self.upgrade(nodes, &deaths, begin, rng, &mut deeds);
        }
        let colleagues = || (0..people.len()).filter(|one| people[*one].kind == Kind::Colleague);
        let mut order: Vec<_> = colleagues().collect();
        order.shuffle(rng);
        let share = (order.len() / 6).max(1);
        let mut rest = order.into_iter();
        if self.has(Part::Restores) {
            let some = rest.by_ref().take(share);
            for one in some {
                // On another machine, from the last backup.
                let (copy, back) = ((12, Deed::BackUp(one)), Deed::Restore(one));
                deeds.extend(self.go_back(&people[one], copy, back, begin, rng));
            }
        }
        if self.has(Part::PutBacks) {
            let some = rest.by_ref().take(share);
            for one in some {
                let (copy, back) = ((3, Deed::Copy(one)), Deed::PutBack(one));
                deeds.extend(self.go_back(&people[one], copy, back, begin, rng));
            }
        }
        if self.has(Part::Clocks) {
            let some = rest.by_ref().take(share);
            some.for_each(|one| self.misset(one, begin, rng, &mut deeds));
        }
        if self.has(Part::FullDisks) {
            rest.take(share * 3)
                .for_each(|one| self.fill(one, &people[one], begin, rng, &mut deeds));
        }
        deeds
    }

    /// Draws when relays go for good at which no client enters.
    fn lose_relays(
        &self,
        nodes: &Nodes,
        begin: Time,
        rng: &mut ChaCha20Rng,
    ) -> Vec<(Time, NodeNumber)> {
        let day = |rng: &mut ChaCha20Rng| rng.random_range(self.days / 5..=self.days * 4 / 5);
        nodes.mortal.iter().map(|node| (begin + DAY * day(rng) + HOUR * 11, *node)).collect()
    }

    /// Upgrades all nodes at every second weekend, one after another.
    fn upgrade(
        &self,
        nodes: &Nodes,
        deaths: &[(Time, NodeNumber)],
        begin: Time,
        rng: &mut ChaCha20Rng,
        deeds: &mut Deeds,
    ) {
        for saturday in (5..self.days).step_by(14) {
            let mut order = nodes.all.clone();
            order.shuffle(rng);
            let mut at = begin + DAY * saturday + MINUTE * rng.random_range(0..600);
            for node in order {
                let up = at + MINUTE * rng.random_range(1..40);
                if deaths.iter().all(|(death, dead)| *dead != node || up < *death) {
                    deeds.push((at, Deed::Kill(node)));
                    deeds.push((up, Deed::Revive(node)));
                }
                at = up + MINUTE * rng.random_range(1..20);
            }
        }
    }

    /// Has a copy of a person's client made on a working day, at this hour and in this way, and has the
    /// client go on from it days later.
    fn go_back(
        &self,
        person: &Person,
        (hour, copy): (u32, Deed),
        go_back: Deed,
        begin: Time,
        rng: &mut ChaCha20Rng,
    ) -> Deeds {
        let Some(copied) = self.working(person).choose(rng).copied() else { return Deeds::new() };
        let back = copied + rng.random_range(1..=7);
        let copied = begin + DAY * copied + HOUR * hour;
        vec![(copied, copy), (begin + DAY * back + HOUR * 4, go_back)]
    }

    /// Days of a run, but the first, on which a person works.
    fn working(&self, person: &Person) -> Vec<u32> {
        (1..self.days).filter(|day| person.works(*day)).collect()
    }

    /// Has a disk be full for an hour, more or less, on two working days, while letters come and go: for
    /// some of these times the client waits, of others it ends.
    fn fill(
        &self,
        number: usize,
        person: &Person,
        begin: Time,
        rng: &mut ChaCha20Rng,
        deeds: &mut Deeds,
    ) {
        for day in self.working(person).sample(rng, 2) {
            let full = begin + DAY * *day + HOUR * 10 + MINUTE * rng.random_range(0..240);
            deeds.push((full, Deed::FillDisk(number)));
            let free = full + MINUTE * rng.random_range(40..=90);
            deeds.push((free, Deed::FreeDisk(number)));
            let to = *person.contacts.choose(rng).expect("everybody knows somebody");
            // Whoever has made room tries at once.
            deeds.push((free + SECOND, Deed::Post { from: number, to, lifetime: WEEK }));
            for (from, to) in [(number, to), (to, number)] {
                deeds.push((full + MINUTE * 20, Deed::Post { from, to, lifetime: WEEK }));
            }
        }
    }

    /// Sets a machine's clock wrong for some days.
    fn misset(&self, number: usize, begin: Time, rng: &mut ChaCha20Rng, deeds: &mut Deeds) {
        const HOURS: i64 = 3_600_000_000;
        let hours = [1, 5, 26, 24 * 31, 24 * 365, 24 * 365 * 6];
        let off = *hours.choose(rng).expect("there are some") * HOURS;
        let off = if rng.random_range(0..2) == 0 { off } else { -off };
        let from = rng.random_range(1..self.days.max(2));
        let to = from + rng.random_range(1..=6);
        let at = |day: u32, rng: &mut ChaCha20Rng| {
            begin + DAY * day + MINUTE * rng.random_range(5 * 60..20 * 60)
        };
        deeds.push((at(from, rng), Deed::SetClock(number, off)));
        deeds.push((at(to, rng), Deed::SetClock(number, 0)));
    }
}

/// Nodes, as a calendar deals with them.
pub(crate) struct Nodes {
    pub(crate) all: Vec<NodeNumber>,
    /// Relays that are there to the end, but for upgrades.
    pub(crate) lasting: Vec<NodeNumber>,
    /// Relays that may go for good.
    pub(crate) mortal: Vec<NodeNumber>,
}

impl Person {
    fn new(kind: Kind, rng: &mut ChaCha20Rng) -> Self {
        let week = [true, true, true, true, true, kind == Kind::Bot, kind == Kind::Bot];
        let sleeps = kind == Kind::Colleague && rng.random_range(0..3) == 0;
        Self { contacts: Vec::new(), kind, week, away: Vec::new(), sleeps }
    }

    pub(crate) fn works(&self, day: u32) -> bool {
        let weekday = usize::try_from(day % 7).expect("a small number");
        self.week[weekday] && !self.away.iter().any(|away| away.contains(&day))
    }

    /// Working hours of a day, for which the client runs; a bot's runs on.
    fn hours(
        &self,
        day: u32,
        midnight: Time,
        number: usize,
        rng: &mut ChaCha20Rng,
        deeds: &mut Deeds,
    ) -> Range<Time> {
        if self.kind == Kind::Bot {
            deeds.push((midnight + MINUTE, Deed::Begin(number)));
            return midnight + MINUTE * 2..midnight + DAY;
        }
        let start = midnight + HOUR * 8 + MINUTE * rng.random_range(0..90);
        let end = start + HOUR * 8 + MINUTE * rng.random_range(0..60);
        deeds.push((start, Deed::Begin(number)));
        let night = self.sleeps && self.works(day + 1);
        deeds.push((end, if night { Deed::Sleep(number) } else { Deed::End(number) }));
        start + MINUTE..end
    }

    /// What a person writes on a day; with `probes` a letter to each contact.
    fn write(
        &self,
        from: usize,
        people: &[Self],
        hours: Range<Time>,
        probes: bool,
        rng: &mut ChaCha20Rng,
        deeds: &mut Deeds,
    ) {
        let minutes = hours.end.since(hours.start).as_secs() / 60;
        let letters = match self.kind {
            _ if probes => self.contacts.len(),
            Kind::Bot => 40,
            _ => rng.random_range(0..8),
        };
        for letter in 0..letters {
            let at =
                hours.start + MINUTE * rng.random_range(0..u32::try_from(minutes).unwrap_or(1));
            let drawn = *self.contacts.choose(rng).expect("everybody knows somebody");
            let to = if probes { self.contacts[letter] } else { drawn };
            let away = people[to].kind == Kind::Departed || self.kind == Kind::Bot;
            let usual = away || rng.random_range(0..4) == 0;
            let lifetime = if probes || usual { WEEK } else { PATIENT };
            deeds.push((at, Deed::Post { from, to, lifetime }));
        }
    }
}

/// Has two people know each other.
fn know(people: &mut [Person], one: usize, other: usize) {
    if one != other && !people[one].contacts.contains(&other) {
        people[one].contacts.push(other);
        people[other].contacts.push(one);
    }
}

/// Gives every fifth person and the next, who know each other, days without one in common.
fn short_weeks(people: &mut [Person]) {
    for (number, person) in people.iter_mut().enumerate() {
        match number % 5 {
            0 => person.week = [true, true, false, false, false, false, false],
            1 => person.week = [false, false, false, true, true, false, false],
            _ => {}
        }
    }
}

/// Adds two programs, each of which writes to two people.
fn hire_bots(people: &mut Vec<Person>, colleagues: usize, rng: &mut ChaCha20Rng) {
    for _ in 0..2 {
        people.push(Person::new(Kind::Bot, rng));
        let bot = people.len() - 1;
        for _ in 0..2 {
            know(people, bot, rng.random_range(0..colleagues));
        }
    }
}

/// The midnight before a Monday in November 2026.
pub(crate) const BEGIN: Time = Time::from_micros(20_780 * 86_400_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Time after which messages are given up unless their sender says otherwise.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Time for which people wait who know that others go on leave.
const PATIENT: Duration = Duration::from_secs(75 * 86_400);
