//! Content of a message for its reader: a text, or a file with its name.
//!
//! `version u8 = 1 ‖ kind u8 (0 text, 1 file) ‖ length of the name u8 ‖ name ‖ text or file`. The
//! name is that of the file alone, in UTF-8; a text has none.

use rohrpost_proto::courier::MESSAGE_BYTES;
use zeroize::Zeroizing;

use crate::printable::steers;

/// A text or a file; or what a newer program has written and this one cannot show.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A text to read.
    Text(Zeroizing<String>),
    /// A file to save.
    File {
        /// Name without directories; at most [`NAME_LIMIT`] bytes.
        name: String,
        /// All bytes of the file.
        bytes: Zeroizing<Vec<u8>>,
    },
    /// The whole body of a message of another version, of another kind, or not of this layout. It
    /// is kept for a program that knows what it is: its sender hears that it was delivered.
    Unknown(Zeroizing<Vec<u8>>),
}

impl Content {
    /// Content that is a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.to_owned()))
    }

    /// Content that is a file, under the last part of its name, shortened if it is too long, and
    /// made harmless: no separators, no characters that steer a terminal or turn the direction of
    /// writing, never hidden, never empty.
    #[must_use]
    pub fn file(name: &str, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::File { name: harmless(name), bytes }
    }

    /// Encodes the body of a message.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (head, bytes) = (self.head(), self.bytes());
        let mut body = Zeroizing::new(Vec::with_capacity(head.len() + bytes.len()));
        body.extend_from_slice(&head);
        body.extend_from_slice(bytes);
        body
    }

    /// What precedes the bytes in the body of a message.
    pub(crate) fn head(&self) -> Vec<u8> {
        match self {
            Self::Text(_) => head(TEXT, ""),
            Self::File { name, .. } => head(FILE, name),
            Self::Unknown(_) => Vec::new(),
        }
    }

    /// Reads the body of a message. A file's name is made harmless again: its sender chose it.
    #[must_use]
    pub fn decode(body: &[u8]) -> Self {
        match View::of(body) {
            View::Text(text) => Self::text(text),
            View::File { name, bytes } => Self::file(name, Zeroizing::new(bytes.to_vec())),
            View::Unknown => Self::Unknown(Zeroizing::new(body.to_vec())),
        }
    }

    /// The file's name; none if it is no file.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Text(_) | Self::Unknown(_) => None,
            Self::File { name, .. } => Some(name),
        }
    }

    /// The bytes of the text or file, or of what is not known.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::File { bytes, .. } | Self::Unknown(bytes) => bytes,
        }
    }
}

/// What a list tells of a content.
pub(crate) struct Outline {
    /// The file's name; none if it is no file.
    pub(crate) name: Option<String>,
    /// Bytes of the text or file, or of what is not known.
    pub(crate) len: usize,
    /// True if it is a text or a file.
    pub(crate) known: bool,
}

impl Outline {
    /// The outline of a message's body, of which no copy is made.
    pub(crate) fn of(body: &[u8]) -> Self {
        match View::of(body) {
            View::Text(text) => Self { name: None, len: text.len(), known: true },
            View::File { name, bytes } => {
                Self { name: Some(harmless(name)), len: bytes.len(), known: true }
            }
            View::Unknown => Self { name: None, len: body.len(), known: false },
        }
    }
}

/// A body as it is laid out.
enum View<'b> {
    Text(&'b str),
    File {
        name: &'b str,
        bytes: &'b [u8],
    },
    /// Another version or layout.
    Unknown,
}

impl<'b> View<'b> {
    fn of(body: &'b [u8]) -> Self {
        Self::known(body).unwrap_or(Self::Unknown)
    }

    fn known(body: &'b [u8]) -> Option<Self> {
        let ([version, kind, len], rest) = body.split_first_chunk()?;
        let (name, bytes) = rest.split_at_checked(usize::from(*len))?;
        match (*version, *kind) {
            (VERSION, TEXT) if name.is_empty() => {
                Some(Self::Text(std::str::from_utf8(bytes).ok()?))
            }
            (VERSION, FILE) => Some(Self::File { name: std::str::from_utf8(name).ok()?, bytes }),
            _ => None,
        }
    }
}

