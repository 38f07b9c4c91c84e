//! The trust root: the agencies that make up a network, delivered to everyone by hand.

use std::collections::HashSet;
use std::fmt::Write as _;

use data_encoding::HEXLOWER_PERMISSIVE;
use rohrpost_packet::envelope::NetworkId;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::directory::signing::IdentityKey;

/// Contents of `trust.toml`, checked.
pub struct TrustRoot {
    network: String,
    agencies: Vec<Agency>,
    threshold: usize,
    join_key: JoinKey,
}

/// An agency and the key it signs rosters with.
#[derive(Clone)]
pub struct Agency {
    /// Name of the agency, unique.
    pub name: String,
    /// Key with which the agency signs, unique.
    pub key: IdentityKey,
}

/// Key that keeps strangers from using mailboxes; known to all of a network's clients and relays.
#[derive(Clone)]
pub struct JoinKey(Zeroizing<[u8; 32]>);

impl JoinKey {
    /// Makes a key from 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TrustRoot {
    /// Makes a trust root of these parts.
    ///
    /// # Errors
    /// The agencies or the threshold do not make a safe network.
    pub fn new(
        network: String,
        agencies: Vec<Agency>,
        threshold: usize,
        join_key: JoinKey,
    ) -> Result<Self, TrustError> {
        let all = std::iter::once(&network).chain(agencies.iter().map(|agency| &agency.name));
        if let Some(name) = all.into_iter().find(|name| !is_plain(name)) {
            return Err(TrustError::Name(shown(name)));
        }
        let names: HashSet<_> = agencies.iter().map(|agency| &agency.name).collect();
        let keys: HashSet<_> = agencies.iter().map(|agency| agency.key).collect();
        if names.len() != agencies.len() || keys.len() != agencies.len() {
            return Err(TrustError::Repeated);
        }
        let n = agencies.len();
        if threshold > n || 3 * threshold < 2 * n + 1 {
            return Err(TrustError::Threshold { threshold, agencies: n, least: (2 * n + 3) / 3 });
        }
        Ok(Self { network, agencies, threshold, join_key })
    }

    /// Reads the text of `trust.toml`.
    ///
    /// # Errors
    /// The fault in the text, with its line, and what to do.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let raw: RawTrust =
            toml::from_str(text).map_err(|error| TrustError::Syntax(without_text(text, &error)))?;
        let key = HEXLOWER_PERMISSIVE.decode(raw.join_key.as_bytes()).ok();
        let join_key = key.and_then(|key| key.try_into().ok()).ok_or(TrustError::JoinKey)?;
        let agencies = raw.agency.into_iter().map(|agency| {
            let key = agency.key.parse().map_err(|_| TrustError::Key(shown(&agency.name)))?;
            Ok(Agency { name: agency.name, key })
        });
        let agencies = agencies.collect::<Result<_, TrustError>>()?;
        Self::new(raw.network, agencies, raw.threshold, JoinKey::new(join_key))
    }

    /// Writes `trust.toml` for people.
    #[must_use]
    pub fn render(&self) -> String {
        let (silent, lying) = self.survives();
        let mut text = format!(
            "# The trust root of this network. Hand it to every operator and client in person.\n\
             network = {}\n\n\
             # So many agencies must sign a roster: {silent} may be silent and {lying} may lie.\n\
             threshold = {}\n\n\
             # Clients and relays know it; strangers do not. Keep it among them.\n\
             join_key = \"{}\"\n",
            quoted(&self.network),
            self.threshold,
            HEXLOWER_PERMISSIVE.encode(self.join_key.expose()),
        );
        for agency in &self.agencies {
            let _ = write!(
                text,
                "\n[[agency]]\nname = {}\nkey = \"{}\"\n",
                quoted(&agency.name),
                agency.key
            );
        }
        text
    }

    /// Name of the network.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Hash of the network's name and the agencies' keys.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        let mut hasher = blake3::Hasher::new_derive_key("rohrpost network id v1");
        hasher.update(&u64::try_from(self.network.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(self.network.as_bytes());
        self.agencies.iter().for_each(|agency| {
            hasher.update(agency.key.as_bytes());
        });
        NetworkId::new(*hasher.finalize().as_bytes())
    }

    /// The agencies of the network.
    #[must_use]
    pub fn agencies(&self) -> &[Agency] {
        &self.agencies
    }

    /// Number of agencies that must sign.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// Key that keeps strangers from using mailboxes.
    #[must_use]
    pub const fn join_key(&self) -> &JoinKey {
        &self.join_key
    }

    /// Numbers of silent and of lying agencies that the choice of threshold survives: with n
    /// agencies, `n - k` may be silent; two sets of k share `2k - n`, one of which must be honest.
    #[must_use]
    pub const fn survives(&self) -> (usize, usize) {
        let (n, k) = (self.agencies.len(), self.threshold);
        (n - k, (2 * k).saturating_sub(n + 1))
    }
}

