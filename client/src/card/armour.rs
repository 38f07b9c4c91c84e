//! The text around a card, as mail and chat programs leave it: quoted, wrapped, encoded, as HTML,
//! with other dashes and invisible characters. What was changed can be undone as long as the
//! letters of the card are all there, which its checksum tells.

use data_encoding::{BASE64, HEXLOWER};

use super::error::CardError;

/// Text of a file in which a card is looked for: UTF-16 as some programs save it, else UTF-8. What
/// is neither is passed over; a card has nothing of it.
#[must_use]
pub fn card_text(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [_, 0, _, 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, _, 0, _, ..] => wide(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Writes bytes as text between two lines that name it, with their checksum against typing errors.
pub(super) fn render(bytes: &[u8]) -> String {
    let mut text = format!("-----{BEGIN}-----\n");
    let body = BASE64.encode(bytes);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("={}\n-----{END}-----\n", checksum(bytes)));
    text
}

/// Finds the bytes of the one card in a text: as it is, or else as a mail in quoted-printable has it
/// (RFC 2045, 6.7).
pub(super) fn parse(text: &str) -> Result<Vec<u8>, CardError> {
    let quoted_printable = || {
        let joined = text.replace("=\r\n", "").replace("=\n", "");
        // The sign itself is the last to be read: what follows it may look like another.
        joined.replace("=20", "").replace("=0A", "\n").replace("=0D", "").replace("=3D", "=")
    };
    match find(text) {
        Err(error) if !matches!(error, CardError::Several(_)) => {
            find(&quoted_printable()).map_err(|_| error)
        }
        found => found,
    }
}

/// Finds the one card in a text; of several the whole ones count, and they must be the same.
fn find(text: &str) -> Result<Vec<u8>, CardError> {
    let text = plain(text);
    let mut cards: Vec<Vec<u8>> = Vec::new();
    let mut refused = None;
    let mut rest = text.as_str();
    while let Some(start) = rest.find(BEGIN) {
        let after = &rest[start + BEGIN.len()..];
        let end = after.find(END);
        rest = end.map_or("", |end| &after[end + END.len()..]);
        match end.map(|end| unarmoured(&after[..end])) {
            Some(Ok(card)) if cards.contains(&card) => {}
            Some(Ok(card)) => cards.push(card),
            Some(Err(error)) => drop(refused.get_or_insert(error)),
            None => drop(refused.get_or_insert(CardError::Cut)),
        }
    }
    match cards.len() {
        0 => Err(refused.unwrap_or(CardError::Frame)),
        1 => Ok(cards.remove(0)),
        count => Err(CardError::Several(count)),
    }
}

/// Bytes of what stands between the two lines.
fn unarmoured(text: &str) -> Result<Vec<u8>, CardError> {
    // Dashes belong to the lines around, and the rest to quoting.
    let passed = |c: &char| !(c.is_whitespace() || matches!(c, '-' | '>' | '|'));
    let letters: String = text.chars().filter(passed).collect();
    let foreign = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
    if let Some(foreign) = letters.chars().find(foreign) {
        return Err(CardError::Foreign(foreign));
    }
    let (body, sum) = letters
        .len()
        .checked_sub(1 + SUM)
        .map(|at| letters.split_at(at))
        .filter(|(_, sum)| sum.starts_with('='))
        .ok_or(CardError::Checksum)?;
    let bytes = BASE64.decode(body.as_bytes()).map_err(|_| CardError::Damaged)?;
    if checksum(&bytes) != sum[1..] {
        return Err(CardError::Damaged);
    }
    Ok(bytes)
}

/// A text without what programs add that show it or pass it on: HTML, invisible characters, dashes
/// and spaces of other kinds.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in without_html(text).chars() {
        match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                plain.push('-');
            }
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => {}
            '\u{2060}'..='\u{206f}' | '\u{feff}' => {}
            c if c.is_whitespace() && c != '\n' && c != '\r' => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// A text without tags, and with the characters that HTML writes in another way. Where no card is
/// in it, it may lose more than tags.
fn without_html(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        plain.push_str(before);
        let begins =
            tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let end = tag.find('>').filter(|_| begins);
        plain.push(if end.is_some() { '\n' } else { '<' });
        rest = &tag[end.unwrap_or(0) + 1..];
    }
    plain.push_str(rest);
    ENTITIES.iter().fold(plain, |text, (entity, character)| text.replace(entity, character))
}

fn checksum(bytes: &[u8]) -> String {
    HEXLOWER.encode(&checksum_bytes(bytes))
}

/// The checksum of a card's bytes against errors of whoever copies it.
pub(super) fn checksum_bytes(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..SUM_BYTES]);
    sum
}

