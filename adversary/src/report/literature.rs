//! Curves of the literature, to stand beside ours. Nothing here was measured by this project.

/// A curve that others have published.
pub(super) struct Reference {
    /// The network and setting.
    pub(super) what: &'static str,
    /// Where it was published.
    pub(super) source: &'static str,
    pub(super) points: &'static [(f64, f64)],
}

/// Curves to be drawn beside those of an attack.
pub(super) fn references(attack: &str) -> &'static [Reference] {
    match attack {
        "flow" | "flow-by-coalition" => MIXMATCH,
        "acknowledgements" | "replies" => SIGNAL,
        "entropy" => LOOPIX,
        _ => &[],
    }
}

/// Flow matching on Nym: share of pairs found at 1 % of false alarms by the number of packets
/// watched, by the classifier that learns ("drift"). Recomputed from the ROC files that the paper
/// published.
const MIXMATCH: &[Reference] = &[
    Reference {
        what: "Nym, no client cover",
        source: "MixMatch, PoPETs 2024.2",
        points: &[(100.0, 1.0)],
    },
    Reference {
        what: "Nym, 50 ms per mix",
        source: "MixMatch, PoPETs 2024.2",
        points: &[(100.0, 0.58), (200.0, 0.99), (300.0, 1.0)],
    },
    Reference {
        what: "Nym, 200 ms per mix",
        source: "MixMatch, PoPETs 2024.2",
        points: &[(100.0, 0.12)],
    },
];

/// Sealed sender: Alice is named after about five of Bob's receipts.
const SIGNAL: &[Reference] = &[Reference {
    what: "Signal's sealed sender",
    source: "Martiny et al., NDSS 2021",
    points: &[(5.0, 1.0)],
}];

/// Entropy of one Poisson mix whose links are all seen, in bits, by packets in its pool:
/// log2(e λ/µ).
const LOOPIX: &[Reference] = &[Reference {
    what: "one mix, log2(e λ/µ)",
    source: "Loopix, USENIX Security 2017, section 5",
    points: &[
        (1.0, 1.443),
        (2.0, 2.443),
        (5.0, 3.765),
        (10.0, 4.765),
        (20.0, 5.765),
        (50.0, 7.087),
        (100.0, 8.087),
    ],
}];
