//! Letters that a contact can write: of any content, by the layouts of `docs/packet-format.md` §9.
//! They are written and read here by that text alone.

use arbitrary::Arbitrary;
use rohrpost_packet::envelope::{FragmentPosition, Kind, MessageId, REPEATED, Standing};
use rohrpost_proto::courier::Part;

/// A number of a message, near enough to others to meet them.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Number {
    incarnation: u8,
    offset: u16,
    far: bool,
}

/// A number, as often as not one that means something to the client.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Place {
    /// A few before or after the number that means something.
    Near(i8),
    /// Less than 256 after it, so that the window is left.
    Within(u8),
    /// Any number.
    Far(Number),
}

/// Choice of the standing in a letter.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct StandingChoice {
    open: Place,
    heard: Place,
    /// A second message that the letter says has come, so far before the last of them.
    before: u8,
    since: u8,
    incarnation: u8,
    /// Which of the client's messages the letter says have come.
    told: u32,
    /// Which of them is the last, if there are as many.
    last: u8,
    behind: u8,
    /// Message that the letter says stands there.
    after: u8,
    hour: u8,
}

/// Choice of a fragment of a message.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct PartChoice {
    kind: u8,
    number: Place,
    message: u8,
    index: u8,
    count: u16,
    standing: Option<StandingChoice>,
}

