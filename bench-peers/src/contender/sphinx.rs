//! sphinx-packet 0.8: five hops, the longest route of its header, 2 KiB of payload.

use std::time::Duration;

use sphinx_packet::constants::{
    DESTINATION_ADDRESS_LENGTH, IDENTIFIER_LENGTH, NODE_ADDRESS_LENGTH,
};
use sphinx_packet::header::delays::{Delay, generate_from_average_duration};
use sphinx_packet::route::{Destination, DestinationAddressBytes, Node, NodeAddressBytes};
use sphinx_packet::{ProcessedPacketData, SphinxPacket, SphinxPacketBuilder};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Broken, Contender, Job, message};

const NAME: &str = "sphinx-packet 0.8.0";
const PAYLOAD_LEN: usize = 2_048;

/// Times processing at the first of five hops, and building for five.
pub(crate) fn contenders() -> Result<Vec<Contender>, Broken> {
    let sender = Sender::new();
    let packet = sender.build(&message()).map_err(|error| Broken(NAME, error))?;
    let bytes = packet.to_bytes();
    sender.carry(packet).map_err(|error| Broken(NAME, error))?;

    let (packet_len, first) = (bytes.len(), sender.secrets[0].clone());
    let unwrap = Contender::new(
        (NAME, Job::Unwrap, "process"),
        packet_len,
        move || SphinxPacket::from_bytes(&bytes).expect("these are the bytes of a packet"),
        move |packet| packet.process(&first).expect("the check has processed this packet"),
    );
    let build = Contender::new(
        (NAME, Job::Build, "build_packet for 5 hops"),
        packet_len,
        message,
        move |message| sender.build(&message).expect("the check has built this packet"),
    );
    Ok(vec![unwrap, build])
}

struct Sender {
    secrets: Vec<StaticSecret>,
    route: Vec<Node>,
    delays: Vec<Delay>,
    destination: Destination,
}

impl Sender {
    fn new() -> Self {
        let secrets: Vec<_> = (1..6).map(|seed| StaticSecret::from([seed; 32])).collect();
        let node = |(secret, number): (&StaticSecret, u8)| {
            let address = NodeAddressBytes::from_bytes([number; NODE_ADDRESS_LENGTH]);
            Node::new(address, PublicKey::from(secret))
        };
        let route: Vec<_> = secrets.iter().zip(1..).map(node).collect();
        let delays = generate_from_average_duration(route.len(), Duration::from_millis(10));
        let address = DestinationAddressBytes::from_bytes([9; DESTINATION_ADDRESS_LENGTH]);
        let destination = Destination::new(address, [9; IDENTIFIER_LENGTH]);
        Self { secrets, route, delays, destination }
    }

    fn build(&self, message: &[u8]) -> Result<SphinxPacket, String> {
        SphinxPacketBuilder::new()
            .with_payload_size(PAYLOAD_LEN)
            .build_packet(message, &self.route, &self.destination, &self.delays)
            .map_err(|error| error.to_string())
    }

    /// Carries the packet through all hops; the message has to come out.
    fn carry(&self, mut packet: SphinxPacket) -> Result<(), String> {
        for secret in &self.secrets {
            let processed = packet.process(secret).map_err(|error| error.to_string())?;
            match processed.data {
                ProcessedPacketData::ForwardHop { next_hop_packet, .. } => packet = next_hop_packet,
                ProcessedPacketData::FinalHop { payload, .. } => {
                    let plain = payload.recover_plaintext().map_err(|error| error.to_string())?;
                    let same = plain == message();
                    return same.then_some(()).ok_or_else(|| "another message came out".into());
                }
            }
        }
        Err("no message came out".into())
    }
}
