//! Names of contacts: texts of the user's choice that look like nothing else.
//!
//! A name is kept in the composed form of Unicode (NFC), with single spaces: keyboards and systems
//! write the same letters in several ways. Two names that differ in nothing but case, composition,
//! width or invisible characters are one name (compatibility caseless matching, Unicode 3.13).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::printable::steers;

/// A name of a contact, in its one form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactName(String);

/// Reason why a text cannot name a contact.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The text has no characters but spaces.
    #[error("it is empty")]
    Empty,
    /// The name takes more bytes than the limit.
    #[error("it takes {0} bytes, and a name has at most {NAME_BYTES}")]
    Long(usize),
    /// The text has a character that is not seen, or that steers what shows it.
    #[error("it has the character U+{0:04X}, which is not seen or turns the direction of writing")]
    Invisible(u32),
    /// The text begins like an option of a command line.
    #[error("it begins with a dash, as options of commands do")]
    Dash,
    /// The text begins with a mark that joins the character before it, which is another's.
    #[error("it begins with an accent that has no letter")]
    Mark,
}

impl ContactName {
    /// Brings a text into the form in which it is a name.
    ///
    /// # Errors
    /// The text cannot name a contact.
    pub fn new(text: &str) -> Result<Self, NameError> {
        // White space of any kind looks like a space, as a line break in a command does.
        let words: Vec<_> = text.split_whitespace().collect();
        let name: String = words.join(" ").nfc().collect();
        if let Some(hidden) = name.chars().find(|c| steers(*c) || is_hidden(*c)) {
            return Err(NameError::Invisible(u32::from(hidden)));
        }
        let first = name.chars().find(|c| !is_joiner(*c)).ok_or(NameError::Empty)?;
        if first == '-' {
            return Err(NameError::Dash);
        }
        if is_combining_mark(first) {
            return Err(NameError::Mark);
        }
        if name.len() > NAME_BYTES {
            return Err(NameError::Long(name.len()));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Look of the name, by which it is compared with others ([`look`]).
    #[must_use]
    pub fn look(&self) -> String {
        look(&self.0)
    }
}

/// The look of a text: what is left of it when case, composition, width and what is not seen do not
/// count.
#[must_use]
pub fn look(text: &str) -> String {
    let fold = |text: String| -> String {
        // Up and down: ß, ẞ and ss meet only in capitals, and σ and ς too.
        let folded = text.to_lowercase().to_uppercase().to_lowercase();
        folded.nfkd().collect()
    };
    let seen: String = text.nfkd().filter(|c| !is_joiner(*c)).collect();
    fold(fold(seen)).nfkc().collect()
}

/// True for what joins characters or chooses among their forms: names in Indic scripts and emoji
/// need it.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// True for characters that are not seen and that no name needs, beside those that steer.
const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        // Soft hyphen, grapheme joiner, marks of direction, fillers and separators of scripts,
        // blank Braille.
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1d173}'..='\u{1d17a}'
    )
}

/// Bytes of the longest name, in UTF-8.
pub const NAME_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        ContactName::new(text).unwrap().0
    }

    #[test]
    fn people_and_addresses_can_be_named() {
        for text in
            ["Max Mustermann", "it@north", "Anna B.", "José", "मीरा", "José 👩‍💻", "a/b: c", "Ü"]
        {
            assert_eq!(name(text), text);
        }
        assert_eq!(name("Jose\u{301}"), "José", "composed, however it was written");
        assert_eq!(name("  Max \u{a0}\t Mustermann\n"), "Max Mustermann");
        assert_eq!(name(&"ü".repeat(32)), "ü".repeat(32));
    }

    #[test]
    fn what_cannot_be_seen_or_told_apart_names_nobody() {
        let cases = [
            ("", NameError::Empty),
            (" \u{3000}", NameError::Empty),
            ("\u{200d}", NameError::Empty),
            ("-rf", NameError::Dash),
            ("\u{200c}-rf", NameError::Dash),
            ("\u{301}a", NameError::Mark),
            ("a\u{202e}b", NameError::Invisible(0x202e)),
            ("a\u{200b}b", NameError::Invisible(0x200b)),
            ("a\u{200f}b", NameError::Invisible(0x200f)),
            ("a\u{1b}[31m", NameError::Invisible(0x1b)),
            ("\u{3164}", NameError::Invisible(0x3164)),
            (&"ü".repeat(33), NameError::Long(66)),
        ];
        for (text, error) in cases {
            assert_eq!(ContactName::new(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_are_one() {
        let same = |one: &str, other: &str| {
            ContactName::new(one).unwrap().look() == ContactName::new(other).unwrap().look()
        };
        for (one, other) in [
            ("bob", "BOB"),
            ("José", "JOSE\u{301}"),
            ("Straße", "STRASSE"),
            ("straẞe", "strasse"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ﬁn", "fin"),
            ("Ａnna", "anna"),
            ("a\u{200d}b", "ab"),
            ("❤\u{fe0f}", "❤"),
            ("Max  M", "max m"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [("bob", "bab"), ("Max", "Max M"), ("Jose", "José"), ("it@a", "it.a")]
        {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
