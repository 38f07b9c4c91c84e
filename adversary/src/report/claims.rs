//! Order of the page: the rows of the table in `docs/threat-model.md`, with the attacks on each, and
//! the coalitions whose knowledge is stated at the end.

/// A row of the threat model.
pub(super) struct Row {
    pub(super) adversary: &'static str,
    pub(super) may_learn: &'static str,
    /// Names of the attacks, in order.
    pub(super) attacks: &'static [&'static str],
}

/// Parties that work together, and what that lets them learn.
pub(super) struct Coalition {
    pub(super) who: &'static str,
    pub(super) learns: &'static str,
    /// Attacks whose numbers say how much.
    pub(super) attacks: &'static [&'static str],
}

pub(super) const ROWS: &[Row] = &[
    Row {
        adversary: "Observer of all links",
        may_learn: "Who is online; sums per relay. Not whether a client sends or receives, with \
                    whom, or how often.",
        attacks: &["idle-or-busy", "entropy", "flow"],
    },
    Row {
        adversary: "One operator",
        may_learn: "At an entry relay: an address and its online time. At a mailbox relay: a \
                    pseudonym, and arrival times of sealed envelopes, its owner's own loops among \
                    them; so whether much comes for it.",
        attacks: &[
            "independence",
            "letters-by-key",
            "letters-by-time",
            "letters-by-count",
            "sending-by-loops",
        ],
    },
    Row {
        adversary: "Several operators",
        may_learn: "A single packet stays unlinked while one mix of its path is not theirs. Entry \
                    and mailbox relay in one hand match online times, and a flow that they hold up.",
        attacks: &[
            "collusion",
            "pairing",
            "session-by-mixes",
            "session-to-mailbox",
            "flow-by-coalition",
            "presence",
            "presence-by-hold",
            "acknowledgements",
            "replies",
        ],
    },
    Row {
        adversary: "Active attacker",
        may_learn: "That a packet was lost or late. A mix that is filled, starved or held back \
                    notices; a hold of under 5 s may pass.",
        attacks: &[
            "replayed-envelopes",
            "blending-notice",
            "blending-flood",
            "dropping",
            "dropping-half",
            "shrunken-view",
            "crafted-documents",
            "split-view",
        ],
    },
    Row {
        adversary: "Seizure of a node",
        may_learn: "Nothing of any user. The live memory and the identity key are excepted.",
        attacks: &[],
    },
    Row {
        adversary: "Quantum computer, later",
        may_learn: "As one operator today: all secrecy is X25519 and ML-KEM-768 together; \
                    authentication is classical.",
        attacks: &[],
    },
];

pub(super) const COALITIONS: &[Coalition] = &[
    Coalition {
        who: "The operators of all three mixes of a path",
        learns: "link that packet's two ends, entry relay and mailbox relay; with either of these \
                 also theirs, a session or a pseudonym. An entry relay of theirs can lead all packets \
                 of its clients there, by documents that leave half of each layer out.",
        attacks: &["collusion", "split-view"],
    },
    Coalition {
        who: "An entry relay and a mailbox relay in one hand",
        learns: "match a session with a pseudonym by when both are online. While neither goes \
                 offline, answers and pulls should not tell them. They can hold up the cells of \
                 sessions and see whether a long flow stops: then they find its sender.",
        attacks: &["presence", "session-by-mixes", "session-to-mailbox", "flow-by-coalition"],
    },
    Coalition {
        who: "The observer of all links and a mailbox relay",
        learns: "match an address with a pseudonym by holding up its datagrams for some seconds.",
        attacks: &["presence-by-hold"],
    },
    Coalition {
        who: "Two mailbox relays",
        learns: "should not pair the two mailboxes of a client that stays online; one that comes \
                 and goes shows the pair by that.",
        attacks: &["pairing", "presence"],
    },
    Coalition {
        who: "All mailbox relays",
        learns: "find who writes to whom, from acknowledgements after many messages, and from a \
                 person's replies earlier.",
        attacks: &["acknowledgements", "replies"],
    },
];
