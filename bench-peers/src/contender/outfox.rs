//! nym-outfox 1.21: four hops, 2 KiB of payload.

use nym_outfox::packet::OutfoxPacket;
use sphinx_packet_06::constants::{DESTINATION_ADDRESS_LENGTH, NODE_ADDRESS_LENGTH};
use sphinx_packet_06::crypto::{PrivateKey, PublicKey};
use sphinx_packet_06::route::{Destination, DestinationAddressBytes, Node, NodeAddressBytes};

use super::{Broken, Contender, Job, message};

const NAME: &str = "nym-outfox 1.21.6";
const PAYLOAD_LEN: usize = 2_048;

/// Times decoding at the first of four hops, and building for four.
pub(crate) fn contenders() -> Result<Vec<Contender>, Broken> {
    let sender = Sender::new();
    let packet = sender.build(&message()).map_err(|error| Broken(NAME, error))?;
    let bytes = packet.to_bytes().map_err(|error| Broken(NAME, error.to_string()))?;
    sender.carry(packet).map_err(|error| Broken(NAME, error))?;

    let (packet_len, first) = (bytes.len(), sender.secrets[0].clone());
    let unwrap = Contender::new(
        (NAME, Job::Unwrap, "decode_next_layer"),
        packet_len,
        move || OutfoxPacket::try_from(&bytes[..]).expect("these are the bytes of a packet"),
        move |mut packet| {
            let next = packet.decode_next_layer(&first);
            (next.expect("the check has decoded this packet"), packet)
        },
    );
    let build = Contender::new(
        (NAME, Job::Build, "build for 4 hops"),
        packet_len,
        message,
        move |message| sender.build(&message).expect("the check has built this packet"),
    );
    Ok(vec![unwrap, build])
}

struct Sender {
    secrets: [PrivateKey; 4],
    route: [Node; 4],
    destination: Destination,
}

impl Sender {
    fn new() -> Self {
        let secrets = [1, 2, 3, 4].map(|seed| PrivateKey::from([seed; 32]));
        let node = |number: u8| {
            let address = NodeAddressBytes::from_bytes([number; NODE_ADDRESS_LENGTH]);
            Node::new(address, PublicKey::from(&secrets[usize::from(number) - 1]))
        };
        let route = [1, 2, 3, 4].map(node);
        let address = DestinationAddressBytes::from_bytes([9; DESTINATION_ADDRESS_LENGTH]);
        Self { destination: Destination::new(address, [9; 16]), secrets, route }
    }

    fn build(&self, message: &[u8]) -> Result<OutfoxPacket, String> {
        OutfoxPacket::build(message, &self.route, &self.destination, Some(PAYLOAD_LEN))
            .map_err(|error| error.to_string())
    }

    /// Carries the packet through all hops; the message has to come out.
    fn carry(&self, mut packet: OutfoxPacket) -> Result<(), String> {
        for secret in &self.secrets {
            packet.decode_next_layer(secret).map_err(|error| error.to_string())?;
        }
        let plain = packet.recover_plaintext().map_err(|error| error.to_string())?;
        if plain != message() {
            return Err("another message came out".into());
        }
        Ok(())
    }
}