/// True if a name of a network, an agency or a node can be shown to people as it is, and written
/// anywhere: up to 64 letters, digits, dots, hyphens and underscores of ASCII. What looks like another
/// name, or moves the cursor of whoever reads before he signs, is none.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Text from a file that is not known to be plain, as an error shows it.
pub(crate) fn shown(text: &str) -> String {
    let shown: String = text.chars().take(64).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", shown.escape_default())
}

/// A fault of TOML with its line, but without what stands there, which may be the join key.
fn without_text(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
    let message = match error.message() {
        message if message.starts_with("unknown field") => {
            "unknown key; known are network, threshold, join_key, and name and key of each [[agency]]"
        }
        message => message,
    };
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

/// A name as a TOML string: a quotation mark in it does not end it.
pub(crate) fn quoted(name: &str) -> toml::Value {
    toml::Value::String(name.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrust {
    network: String,
    threshold: usize,
    join_key: String,
    agency: Vec<RawAgency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgency {
    name: String,
    key: String,
}

/// Fault in a trust root; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The text is not the TOML of a trust root. Line and fault.
    #[error("{0}")]
    Syntax(String),
    /// A name is not plain.
    #[error(
        "the name \"{0}\" is not plain; names of networks and agencies have 1 to 64 letters, digits, \
         dots, hyphens and underscores"
    )]
    Name(String),
    /// An agency's key is malformed.
    #[error("the key of agency {0} is not 64 hex digits; copy it from its `rohrpost-ops keygen`")]
    Key(String),
    /// The join key is malformed.
    #[error("join_key is not 64 hex digits")]
    JoinKey,
    /// A name or key stands twice.
    #[error("two agencies share a name or a key; each needs its own")]
    Repeated,
    /// The threshold is too low to be safe, or higher than there are agencies.
    #[error(
        "a threshold of {threshold} among {agencies} agencies is not safe; it must lie between \
         {least} and {agencies}, so that two sets of signers always share an honest agency"
    )]
    Threshold {
        /// Threshold that was given.
        threshold: usize,
        /// Number of agencies in the trust root.
        agencies: usize,
        /// Least threshold that is safe.
        least: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::signing::SigningKey;

    fn agencies(n: u8) -> Vec<Agency> {
        let agency = |i| Agency {
            name: format!("agency{i}"),
            key: SigningKey::from_seed(&[i; 32]).public(),
        };
        (1..=n).map(agency).collect()
    }

    fn trust(n: u8, k: usize) -> Result<TrustRoot, TrustError> {
        TrustRoot::new("test".into(), agencies(n), k, JoinKey::new([1; 32]))
    }

    #[test]
    fn an_unsafe_threshold_is_refused_and_the_least_is_named() {
        assert_eq!(trust(4, 3).unwrap().survives(), (1, 1));
        assert_eq!(trust(7, 5).unwrap().survives(), (2, 2));
        let error = trust(4, 2).err().unwrap().to_string();
        assert!(error.contains("between 3 and 4"), "{error}");
        assert!(trust(4, 5).is_err());
    }

    #[test]
    fn names_that_do_not_show_what_they_are_are_refused() {
        for name in ["", "the \"north\"\nthreshold = 1", "\u{1b}[2K", "no\u{202e}rth", "n\u{f6}rd"]
        {
            let mut agencies = agencies(4);
            agencies[0].name = name.into();
            let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32]));
            let error = trust.err().unwrap().to_string();
            assert!(error.contains("not plain") && !error.contains(['\u{1b}', '\n']), "{error}");
        }
    }

    #[test]
    fn a_slip_in_a_trust_root_does_not_show_the_join_key() {
        let text = trust(4, 3).unwrap().render();
        let secret = HEXLOWER_PERMISSIVE.encode(&[1; 32]);
        let keyed = format!("join_key = \"{secret}\"");
        for slip in
            [("\njoin_key", "\njoinkey"), ("0101\"", "0101"), (&keyed, &format!("{secret} = 1"))]
        {
            let error = TrustRoot::parse(&text.replace(slip.0, slip.1)).err().unwrap().to_string();
            assert!(error.contains("line ") && !error.contains(&secret), "{error}");
        }
    }

    #[test]
    fn what_is_rendered_reads_back() {
        let trust = trust(4, 3).unwrap();
        let again = TrustRoot::parse(&trust.render()).unwrap();
        assert_eq!(again.network_id(), trust.network_id());
        assert_eq!(again.join_key.expose(), trust.join_key.expose());
        let error = TrustRoot::parse("network = \"x\"\nspeed = 3\n").err().unwrap().to_string();
        assert!(error.contains("line 2") && error.contains("unknown key"), "{error}");
    }
}
