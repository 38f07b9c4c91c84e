//! Characters of texts that others wrote, and what they do to whoever shows them.

/// True for a character that is not to be seen but does something: it steers a terminal, turns the
/// direction of writing, ends a line of its own, or hides what is written in it. Tab and line feed
/// are among them, and are left to the caller. Marks that writing in Arabic, Hebrew or Indic scripts
/// and composed emoji need are not.
#[must_use]
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Zero-width space; separators of lines, embeddings, overrides; word joiner, invisible
            // operators, isolates; byte order mark; annotations; tags.
            '\u{200b}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A text in which nothing steers a terminal or turns the direction of writing; all else of it is
/// shown, and lines stay.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) && !matches!(c, '\t' | '\n') { '\u{fffd}' } else { c })
        .collect()
}
