//! What of an endpoint lasts over a restart, so that peers learn at once that their links are gone.
//!
//! A peer whose link was with the process before gets a stateless reset for the first packet that it
//! sends (RFC 9000, section 10.3), and dials anew. Else it would go on for as long as a silent link lasts.

use std::sync::Arc;

use aws_lc_rs::hmac;
use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use rohrpost_proto::directory::signing::SigningKey;

/// Settings of an endpoint that follow from its node's key.
pub(crate) fn config(key: &SigningKey) -> EndpointConfig {
    let reset = hmac::Key::new(hmac::HMAC_SHA256, key.derive(RESET).as_ref());
    // A node resets no link but one that it may have had: a stranger's identifiers are no such ones.
    let ids = key.derive(CONNECTION_IDS);
    let ids = u64::from_be_bytes(*ids.first_chunk().expect("32 bytes have eight"));
    let mut config = EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

const RESET: &str = "rohrpost v1 stateless reset";
const CONNECTION_IDS: &str = "rohrpost v1 connection ids";