/// Contents of an acknowledgement.
#[derive(Arbitrary, Clone, Debug)]
pub struct AcknowledgementChoice {
    since: u8,
    address: Place,
    floor: Place,
    told: Vec<NameChoice>,
    waiting: Vec<NameChoice>,
    partial: Vec<(NameChoice, Vec<(u8, u32)>)>,
    standing: Option<StandingChoice>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct NameChoice {
    offset: u8,
    tag: u8,
}

/// Numbers that mean something to the client when a letter is written to it.
pub struct Numbers {
    /// Bound below which the contact's messages are over.
    pub below: u64,
    /// Version of the contact's newest address.
    pub address: u64,
    /// The client's first message that is not over.
    pub open: u64,
    /// The number after that of the client's last message.
    pub next: u64,
    /// Version of the client's newest address.
    pub version: u64,
    /// Names of the client's messages that are not over.
    pub own: Vec<Name>,
}

impl Numbers {
    /// The short name of the client's message whose number is less than `last` by so much; some other
    /// where there is none.
    fn short(&self, last: u64, before: usize) -> u16 {
        let before = u64::try_from(before).expect("it is small");
        let own = self.own.iter().find(|(number, _)| number.checked_add(before) == Some(last));
        own.map_or(0xeeee, |(_, tag)| short(*tag))
    }
}

/// The short name of a message, by which letters repeat that it was told of.
#[must_use]
pub fn short([a, b, ..]: [u8; 4]) -> u16 {
    u16::from_be_bytes([a, b]).max(1)
}

/// A fragment, as it stands in an envelope.
#[derive(Clone)]
pub struct Letter {
    /// Place in a message.
    pub part: Part,
    /// Time of writing, in minutes since the Unix epoch.
    pub minutes: u32,
    /// Standing of the sender with the client.
    pub standing: Standing,
    /// The text of the fragment.
    pub body: Vec<u8>,
}

/// Name of a message in an acknowledgement: its number, and the first bytes of its id.
pub type Name = (u64, [u8; 4]);

/// Text of an acknowledgement.
pub struct Report {
    /// Incarnation since which its sender counts.
    pub since: u32,
    /// Version of the newest address that has come.
    pub address: u64,
    /// Number from which on messages are named.
    pub floor: u64,
    /// Messages that the reader was told of.
    pub told: Vec<Name>,
    /// Whole messages that wait for others.
    pub waiting: Vec<Name>,
    /// Messages that have come in part, and ranges of their fragments.
    pub partial: Vec<(Name, Vec<(u32, u32)>)>,
}

impl Number {
    /// The number of the message. Most are small; some are the last of their incarnation, or of
    /// all.
    fn get(self) -> u64 {
        let incarnation =
            if self.incarnation > 250 { u32::MAX } else { u32::from(self.incarnation % 4) };
        let offset = u32::from(self.offset % 300);
        let offset = if self.far { u32::MAX - offset } else { offset };
        u64::from(incarnation) << 32 | u64::from(offset)
    }
}

impl Place {
    fn get(self, base: u64) -> u64 {
        match self {
            Self::Near(offset) => base.saturating_add_signed(i64::from(offset / 8)),
            Self::Within(offset) => base.saturating_add(u64::from(offset)),
            Self::Far(number) => number.get(),
        }
    }
}

impl StandingChoice {
    fn get(choice: Option<Self>, numbers: &Numbers) -> Standing {
        let Some(choice) = choice else { return Standing::default() };
        let (last, _) = numbers.own.get(usize::from(choice.last)).copied().unwrap_or_default();
        Standing {
            open: choice.open.get(numbers.below),
            heard: choice.heard.get(numbers.below),
            whole: 1 | 1 << (choice.before % 128),
            since: incarnation(choice.since),
            incarnation: incarnation(choice.incarnation),
            last,
            told: std::array::from_fn(|at| match choice.told >> (4 * at) & 15 {
                0..4 => 0,
                4 => 0xeeee,
                _ => numbers.short(last, at),
            }),
            behind: if choice.behind < 192 { choice.behind % 4 } else { choice.behind },
            after: if choice.after < 192 { 0 } else { short([choice.after % 4; 4]) },
            hour: choice.hour,
        }
    }
}

impl PartChoice {
    /// A letter with the part of a message in it, never an acknowledgement.
    #[must_use]
    pub fn letter(&self, numbers: &Numbers, body: &[u8]) -> Letter {
        let count = match self.count {
            // This is as long as no message can be.
            u16::MAX => u32::MAX,
            count => (u32::from(count) >> 12).max(1),
        };
        let (kind, base) = match self.kind % 4 {
            0 => (Kind::Address, numbers.address),
            _ => (Kind::Content, numbers.below),
        };
        let part = Part {
            sequence: self.number.get(base),
            message: MessageId::new([self.message % 4; 16]),
            kind,
            position: FragmentPosition { index: u32::from(self.index) % count, count },
        };
        let standing = StandingChoice::get(self.standing, numbers);
        Letter { part, minutes: 0, standing, body: body.to_vec() }
    }
}

impl AcknowledgementChoice {
    /// A letter with the acknowledgement in it, whose text has at most 676 bytes before `cut` of
    /// them are cut off. `tag` is that of the client's message of a number.
    #[must_use]
    pub fn letter(&self, numbers: &Numbers, cut: u8, tag: impl Fn(u64) -> [u8; 4]) -> Letter {
        let floor = self.floor.get(numbers.open);
        let name = |choice: &NameChoice| {
            let offset = if choice.offset < 192 { choice.offset % 8 } else { choice.offset };
            let number = floor.wrapping_add(u64::from(offset));
            (number, if choice.tag > 250 { [0xee; 4] } else { tag(number) })
        };
        let ranges = |ranges: &[(u8, u32)]| {
            ranges.iter().take(8).map(|(first, length)| (u32::from(*first), *length)).collect()
        };
        let partial = self.partial.iter().take(8).map(|(of, all)| (name(of), ranges(all)));
        let report = Report {
            since: incarnation(self.since),
            address: self.address.get(numbers.version),
            floor,
            told: self.told.iter().take(8).map(name).collect(),
            waiting: self.waiting.iter().take(8).map(name).collect(),
            partial: partial.collect(),
        };
        let mut body = report.encode();
        body.truncate(body.len().saturating_sub(usize::from(cut)));
        let part = Part {
            sequence: 0,
            message: MessageId::new([9; 16]),
            kind: Kind::Acknowledgement,
            position: FragmentPosition::WHOLE,
        };
        Letter { part, minutes: 0, standing: StandingChoice::get(self.standing, numbers), body }
    }
}

impl Letter {
    /// Writes the letter, which need not be well-formed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { part, minutes, standing, body } = self;
        let mut bytes = vec![1, part.kind.byte()];
        let len = u16::try_from(body.len()).expect("a fragment is short");
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(part.message.as_bytes());
        bytes.extend_from_slice(&part.sequence.to_be_bytes());
        let [_, index @ ..] = part.position.index.to_be_bytes();
        bytes.push(standing.behind);
        bytes.extend_from_slice(&index);
        let [_, count @ ..] = part.position.count.to_be_bytes();
        bytes.push(standing.hour);
        bytes.extend_from_slice(&count);
        bytes.extend_from_slice(&minutes.to_be_bytes());
        bytes.extend_from_slice(&standing.open.to_be_bytes());
        bytes.extend_from_slice(&standing.heard.to_be_bytes());
        bytes.extend_from_slice(&standing.whole.to_be_bytes());
        bytes.extend_from_slice(&standing.since.to_be_bytes());
        bytes.extend_from_slice(&standing.incarnation.to_be_bytes());
        bytes.extend_from_slice(&standing.last.to_be_bytes());
        standing.told.iter().for_each(|name| bytes.extend_from_slice(&name.to_be_bytes()));
        bytes.extend_from_slice(&standing.after.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// Reads a letter; none if it is not well-formed.
    #[must_use]
    pub fn read(mut rest: &[u8]) -> Option<Self> {
        let [version, kind] = take(&mut rest)?;
        let len = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let message = MessageId::new(take(&mut rest)?);
        let sequence = long(&mut rest)?;
        let [behind, index @ ..] = take::<4>(&mut rest)?;
        let [a, b, c] = index;
        let index = u32::from_be_bytes([0, a, b, c]);
        let [hour, count @ ..] = take::<4>(&mut rest)?;
        let [a, b, c] = count;
        let position = FragmentPosition { index, count: u32::from_be_bytes([0, a, b, c]) };
        let minutes = word(&mut rest)?;
        let [open, heard] = [long(&mut rest)?, long(&mut rest)?];
        let whole = u128::from_be_bytes(take(&mut rest)?);
        let [since, incarnation] = [word(&mut rest)?, word(&mut rest)?];
        let last = long(&mut rest)?;
        let mut told = [0; REPEATED];
        for name in &mut told {
            *name = u16::from_be_bytes(take(&mut rest)?);
        }
        let after = u16::from_be_bytes(take(&mut rest)?);
        let standing =
            Standing { open, heard, whole, since, incarnation, last, told, behind, after, hour };
        let body = rest.get(..len)?.to_vec();
        let kind = match kind {
            0 => Kind::Content,
            1 => Kind::Address,
            2 => Kind::Acknowledgement,
            3 => Kind::Loop,
            _ => return None,
        };
        let well_formed = version == 1 && position.index < position.count;
        let part = Part { sequence, message, kind, position };
        well_formed.then_some(Self { part, minutes, standing, body })
    }
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let count = |len: usize| u8::try_from(len).expect("at most eight");
        let lens = [self.told.len(), self.waiting.len(), self.partial.len()];
        let mut bytes = vec![3];
        bytes.extend(lens.map(count));
        bytes.extend_from_slice(&self.since.to_be_bytes());
        for number in [self.address, self.floor] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let name = |(number, tag): Name| {
            let offset = u8::try_from(number.wrapping_sub(self.floor)).expect("an offset");
            [&[offset], &tag[..]].concat()
        };
        self.told.iter().chain(&self.waiting).for_each(|of| bytes.extend(name(*of)));
        for (of, ranges) in &self.partial {
            bytes.extend(name(*of));
            bytes.push(count(ranges.len()));
            for (first, length) in ranges {
                bytes.extend_from_slice(&first.to_be_bytes());
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        bytes
    }

    /// Reads the text of an acknowledgement; none if it is not well-formed.
    #[must_use]
    pub fn read(mut rest: &[u8]) -> Option<Self> {
        let [3, told, waiting, partial] = take(&mut rest)? else { return None };
        let since = word(&mut rest)?;
        let [address, floor] = [long(&mut rest)?, long(&mut rest)?];
        let name = |rest: &mut &[u8]| -> Option<Name> {
            let [offset] = take(rest)?;
            Some((floor.checked_add(u64::from(offset))?, take(rest)?))
        };
        let told = (0..told).map(|_| name(&mut rest)).collect::<Option<_>>()?;
        let waiting = (0..waiting).map(|_| name(&mut rest)).collect::<Option<_>>()?;
        let mut part = || {
            let (of, [ranges]) = (name(&mut rest)?, take(&mut rest)?);
            let ranges = (0..ranges).map(|_| Some((word(&mut rest)?, word(&mut rest)?)));
            Some((of, ranges.collect::<Option<Vec<_>>>()?))
        };
        let partial = (0..partial).map(|_| part()).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self { since, address, floor, told, waiting, partial })
    }

    /// Tells whether all of a message has come. Where the acknowledgement names a message's parts
    /// twice, the first time counts.
    #[must_use]
    pub fn has_all(&self, name: Name) -> bool {
        self.whole().any(|whole| whole == name)
    }

    /// Names of messages that have come whole.
    pub fn whole(&self) -> impl Iterator<Item = Name> {
        self.told.iter().chain(&self.waiting).copied()
    }

    /// Tells whether a fragment of a message has come.
    #[must_use]
    pub fn has(&self, name: Name, fragment: u32) -> bool {
        let within = |(first, length): &(u32, u32)| {
            fragment.checked_sub(*first).is_some_and(|behind| behind < *length)
        };
        let part = self.partial.iter().find(|(of, _)| *of == name);
        self.has_all(name) || part.is_some_and(|(_, ranges)| ranges.iter().any(within))
    }

    /// Names of all messages of which something has come.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.whole().chain(self.partial.iter().map(|(of, _)| *of))
    }
}

/// Name of a message.
#[must_use]
pub fn name(number: u64, message: MessageId) -> Name {
    let [a, b, c, d, ..] = *message.as_bytes();
    (number, [a, b, c, d])
}

/// An incarnation that is one of the first or the last.
fn incarnation(choice: u8) -> u32 {
    if choice == u8::MAX { u32::MAX } else { u32::from(choice % 4) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn long(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}
