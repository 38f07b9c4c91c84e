//! Faults in a roster and its signatures; each says what to do.

use std::net::SocketAddr;

/// Fault in a roster; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The text is not the TOML of a roster.
    #[error("{0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// The roster was made for another network.
    #[error(
        "the roster is of network {roster}, the trust root of {trust}; use files that belong together"
    )]
    Network {
        /// Network that the roster names.
        roster: String,
        /// Network that the trust root names.
        trust: String,
    },
    /// The suite does not exist.
    #[error("unknown suite {0}; use \"hybrid\" or \"classic\"")]
    Suite(String),
    /// A value is out of range.
    #[error("{name} = {value} is out of range; it must lie between {least} and {most}")]
    Range {
        /// Name of the key in the file.
        name: &'static str,
        /// Value that was given.
        value: u64,
        /// Least value that is allowed.
        least: u64,
        /// Largest value that is allowed.
        most: u64,
    },
    /// Old packet keys would have to live longer than a node holds them.
    #[error(
        "by its slot_ms and mix_delay_ms an old packet key must live for {seconds} s, longer than \
         two epochs; set epoch_seconds to {least} at least, or shorten the others"
    )]
    Grace {
        /// Seconds for which an old key must live.
        seconds: u64,
        /// Least epoch for that, in seconds.
        least: u64,
    },
    /// The name of a node is not plain.
    #[error(
        "the name \"{0}\" is not plain; names of nodes have 1 to 64 letters, digits, dots, hyphens \
         and underscores"
    )]
    Name(String),
    /// The role and the layer of a node do not fit.
    #[error("node {0}: role must be \"relay\" without layer, or \"mix\" with layer 1, 2 or 3")]
    Role(String),
    /// A node is run by nobody of the trust root.
    #[error("node {node}: operator {operator} is no agency of the trust root")]
    Operator {
        /// Name of the node.
        node: String,
        /// Name of the node's operator.
        operator: String,
    },
    /// The identity of a node is malformed.
    #[error("node {0}: identity is not 64 hex digits; copy it from its `rohrpost-ops keygen`")]
    Identity(String),
    /// A node has no address, or number 0.
    #[error("node {0}: it needs at least one address, and a number above 0")]
    Address(String),
    /// A number, name or identity stands twice.
    #[error("two nodes share a number, a name or an identity; each needs its own")]
    Repeated,
    /// Two nodes, or one twice, are at the same address.
    #[error("{node} and {other} have the same address {address}; each address is of one node")]
    SameAddress {
        /// The address.
        address: SocketAddr,
        /// Name of one of the nodes.
        node: String,
        /// Name of the other.
        other: String,
    },
    /// A node has a number that was never given.
    #[error(
        "there is a node {highest}, and numbers_given = {given}; set it to the highest number that a \
         node of this network ever had"
    )]
    Number {
        /// The highest number of a node.
        highest: u32,
        /// The highest number that was given, by the roster.
        given: u32,
    },
    /// A layer has no mix.
    #[error("layer {0} has no mix; every layer needs at least one")]
    EmptyLayer(usize),
    /// The mixes of an operator stand in two layers.
    #[error(
        "{operator} has mixes in layers {one} and {other}; put all mixes of an operator into one \
         layer, or the first mix of a path tells of its last (docs/traffic.md, Paths)"
    )]
    Layers {
        /// Name of the operator.
        operator: String,
        /// One of the layers, 1 to 3.
        one: usize,
        /// Another of them.
        other: usize,
    },
    /// The roster has no relay.
    #[error("there is no relay; clients need at least one")]
    NoRelay,
    /// The expiry is not a date.
    #[error("expires = \"{0}\" is no date; write YYYY-MM-DD")]
    Date(String),
    /// The roster is past its last day.
    #[error("the roster expired on {0}; get the newer one from any agency")]
    Expired(String),
    /// A signature does not verify.
    #[error(
        "the signature of {0} was not made with the key that the trust root has for {0}; have {0} sign \
         again (rohrpost-ops roster sign)"
    )]
    Signature(String),
    /// A signature is by nobody of the trust root.
    #[error("{0} signed, but is no agency of the trust root; remove its signature from roster.sig")]
    UnknownSigner(String),
    /// Fewer agencies than the threshold have signed.
    #[error(
        "only {signed} of the {threshold} agencies that must sign have signed ({names}){changed}; \
         ask {missing} to run: rohrpost-ops roster sign"
    )]
    UnderSigned {
        /// Number of agencies that have signed.
        signed: usize,
        /// Names of the agencies that have signed.
        names: String,
        /// Number of agencies that must sign.
        threshold: usize,
        /// Note that some have signed another roster; empty if nobody has.
        changed: &'static str,
        /// Names of the agencies that have not signed.
        missing: String,
    },
}

impl RosterError {
    /// True if the roster lacks nothing but nodes.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(self, Self::EmptyLayer(_) | Self::NoRelay)
    }
}
