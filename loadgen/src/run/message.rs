//! Content of the messages of a load: who sent them, their number, when they were due, and a
//! filling that is compared byte for byte when they arrive.

use std::time::Duration;

use rohrpost_localnet::content;
use rohrpost_packet::envelope::{Fragment, MessageId};
use rohrpost_proto::courier::Message;

/// A message of a load.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct LoadMessageId {
    /// Index of the client that sends it.
    pub(crate) sender: u32,
    /// Place in that client's timetable.
    pub(crate) number: u32,
}

impl LoadMessageId {
    /// The message, due so long after the begin of the load, with a text of `len` bytes.
    pub(crate) fn write(self, due: Duration, len: usize) -> Message {
        content(self.message(), self.number.into(), self.text(due, len))
    }

    /// The message that has arrived and when it was due; none if a byte differs from what was sent.
    pub(crate) fn read(fragment: &Fragment) -> Option<(Self, Duration)> {
        let text = &fragment.body[..];
        let rest = text.strip_prefix(MAGIC)?;
        let sender = u32::from_be_bytes(*rest.first_chunk()?);
        let number = u32::from_be_bytes(*rest.get(4..)?.first_chunk()?);
        let due = u64::from_be_bytes(*rest.get(8..)?.first_chunk()?);
        let (id, due) = (Self { sender, number }, Duration::from_micros(due));
        (fragment.message == id.message() && text == id.text(due, text.len())).then_some((id, due))
    }

    /// The message that a courier speaks of.
    pub(crate) fn of(message: MessageId) -> Self {
        let bytes = message.as_bytes();
        let word = |at: usize| {
            bytes[at..].first_chunk().map_or(0, |word: &[u8; 4]| u32::from_be_bytes(*word))
        };
        Self { sender: word(0), number: word(4) }
    }

    fn message(self) -> MessageId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.sender.to_be_bytes());
        id[4..8].copy_from_slice(&self.number.to_be_bytes());
        MessageId::new(id)
    }

    fn text(self, due: Duration, len: usize) -> Vec<u8> {
        let due = u64::try_from(due.as_micros()).unwrap_or(u64::MAX);
        let mut text = MAGIC.to_vec();
        text.extend_from_slice(&self.sender.to_be_bytes());
        text.extend_from_slice(&self.number.to_be_bytes());
        text.extend_from_slice(&due.to_be_bytes());
        let filling = self.sender.wrapping_mul(31).wrapping_add(self.number).to_be_bytes()[3];
        text.resize(len.max(LEAST_TEXT), filling);
        text
    }
}

const MAGIC: &[u8; 8] = b"rp load1";
/// Bytes that a message of a load has at least.
pub(crate) const LEAST_TEXT: usize = 24;

#[cfg(test)]
mod tests {
    use rohrpost_packet::envelope::{FragmentPosition, Standing};
    use rohrpost_proto::courier::Body;

    use super::*;

    const ID: LoadMessageId = LoadMessageId { sender: 3, number: 70_000 };

    fn fragment(due: Duration, len: usize) -> Fragment {
        let Message { id, kind, sequence, minutes, body: Body::With(body), .. } =
            ID.write(due, len)
        else {
            panic!("a load stores nothing");
        };
        let position = FragmentPosition::WHOLE;
        Fragment {
            message: id,
            kind,
            sequence,
            position,
            minutes,
            standing: Standing::default(),
            body,
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for len in [0, LEAST_TEXT, 100, 900] {
            let fragment = fragment(Duration::from_micros(1_234_567), len);
            assert_eq!(fragment.body.len(), len.max(LEAST_TEXT));
            assert_eq!(
                LoadMessageId::read(&fragment),
                Some((ID, Duration::from_micros(1_234_567)))
            );
            assert_eq!(LoadMessageId::of(fragment.message), ID);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        for place in 0..100 {
            let mut fragment = fragment(Duration::from_secs(1), 100);
            fragment.body[place] ^= 1;
            let read = LoadMessageId::read(&fragment);
            // Another due time cannot be told from a changed one.
            let due_changed = (16..24).contains(&place);
            assert_eq!(read.is_some(), due_changed, "byte {place}");
        }
    }
}