const BEGIN: &str = "BEGIN ROHRPOST CARD";
const END: &str = "END ROHRPOST CARD";
/// Characters of a line.
const LINE: usize = 64;
/// Bytes of the checksum.
pub(super) const SUM_BYTES: usize = 4;
/// Hex digits of the checksum.
const SUM: usize = 2 * SUM_BYTES;
/// Characters that programs write as entities in HTML; the ampersand is the last to be read.
const ENTITIES: [(&str, &str); 9] = [
    ("&nbsp;", " "),
    ("&#160;", " "),
    ("&gt;", ">"),
    ("&#62;", ">"),
    ("&#43;", "+"),
    ("&#47;", "/"),
    ("&#61;", "="),
    ("&#45;", "-"),
    ("&amp;", "&"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as long as a card's, whose text has all kinds of letters.
    fn card() -> Vec<u8> {
        (0..1420_u32).map(|at| at.wrapping_mul(at).to_le_bytes()[0] ^ 0x5a).collect()
    }

    fn lines(text: &str, line: impl Fn(&str) -> String) -> String {
        text.lines().map(line).collect()
    }

    /// Quoted-printable of a mail program: no line has more than 76 characters.
    fn quoted_printable(text: &str) -> String {
        lines(&text.replace('=', "=3D"), |line| match line.split_at_checked(60) {
            Some((begin, rest)) => format!("{begin}=\r\n{rest}\r\n"),
            None => format!("{line}\r\n"),
        })
    }

    #[test]
    fn what_mail_and_chat_programs_do_to_a_card_is_undone() {
        let card = card();
        let text = render(&card);
        let html = text.replace('+', "&#43;").replace('\n', "<br>\n");
        let variants = [
            text.clone(),
            text.replace('\n', "\r\n"),
            format!("\u{feff}Hello,\n\n{text}\nBye <carol@example.org>"),
            lines(&text, |line| format!("> {line}\n")),
            lines(&text, |line| format!(">> | {line}\n")),
            lines(&text, |line| format!("&gt; {line}\n")),
            lines(&text, |line| format!("{line} \u{a0}\n")),
            text.replace('\n', " "),
            text.replace("-----", "\u{2014}-\u{2014}"),
            text.replace("-----", "\u{2013}\u{2013}-"),
            text.replace("\n=", "="),
            quoted_printable(&text),
            quoted_printable(&text).replace("ROHR", "RO=\r\nHR"),
            lines(&quoted_printable(&text), |line| format!("> {line}\n")),
            lines(&text, |line| format!("{line}\u{200b}\n")),
            text.replacen('B', "B\u{200d}", 7),
            format!("<html><body><p>Hi!</p><pre>{text}</pre>"),
            format!("<div>{html}</div>"),
            format!("{text}\n{text}"),
            format!("{}\n{text}", text.replacen("\n=", "\n=x", 1)),
        ];
        for variant in variants {
            assert!(parse(&variant).as_deref() == Ok(&card[..]), "{variant}");
        }
    }

    /// Checks that a checksum that looks like an encoded space is read: of 256 cards one has such a one.
    #[test]
    fn a_checksum_that_looks_like_something_encoded_is_read() {
        let of = |number: u32| [&card()[..], &number.to_be_bytes()].concat();
        let card = (0..).map(of).find(|card| checksum(card).starts_with("20")).unwrap();
        let text = render(&card);
        for variant in [text.clone(), quoted_printable(&text), text.replace('=', "=3D")] {
            assert!(parse(&variant).as_deref() == Ok(&card[..]), "{variant}");
        }
    }

    #[test]
    fn what_cannot_be_undone_is_named() {
        let text = render(&card());
        let second = render(b"another card");
        let without_sum = lines(&text, |line| match line.starts_with('=') {
            true => String::new(),
            false => format!("{line}\n"),
        });
        let cases = [
            ("hello".to_owned(), CardError::Frame),
            (String::new(), CardError::Frame),
            (text[..900].to_owned(), CardError::Cut),
            (lines(&text, |line| format!("{line}*\n")), CardError::Foreign('*')),
            (without_sum, CardError::Checksum),
            (format!("{}{}", &text[..40], &text[41..]), CardError::Damaged),
            (text.to_uppercase(), CardError::Damaged),
            (format!("{text}{second}"), CardError::Several(2)),
        ];
        for (text, error) in cases {
            assert_eq!(parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_card_is_read_as_other_systems_save_it() {
        let text = render(&card());
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        let files = [
            little.clone(),
            big.clone(),
            [&[0xff, 0xfe], &little[..]].concat(),
            [&[0xfe, 0xff], &big[..]].concat(),
            [text.as_bytes(), b"caf\xe9"].concat(),
        ];
        for file in files {
            assert!(parse(&card_text(&file)) == Ok(card()));
        }
    }
}
