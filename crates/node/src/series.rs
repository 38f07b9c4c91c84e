//! Names and help texts of the series of a node (`docs/metrics.md`). Nodes of both roles export all
//! of them; the series that only one role sets stay at zero on the other, and stand here by name
//! for the crate of that role.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use rohrpost_proto::mix::watch::Alarm;

/// Gauge of a relay: sessions of clients, rounded up to a power of two.
pub const SESSIONS: &str = "rohrpost_sessions";
/// Gauge of a relay: mailboxes, rounded up to a power of two.
pub const MAILBOXES: &str = "rohrpost_mailboxes";
/// Counter of a mix: own loops that left.
pub const LOOPS_SENT: &str = "rohrpost_loops_sent_total";
/// Counter of a mix: own loops that came back.
pub const LOOPS_RETURNED: &str = "rohrpost_loops_returned_total";
/// Counter of a mix: own loops that did not come back within a minute.
pub const LOOPS_LOST: &str = "rohrpost_loops_lost_total";

/// Counter of a mix: own loops that came back late.
pub const LOOPS_LATE: &str = "rohrpost_loops_late_total";
/// Counter of a mix: attacks that it has noticed, by kind.
pub const ALARMS: &str = "rohrpost_mix_alarms_total";

/// Registers the series of one role at zero.
pub(crate) fn register_role_series() {
    for name in [SESSIONS, MAILBOXES] {
        let _ = gauge!(name);
    }
    for name in [LOOPS_SENT, LOOPS_RETURNED, LOOPS_LATE, LOOPS_LOST] {
        let _ = counter!(name);
    }
    for alarm in Alarm::ALL {
        let _ = counter!(ALARMS, "alarm" => alarm.as_str());
    }
}

/// Gives every series its help text.
pub(crate) fn describe() {
    let gauges = [
        ("rohrpost_build_info", "Version and revision; always 1."),
        ("rohrpost_tick_seconds", "Values change once per this."),
        (
            "rohrpost_ready",
            "1 when the links that are needed are up and a fresh document is at hand.",
        ),
        ("rohrpost_links_up", "Links of this node to others that are up."),
        (
            "rohrpost_roster_version",
            "Version of the newest roster that this node has, from its disk or over the network.",
        ),
        ("rohrpost_document_number", "Number of the newest document."),
        ("rohrpost_document_nodes", "Nodes in the newest document."),
        (
            "rohrpost_document_short",
            "1 while the documents name too little of the roster to build packets with, else 0.",
        ),
        ("rohrpost_document_age_seconds", "Age of the newest document; zero before the first."),
        (
            "rohrpost_clock_offset_seconds",
            "Seconds by which this node's clock is ahead of the middle one of the relays' clocks.",
        ),
        (SESSIONS, "Sessions of this relay, rounded up to a power of two."),
        (MAILBOXES, "Mailboxes of this relay, rounded up to a power of two."),
        ("rohrpost_replay_fill_ratio", "Fill of the replay set of the newest key."),
        ("rohrpost_memory_ceiling_bytes", "Memory that the process takes at most, by its limits."),
    ];
    for (name, help) in gauges {
        describe_gauge!(name, help);
    }
    let counters = [
        ("rohrpost_packets_received_total", "Packets that came in over links, cover included."),
        ("rohrpost_packets_sent_total", "Packets that went out over links, cover included."),
        ("rohrpost_packets_dropped_total", "Packets dropped, by reason."),
        (
            "rohrpost_links_refused_total",
            "Links that peers were refused: failed handshakes, strangers, nodes out of order.",
        ),
        (LOOPS_SENT, "Own loops that left."),
        (LOOPS_RETURNED, "Own loops that came back."),
        (LOOPS_LATE, "Own loops that came back late."),
        (ALARMS, "Attacks on the pool that this mix has noticed, by kind."),
        (LOOPS_LOST, "Own loops that did not come back within a minute."),
    ];
    for (name, help) in counters {
        describe_counter!(name, help);
    }
    let help = "Time between when a packet or tick was due and when it left.";
    describe_histogram!("rohrpost_departure_lateness_seconds", Unit::Seconds, help);
}
