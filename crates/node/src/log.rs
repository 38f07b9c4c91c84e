//! The log of a node on standard error: a closed set of events, none about a client, a mailbox or a
//! message, with times rounded to the minute. Nothing else is ever logged, at any level.

use std::io::Write;

use rohrpost_network::unix_now;
use rohrpost_proto::directory::consensus::rosters::Break;
use rohrpost_proto::directory::view::Shortage;
use rohrpost_proto::mix::watch::Alarm;

use crate::clock_check::ClockOff;

/// An event worth a line.
pub enum Event<'a> {
    /// The process listens.
    Started {
        /// UDP address of all links.
        listen: std::net::SocketAddr,
        /// TCP address of the metrics.
        metrics: std::net::SocketAddr,
    },
    /// The memory that the node's limits amount to.
    Memory {
        /// Bytes that the node takes at most.
        ceiling: usize,
        /// Packets that the node holds at most.
        packets: usize,
    },
    /// The system grants smaller socket buffers than bursts of packets need.
    SmallBuffer {
        /// Bytes that the system grants.
        granted: usize,
        /// Bytes that were asked for.
        wanted: usize,
    },
    /// All links are up and a document is at hand, for the first time.
    Ready,
    /// A newer roster has come over the network.
    Roster {
        /// Its version.
        version: u32,
    },
    /// A newer roster has come over the network, which cannot be followed.
    Unfollowed {
        /// Its version.
        version: u32,
        /// What in it cannot be followed.
        reason: Break,
    },
    /// The newest roster does not name this node any more.
    Retired {
        /// Its version.
        version: u32,
    },
    /// The newest roster names this node in another role, or with another key.
    Moved {
        /// Its version.
        version: u32,
    },
    /// A node has come beside this one, and there is no room for a link.
    NoRoom(&'a str),
    /// A link to a node of the roster has come up.
    LinkUp {
        /// Kind of the link: `packet` or `control`.
        kind: &'static str,
        /// Name of the node at the other end.
        node: &'a str,
    },
    /// A link to a node of the roster has gone down; it is dialed again.
    LinkDown {
        /// Kind of the link: `packet` or `control`.
        kind: &'static str,
        /// Name of the node at the other end.
        node: &'a str,
    },
    /// A node, by its name, has entered the document.
    NodeJoined(&'a str),
    /// A node, by its name, was not heard of and has left the document: no path uses it.
    NodeLeft(&'a str),
    /// The network document names too little to build packets with.
    Short(Shortage),
    /// The clock has gone further off those of the relays than it may be.
    Clock(ClockOff),
    /// The packet key was changed.
    KeyChanged,
    /// A mix has noticed an attack on its pool.
    Alarm(Alarm),
    /// The node has been told to stop, and leaves the documents first.
    Leaving {
        /// Longest time until it ends.
        within: std::time::Duration,
    },
    /// This build writes its secrets to a file.
    #[cfg(feature = "danger-reveal")]
    Revealing,
    /// The process ends.
    Stopping,
}

/// Writer of log lines that begin with the node's name.
#[derive(Clone)]
pub struct Log {
    name: String,
}

impl Log {
    /// Makes the log of the node with this name.
    #[must_use]
    pub const fn new(name: String) -> Self {
        Self { name }
    }

    /// Writes an event as a line; a closed standard error loses it.
    pub fn write(&self, event: &Event<'_>) {
        let minutes = unix_now().as_secs() / 60;
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        let text = event.text();
        let _ = writeln!(std::io::stderr(), "{hour:02}:{minute:02} {}: {text}", self.name);
    }
}

impl Event<'_> {
    fn text(&self) -> String {
        match self {
            Self::Started { listen, metrics } => {
                format!("listening on {listen}/udp, metrics on http://{metrics}/metrics")
            }
            Self::Memory { ceiling, packets } => format!(
                "takes at most {} MiB of memory, with up to {packets} packets in it; [limits] in \
                 the configuration sets both",
                ceiling.div_ceil(1024 * 1024)
            ),
            Self::SmallBuffer { granted, wanted } => format!(
                "the system grants a receive buffer of {granted} bytes; bursts may be lost. Run: \
                 sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}"
            ),
            Self::Ready => "ready".into(),
            Self::Roster { version } => format!(
                "roster {version} has come over the network, and this node goes by it; put it on the \
                 disk before the next start"
            ),
            Self::Unfollowed { version, reason } => {
                format!("roster {version} has come over the network: {reason}")
            }
            Self::Retired { version } => format!(
                "roster {version} does not name this node any more: it is retired; stop it when this \
                 roster has been in force for some minutes"
            ),
            Self::Moved { version } => format!(
                "roster {version} gives this node another role or key: start it anew with that roster"
            ),
            Self::NoRoom(node) => format!(
                "there is no room for a link to {node}, for memory is taken at the start: start this \
                 node anew with the newest roster on the disk"
            ),
            Self::LinkUp { kind, node } => format!("{kind} link to {node} is up"),
            Self::LinkDown { kind, node } => {
                format!("{kind} link to {node} is down; dialing it again")
            }
            Self::NodeJoined(node) => format!("{node} is in the document"),
            Self::NodeLeft(node) => {
                format!("{node} was not heard of and has left the document; no path uses it")
            }
            Self::Short(shortage) => format!(
                "the network document names {shortage}: nobody builds packets, and a mix no cover, \
                 until they name more"
            ),
            Self::Clock(off) => off.to_string(),
            Self::KeyChanged => "new packet key".into(),
            Self::Alarm(alarm) => format!("alarm: {}; own cover is doubled", alarm.meaning()),
            Self::Leaving { within } => format!(
                "leaving the documents; this node ends when no packet is on its way to it, within {} s; \
                 a second signal ends it at once",
                within.as_secs()
            ),
            #[cfg(feature = "danger-reveal")]
            Self::Revealing => {
                "DANGER: this build writes its secret keys to a file, for a test; it protects \
                 nobody, and must not run in any network"
                    .into()
            }
            Self::Stopping => "stopping; all packet keys and queues are forgotten".into(),
        }
    }
}
