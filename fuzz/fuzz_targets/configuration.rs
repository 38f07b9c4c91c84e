//! Files that people write: node configuration, trust root, roster, signatures, contact cards.
//!
//! The first byte chooses the file, the rest is its text, so that corpus files can be read and
//! written by hand: `n` node.toml, `t` trust.toml, `r` roster.toml, `s` roster.sig, `c` card, `b`
//! bytes inside a card's armour.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use libfuzzer_sys::fuzz_target;
use rohrpost_client::Card;
use rohrpost_fuzz::fragment::{NETWORK, PARTIES};
use rohrpost_fuzz::network::{NODES, NOW, TRUST, sign};
use rohrpost_node::NodeConfig;
use rohrpost_proto::directory::roster::{
    NetworkFiles, Roster, RosterNode, parse_signatures, render_signatures,
};
use rohrpost_proto::directory::trust::TrustRoot;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = std::str::from_utf8(rest);
    match (kind, text) {
        (b'n', Ok(text)) => node(text),
        (b't', Ok(text)) => trust(text),
        (b'r', Ok(text)) => roster(text),
        (b's', Ok(text)) => signatures(text),
        (b'c', Ok(text)) => card(text),
        (b'b', _) => armour(rest),
        _ => {}
    }
});

/// Checks that a node configuration that is accepted lies within its bounds.
fn node(text: &str) {
    let Ok(config) = NodeConfig::parse(text, Path::new("folder")) else { return };
    assert!(config.metrics.ip().is_loopback());
    assert!((1..=3600).contains(&config.metrics_tick.as_secs()));
    let limits = config.limits;
    assert!((1..=256).contains(&limits.workers));
    let role = config.role_limits;
    let given = [role.pool_packets, role.sessions, role.mailboxes, role.envelopes];
    let sizes = [limits.replay_tags, limits.queue_packets];
    let mut sizes = sizes.into_iter().chain(given.into_iter().flatten());
    assert!(sizes.all(|size| (1..=1_000_000_000).contains(&size)));
}

/// Checks that an accepted trust root has a safe threshold, and that what is written reads back.
fn trust(text: &str) {
    let Ok(trust) = TrustRoot::parse(text) else { return };
    let (n, k) = (trust.agencies().len(), trust.threshold());
    assert!(k <= n && 3 * k > 2 * n);
    let again = TrustRoot::parse(&trust.render()).expect("what is written reads back");
    assert!(again.network_id() == trust.network_id() && again.threshold() == k);
    assert_eq!(again.network(), trust.network());
    let names = |trust: &TrustRoot| trust.agencies().iter().map(|a| a.name.clone()).collect();
    let (one, other): (Vec<_>, Vec<_>) = (names(&trust), names(&again));
    assert_eq!(one, other);
}

/// Checks a roster signed by enough agencies, so that only its rules stand in the way; all that the
/// text holds is in the roster, once, and what is written reads back.
fn roster(text: &str) {
    let unsigned = Roster::verify(text, &[], &TRUST, NOW);
    assert!(unsigned.is_err(), "an unsigned roster was taken");
    let Ok(roster) = Roster::verify(text, &sign(text), &TRUST, NOW) else { return };
    assert!((0..4).all(|position| roster.at(position).next().is_some()));
    assert!((4..=60_000).contains(&roster.traffic.slot.as_millis()));
    let table: toml::Table = text.parse().expect("it was read as TOML before");
    let written = table["node"].as_array().map_or(0, Vec::len);
    let nodes: Vec<RosterNode> = roster.nodes().cloned().collect();
    assert_eq!(nodes.len(), written, "a node of the text is missing");
    let expires = &roster.expires;
    let again = Roster::render(
        &roster.network,
        expires,
        roster.suite,
        &roster.traffic,
        &roster.directory,
        &nodes,
    );
    let again = Roster::verify(&again, &sign(&again), &TRUST, NOW).expect("it reads back");
    assert_eq!(again.traffic, roster.traffic);
    for (one, other) in again.nodes().zip(&nodes) {
        assert!(one.name == other.name && one.addresses == other.addresses);
        assert!(one.role == other.role && one.identity == other.identity);
    }
}

/// Checks that signatures read back, and that none that a text can hold makes a roster.
fn signatures(text: &str) {
    let Ok(signatures) = parse_signatures(text) else { return };
    let again = render_signatures(&signatures);
    let again = parse_signatures(&again).expect("what is written reads back");
    let same = |(one, other): (&rohrpost_proto::directory::roster::RosterSignature, _)| {
        let other: &rohrpost_proto::directory::roster::RosterSignature = other;
        one.agency == other.agency && one.signature == other.signature
    };
    assert!(again.len() == signatures.len() && again.iter().zip(&signatures).all(same));
    let roster = rohrpost_fuzz::network::roster_text();
    assert!(roster.contains(&format!("number = {NODES}")));
    let trust = TRUST.render();
    let files = NetworkFiles { trust: &trust, roster: &roster, signatures: text };
    let expected = signatures
        .iter()
        .filter(|signed| sign(&roster).iter().any(|good| good.signature == signed.signature));
    if files.open(NOW).is_ok() {
        assert!(expected.count() >= TRUST.threshold(), "a forged signature was taken");
    }
}

fn card(text: &str) {
    let now = Duration::from_secs(NOW);
    let Ok(card) = Card::parse(text, &NETWORK, now) else { return };
    assert!(card.network == NETWORK && (1..=2).contains(&card.address.contact.mailboxes.len()));
    assert!(card.expires() > now, "an expired card was taken");
    let written = card.render();
    let again = Card::parse(&written, &NETWORK, now).expect("what is written reads back");
    assert_eq!(again.render(), written);
}

/// Reads a card of any version, count of mailboxes and what follows, behind the right network,
/// expiry, keys and checksum.
fn armour(bytes: &[u8]) {
    let [version, flags, rest @ ..] = bytes else { return };
    let mut inside = vec![*version];
    inside.extend_from_slice(NETWORK.as_bytes());
    // The hour that has begun is over already, the next is not.
    let hour = u32::try_from(NOW / 3600).expect("this century");
    let expires = if flags & 4 == 4 { hour } else { hour + 1 };
    inside.extend_from_slice(&expires.to_be_bytes());
    inside.extend_from_slice(&KEYS);
    if flags & 1 == 1 {
        inside[1] ^= 1;
    }
    if flags & 2 == 2 {
        // A coefficient of the ML-KEM key that is not below the modulus.
        inside[1 + 32 + 4 + 32 + 32..][..2].fill(0xff);
    }
    inside.extend_from_slice(rest);
    let sum = HEXLOWER.encode(&blake3::hash(&inside).as_bytes()[..4]);
    let body = BASE64.encode(&inside);
    card(&format!("{BEGIN}\n{body}\n={sum}\n{END}\n"));
}

/// Identity and prekey of a card.
static KEYS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let identity = PARTIES.bob.public().as_bytes();
    [&identity[..], PARTIES.prekey.public().as_bytes()].concat()
});

const BEGIN: &str = "-----BEGIN ROHRPOST CARD-----";
const END: &str = "-----END ROHRPOST CARD-----";
