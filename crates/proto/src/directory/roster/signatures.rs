//! `roster.sig`: the agencies' signatures over version and hash of the exact bytes of `roster.toml`.
//! Each names both, so that one of another roster, as of the version before, is told from one that
//! nobody made.

use std::fmt::Write as _;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;

use super::error::RosterError;
use super::members::{Roster, RosterHash};
use crate::directory::signing::{Signature, SigningKey};
use crate::directory::trust::{Agency, TrustRoot, is_plain, quoted, shown};

/// Signature of one agency over a roster.
#[derive(Clone)]
pub struct RosterSignature {
    /// Name of the agency that signed.
    pub agency: String,
    /// Version of the roster that was signed.
    pub version: u32,
    /// Hash of the file that was signed.
    pub roster: RosterHash,
    /// Signature over a label, the network's id, version and hash.
    pub signature: Signature,
}

/// Where an agency stands with a roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// The agency has signed this roster.
    Signed,
    /// The agency has signed another roster, as before a change.
    SignedAnother {
        /// Version of that roster.
        version: u32,
    },
    /// The signature was not made with the key of the trust root.
    Wrong,
    /// There is no signature of the agency.
    Missing,
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
        let roster = Self::draft(text, trust)?;
        roster.check_expiry(now_unix)?;
        Ok(roster)
    }

    /// Signs the exact bytes of a roster for the network of a trust root: under another, though its name
    /// is the same, the signature counts for nothing. A text without a version, which is none, counts as
    /// version 0.
    #[must_use]
    pub fn sign(text: &str, trust: &TrustRoot, agency: &str, key: &SigningKey) -> RosterSignature {
        let (version, roster) = (version(text).unwrap_or(0), RosterHash::of(text));
        let signature = key.sign(SIGNATURE_LABEL, &signed_bytes(trust, version, roster));
        RosterSignature { agency: agency.to_owned(), version, roster, signature }
    }
}

impl Consent {
    /// Where an agency of a trust root stands with the roster of this hash, by these signatures.
    #[must_use]
    pub fn of(
        agency: &Agency,
        trust: &TrustRoot,
        roster: RosterHash,
        signatures: &[RosterSignature],
    ) -> Self {
        let own = signatures.iter().filter(|signed| signed.agency == agency.name);
        let each = own.map(|signed| match signed {
            signed if !signed.is_genuine(trust) => Self::Wrong,
            signed if signed.roster != roster => Self::SignedAnother { version: signed.version },
            _ => Self::Signed,
        });
        // One that is wrong outweighs all others: somebody has tampered with the file.
        let rank = |consent: &Self| match consent {
            Self::Wrong => (3, 0),
            Self::Signed => (2, 0),
            Self::SignedAnother { version } => (1, *version),
            Self::Missing => (0, 0),
        };
        each.max_by_key(rank).unwrap_or(Self::Missing)
    }
}

impl RosterSignature {
    /// True if an agency of the trust root made the signature, whatever the roster.
    #[must_use]
    pub fn is_genuine(&self, trust: &TrustRoot) -> bool {
        let bytes = signed_bytes(trust, self.version, self.roster);
        let agency = trust.agencies().iter().find(|agency| agency.name == self.agency);
        agency.is_some_and(|agency| agency.key.verify(SIGNATURE_LABEL, &bytes, &self.signature))
    }
}

/// Reads the signatures in `roster.sig`.
///
/// # Errors
/// The text is not the TOML of signatures.
pub fn parse_signatures(text: &str) -> Result<Vec<RosterSignature>, RosterError> {
    let raw: RawSignatures = toml::from_str(text).map_err(Box::new)?;
    let signature = |raw: RawSignature| {
        if !is_plain(&raw.agency) {
            return Err(RosterError::UnknownSigner(shown(&raw.agency)));
        }
        let signature = raw.signature.parse();
        let signature = signature.map_err(|_| RosterError::Signature(raw.agency.clone()))?;
        let roster = HEXLOWER_PERMISSIVE.decode(raw.roster.as_bytes()).ok();
        let roster = roster.and_then(|hash| hash.try_into().ok()).map(RosterHash::new);
        let roster = roster.ok_or_else(|| RosterError::Signature(raw.agency.clone()))?;
        Ok(RosterSignature { agency: raw.agency, version: raw.version, roster, signature })
    };
    raw.signature.into_iter().map(signature).collect()
}

/// Of these signatures those under the roster of this hash, one of each agency, in the order of the trust
/// root. What else a file of signatures may hold, as comments and repetitions, is of no use to those who
/// get it, and has no end.
#[must_use]
pub fn essential_signatures(
    signatures: &[RosterSignature],
    roster: RosterHash,
    trust: &TrustRoot,
) -> Vec<RosterSignature> {
    let of = |agency: &Agency| {
        let mut own = signatures.iter().filter(|signed| signed.agency == agency.name);
        own.find(|signed| signed.roster == roster && signed.is_genuine(trust)).cloned()
    };
    trust.agencies().iter().filter_map(of).collect()
}

/// Writes the signatures as `roster.sig`.
#[must_use]
pub fn render_signatures(signatures: &[RosterSignature]) -> String {
    let head =
        "# Signatures over version and BLAKE3 hash of the exact bytes of roster.toml.\n".to_owned();
    signatures.iter().fold(head, |mut text, signed| {
        let RosterSignature { agency, version, roster, signature } = signed;
        let agency = quoted(agency);
        let _ = write!(
            text,
            "\n[[signature]]\nagency = {agency}\nversion = {version}\n\
             roster = \"{roster}\"\nsignature = \"{signature}\"\n"
        );
        text
    })
}

/// Counts each agency once, and only signatures over this roster. Those over another count for
/// nothing; a wrong one, or a stranger's, is an error.
fn check_signatures(
    text: &str,
    signatures: &[RosterSignature],
    trust: &TrustRoot,
) -> Result<(), RosterError> {
    let is_known = |name: &String| trust.agencies().iter().any(|agency| agency.name == *name);
    if let Some(stranger) = signatures.iter().find(|signed| !is_known(&signed.agency)) {
        return Err(RosterError::UnknownSigner(stranger.agency.clone()));
    }
    let (mut signed, mut missing, mut changed) = (Vec::new(), Vec::new(), "");
    for agency in trust.agencies() {
        match Consent::of(agency, trust, RosterHash::of(text), signatures) {
            Consent::Wrong => return Err(RosterError::Signature(agency.name.clone())),
            Consent::Signed => signed.push(agency.name.clone()),
            Consent::SignedAnother { .. } => {
                missing.push(format!("{} (again)", agency.name));
                changed = CHANGED;
            }
            Consent::Missing => missing.push(agency.name.clone()),
        }
    }
    if signed.len() < trust.threshold() {
        let names = if signed.is_empty() { "nobody".to_owned() } else { signed.join(", ") };
        return Err(RosterError::UnderSigned {
            signed: signed.len(),
            names,
            threshold: trust.threshold(),
            changed,
            missing: missing.join(" or "),
        });
    }
    Ok(())
}

/// The version that a roster's text names.
fn version(text: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    toml::from_str(text).ok().map(|Versioned { version }| version)
}

fn signed_bytes(trust: &TrustRoot, version: u32, roster: RosterHash) -> Vec<u8> {
    let network = trust.network_id();
    [network.as_bytes().as_slice(), &version.to_be_bytes(), roster.as_bytes()].concat()
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
    version: u32,
    roster: String,
    signature: String,
}

const CHANGED: &str =
    ", for it was changed after signing, or its signatures are of another version";
const SIGNATURE_LABEL: &[u8] = b"rohrpost roster v3\0";