fn head(kind: u8, name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("harmless names have at most 255 bytes");
    [&[VERSION, kind, len], name.as_bytes()].concat()
}

fn harmless(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !steers(*c)).collect();
    // A file that a shell or another program reads by itself has a name that begins with a dot; a
    // dash begins an option.
    let kept = kept.trim_start_matches(['.', ' ', '-']);
    if kept.is_empty() { "file".to_owned() } else { shorten_file_name(kept, NAME_LIMIT) }
}

/// A file's name cut to this many bytes; its extension stays, if it is short enough to be one.
#[must_use]
pub fn shorten_file_name(name: &str, limit: usize) -> String {
    let dot = name.rfind('.').filter(|dot| (1..=EXTENSION).contains(&(name.len() - dot)));
    let (stem, extension) = name.split_at(dot.filter(|dot| *dot > 0).unwrap_or(name.len()));
    let room = limit.saturating_sub(extension.len()).min(stem.len());
    let end = (0..=room).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{extension}", &stem[..end])
}

/// Bytes of the longest text; a file's name takes its bytes from it.
pub const MESSAGE_LIMIT: usize = MESSAGE_BYTES - HEAD_LEN;
/// Bytes that precede name and text or file.
pub(crate) const HEAD_LEN: usize = 3;
/// Bytes of the longest name of a file, here as in most file systems.
pub const NAME_LIMIT: usize = 255;
/// Bytes of the longest extension of a file's name, with its dot.
const EXTENSION: usize = 16;
const VERSION: u8 = 1;
const TEXT: u8 = 0;
const FILE: u8 = 1;
/// Number that rises with each kind of content that is added to those that are known.
pub(crate) const KINDS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = Content::text("grüß Gott");
        let file = Content::file("/tmp/a b.pdf", Zeroizing::new(vec![0, 255, 7]));
        assert_eq!(*file.encode(), b"\x01\x01\x07a b.pdf\x00\xff\x07");
        for content in [text, file, Content::text("")] {
            assert!(Content::decode(&content.encode()) == content);
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        let long = "ü".repeat(200);
        let report = format!("{}.pdf", "ü".repeat(130));
        let kept_report = format!("{}.pdf", "ü".repeat(125));
        let no_extension = format!("a.{}", "b".repeat(300));
        let names = [
            ("../../etc/passwd", "passwd"),
            ("C:\\boot.ini", "boot.ini"),
            ("..", "file"),
            (".. .profile", "profile"),
            ("cv\u{202e}fdp.sh", "cvfdp.sh"),
            ("a\u{200b}\u{2028}\u{e0041}b", "ab"),
            ("", "file"),
            ("a/", "file"),
            ("\x1b[2Jx\n", "[2Jx"),
            (long.as_str(), &long[..254]),
            ("-rf", "rf"),
            (".-x", "x"),
            (report.as_str(), &kept_report),
            (no_extension.as_str(), &no_extension[..255]),
        ];
        for (given, kept) in names {
            let bytes = [&[1, 1, u8::try_from(given.len()).unwrap_or(255)], given.as_bytes()];
            assert_eq!(harmless(given), kept);
            if given.len() < 256 {
                let read = Content::decode(&bytes.concat());
                assert_eq!(read.name(), Some(kept));
            }
        }
    }

    #[test]
    fn what_is_not_known_is_kept_as_it_is() {
        let cases: [&[u8]; 7] = [
            b"",
            b"\x01\x00",
            b"\x02\x00\x00x",
            b"\x01\x02\x00x",
            b"\x01\x00\x01ax",
            b"\x01\x01\x05abc",
            b"\x01\x00\x00\xff",
        ];
        for case in cases {
            let content = Content::decode(case);
            assert!(matches!(&content, Content::Unknown(body) if **body == case), "{case:?}");
            assert!(*content.encode() == case && content.name().is_none());
        }
    }
}
