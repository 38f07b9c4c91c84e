//! One old envelope served again and again by a lying mailbox relay, to draw acknowledgements at
//! times that it chooses.

use std::time::Duration;

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH, Role};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "replayed-envelopes",
    claim: "a relay that serves an envelope again draws no acknowledgement by it",
    attacker: "the relays of both mailboxes of a client",
    sees: "the acknowledgements that the client sends",
    knows: "one envelope of a contact, which it hands out every 30 s for hours",
    number: "acknowledgements that one client sends, at most",
    limit: Some(Bound::AtMost(1.0)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "a letter that was opened before draws an acknowledgement again",
        how: How::Law(Weakness::KnownEnvelopesAreAcknowledged),
        reaches: Bound::AtLeast(5.0),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &Layout::default());
    let view = ring.view(&[]);
    let hours = effort.size(2, 12);
    let acknowledgements = effort.trials(4, |_, rng| {
        let mut client = LoneClient::new(&ring, rng.random(), NORTH, view.clone());
        client.serve_again(Duration::from_secs(30));
        let slots = hours * 3_600 * SLOTS_PER_SECOND;
        // Nothing is posted, so every letter is an acknowledgement.
        let sent = (0..slots).filter_map(|_| client.step());
        u32::try_from(sent.filter(|sent| sent.role == Role::Letter).count()).unwrap_or(u32::MAX)
    });
    let most = acknowledgements.iter().copied().max().unwrap_or(0);
    Measured::new(Estimate::exact(most.into()))
        .with("hours", hours)
        .with("acknowledgements", acknowledgements)
}

const SLOTS_PER_SECOND: u64 = 4;
