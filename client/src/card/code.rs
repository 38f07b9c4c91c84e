//! The text of a card's QR code: `ROHRPOST:`, bytes and checksum in base32 (RFC 4648), and a colon.
//!
//! A code holds such letters in 5.5 bits each (ISO/IEC 18004, alphanumeric mode), a tenth more than
//! bytes take, and what reads codes gives text out as it was, bytes often not. The colon at the end
//! tells a text that was cut from one with words after it.

use data_encoding::BASE32_NOPAD;

use super::armour::{SUM_BYTES, checksum_bytes};
use super::error::CardError;

/// Writes the bytes of a card as the text of its code.
pub(super) fn render(card: &[u8]) -> String {
    let bytes = [card, &checksum_bytes(card)].concat();
    format!("{BEGIN}{}{END}", BASE32_NOPAD.encode(&bytes))
}

/// Finds the bytes of a card in a text that has that of its code; none if nothing looks like one.
pub(super) fn find(text: &str) -> Option<Result<Vec<u8>, CardError>> {
    let text = text.to_ascii_uppercase();
    let starts = text.match_indices(BEGIN).map(|(at, _)| &text[at + BEGIN.len()..]);
    let mut found = None;
    for rest in starts {
        let card = rest.split_once(END).ok_or(CardError::Cut).and_then(|(body, _)| decode(body));
        if card.is_ok() {
            return Some(card);
        }
        found = Some(card);
    }
    found
}

fn decode(body: &str) -> Result<Vec<u8>, CardError> {
    let letters: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let mut bytes = BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| CardError::Damaged)?;
    let at = bytes.len().checked_sub(SUM_BYTES).ok_or(CardError::Damaged)?;
    let sum = bytes.split_off(at);
    if sum != checksum_bytes(&bytes) { Err(CardError::Damaged) } else { Ok(bytes) }
}

const BEGIN: &str = "ROHRPOST:";
const END: char = ':';
