//! `roster.sig`: the agencies' signatures over the exact bytes of `roster.toml`.

use std::fmt::Write as _;

use serde::Deserialize;

use super::file::RosterError;
use super::members::Roster;
use crate::directory::signing::{Signature, SigningKey};
use crate::directory::trust::{TrustRoot, quoted};

/// Signature of one agency over a roster.
#[derive(Clone)]
pub struct RosterSignature {
    /// Name of the agency that signed.
    pub agency: String,
    /// Signature over label and exact bytes of the file.
    pub signature: Signature,
}

impl Roster {
    /// Reads a roster and checks its signatures, threshold, expiry and rules.
    ///
    /// # Errors
    /// The fault in the roster, with line or names, and what to do.
    pub fn verify(
        text: &str,
        signatures: &[RosterSignature],
        trust: &TrustRoot,
        now_unix: u64,
    ) -> Result<Self, RosterError> {
        check_signatures(text, signatures, trust)?;
        let roster = Self::parse(text, trust)?;
        roster.check_expiry(now_unix)?;
        Ok(roster)
    }

    /// Signs the exact bytes of a roster.
    #[must_use]
    pub fn sign(text: &str, agency: &str, key: &SigningKey) -> RosterSignature {
        let signature = key.sign(SIGNATURE_LABEL, text.as_bytes());
        RosterSignature { agency: agency.to_owned(), signature }
    }
}

/// Reads the signatures in `roster.sig`.
///
/// # Errors
/// The text is not the TOML of signatures.
pub fn parse_signatures(text: &str) -> Result<Vec<RosterSignature>, RosterError> {
    let raw: RawSignatures = toml::from_str(text).map_err(Box::new)?;
    let signature = |raw: RawSignature| {
        let signature = raw.signature.parse();
        let signature = signature.map_err(|_| RosterError::Signature(raw.agency.clone()))?;
        Ok(RosterSignature { agency: raw.agency, signature })
    };
    raw.signature.into_iter().map(signature).collect()
}

/// Writes the signatures as `roster.sig`.
#[must_use]
pub fn render_signatures(signatures: &[RosterSignature]) -> String {
    let head = "# Signatures over the exact bytes of roster.toml.\n".to_owned();
    signatures.iter().fold(head, |mut text, signed| {
        let (agency, signature) = (quoted(&signed.agency), signed.signature);
        let _ = write!(text, "\n[[signature]]\nagency = {agency}\nsignature = \"{signature}\"\n");
        text
    })
}

/// Counts each agency once, and only signatures that verify.
fn check_signatures(
    text: &str,
    signatures: &[RosterSignature],
    trust: &TrustRoot,
) -> Result<(), RosterError> {
    for signed in signatures {
        let Some(agency) = trust.agencies().iter().find(|agency| agency.name == signed.agency)
        else {
            return Err(RosterError::UnknownSigner(signed.agency.clone()));
        };
        if !agency.key.verify(SIGNATURE_LABEL, text.as_bytes(), &signed.signature) {
            return Err(RosterError::Signature(signed.agency.clone()));
        }
    }
    let signed = |name: &str| signatures.iter().any(|signed| signed.agency == name);
    let (signed, missing): (Vec<_>, Vec<_>) =
        trust.agencies().iter().map(|agency| agency.name.as_str()).partition(|name| signed(name));
    if signed.len() < trust.threshold() {
        let names = if signed.is_empty() { "nobody".to_owned() } else { signed.join(", ") };
        return Err(RosterError::UnderSigned {
            signed: signed.len(),
            names,
            threshold: trust.threshold(),
            missing: missing.join(" or "),
        });
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignatures {
    #[serde(default)]
    signature: Vec<RawSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    agency: String,
    signature: String,
}

const SIGNATURE_LABEL: &[u8] = b"rohrpost roster v1\0";
