//! TLS 1.3 with raw public keys pinned to the roster, and the settings of QUIC.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rohrpost_proto::directory::signing::{IdentityKey, SigningKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group, sign};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::shape::{MTU, Pace, Segmentation, Shape};

/// Kind of a link by what it carries, as its ALPN names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkKind {
    Packet,
    Client,
    Control,
}

impl LinkKind {
    pub(crate) const ALL: [Self; 3] = [Self::Packet, Self::Client, Self::Control];

    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Packet => b"rohrpost-packet/1",
            Self::Client => b"rohrpost-client/1",
            Self::Control => b"rohrpost-control/1",
        }
    }
}

/// Configuration of a node that answers: with its key, to peers that show a key or none. The rights
/// of a peer are decided after the handshake, by ALPN and roster.
pub(crate) fn server_config(key: &SigningKey, shape: Shape) -> ServerConfig {
    let verifier = Arc::new(RawKeys { pinned: None, algorithms: algorithms() });
    let resolver = AlwaysResolvesServerRawPublicKeys::new(certified(key));
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(resolver));
    tls.alpn_protocols = LinkKind::ALL.iter().map(|kind| kind.alpn().to_vec()).collect();
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    let tls =
        QuicServerConfig::try_from(tls).expect("the provider has the suite of QUIC's Initial");
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    // Links that others have opened carry cells from here, and very little else.
    config.transport_config(Arc::new(transport(shape, Pace::Grid)));
    config.validation_token.sent(0);
    config.max_incoming(MAX_INCOMING);
    config.incoming_buffer_size(INCOMING_BUFFER);
    config.incoming_buffer_size_total(INCOMING_BUFFER * u64::try_from(MAX_INCOMING).unwrap_or(1));
    config
}

/// Configuration of a node or client that dials `peer`; `key` is `None` for clients.
pub(crate) fn client_config(
    kind: LinkKind,
    peer: &IdentityKey,
    key: Option<&SigningKey>,
    shape: Shape,
) -> ClientConfig {
    let pinned = Some(spki(peer));
    let verifier = Arc::new(RawKeys { pinned, algorithms: algorithms() });
    let resolver: Arc<dyn ResolvesClientCert> = match key {
        Some(key) => Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(key))),
        None => Arc::new(Anonymous),
    };
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    tls.alpn_protocols = vec![kind.alpn().to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    tls.enable_sni = false;
    let tls =
        QuicClientConfig::try_from(tls).expect("the provider has the suite of QUIC's Initial");
    let mut config = ClientConfig::new(Arc::new(tls));
    let pace = if kind == LinkKind::Client { Pace::Grid } else { Pace::Line };
    config.transport_config(Arc::new(transport(shape, pace)));
    config.token_store(Arc::new(quinn::NoneTokenStore));
    config
}

/// The identity that a peer has shown; `None` if it has shown none.
pub(crate) fn peer_identity(connection: &quinn::Connection) -> Option<IdentityKey> {
    let shown = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let key = shown.first()?.strip_prefix(&SPKI_PREFIX[..])?;
    Some(IdentityKey::new(key.try_into().ok()?))
}

/// The kind of link that both sides have agreed on.
pub(crate) fn link_kind(connection: &quinn::Connection) -> Option<LinkKind> {
    let data = connection.handshake_data()?;
    let data = data.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    let alpn = data.protocol?;
    LinkKind::ALL.into_iter().find(|kind| kind.alpn() == alpn)
}

fn transport(shape: Shape, pace: Pace) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .enable_segmentation_offload(shape.segmentation == Segmentation::Offload)
        .ack_frequency_config(Some(shape.acknowledgements()))
        .congestion_controller_factory(shape.congestion(pace))
        .pad_to_mtu(true)
        .initial_mtu(MTU)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(None);
    config
}

/// Cryptography by aws-lc with one key exchange: a peer without ML-KEM cannot finish a handshake.
fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![kx_group::X25519MLKEM768];
    Arc::new(CryptoProvider { kx_groups, ..default_provider() })
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    default_provider().signature_verification_algorithms
}

fn certified(key: &SigningKey) -> Arc<CertifiedKey> {
    let der = key.to_pkcs8();
    let der = PrivatePkcs8KeyDer::from(der.as_slice());
    let signer = sign::any_eddsa_type(&der).expect("a signing key is an Ed25519 key in PKCS#8");
    Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki(&key.public()))], signer))
}

fn spki(key: &IdentityKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], key.as_bytes()].concat()
}

/// Verifier of raw Ed25519 keys: accepts the pinned one, or any, which then still has to be in the
/// roster.
#[derive(Debug)]
struct RawKeys {
    pinned: Option<Vec<u8>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl RawKeys {
    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        let ed25519 = shown.len() == SPKI_PREFIX.len() + 32 && shown.starts_with(&SPKI_PREFIX);
        let pinned = self.pinned.as_ref().is_none_or(|pinned| pinned[..] == shown[..]);
        if ed25519 && pinned {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }
}

/// Methods that verifiers of both sides have alike: signatures of raw Ed25519 keys under TLS 1.3,
/// and nothing else.
macro_rules! raw_key_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2 is not spoken here".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            shown: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let spki = SubjectPublicKeyInfoDer::from(shown.as_ref());
            verify_tls13_signature_with_raw_key(message, &spki, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(shown).map(|()| ServerCertVerified::assertion())
    }

    raw_key_signatures!();
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(shown).map(|()| ClientCertVerified::assertion())
    }

    raw_key_signatures!();
}

/// A client that shows no key.
#[derive(Debug)]
struct Anonymous;

impl ResolvesClientCert for Anonymous {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// DER of an Ed25519 SubjectPublicKeyInfo up to the 32 bytes of the key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Time after which a peer that is gone is noticed.
const IDLE_MS: u32 = 10_000;
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Unread bytes of a link: 42 hybrid frames, half a second at 80 frames a second.
const WINDOW: u32 = 512 * 1024;
/// Bound of a link's unread bytes as a `usize`, for the reckoning of a node's memory.
pub const LINK_WINDOW: usize = 512 * 1024;
/// Handshakes that may wait for the endpoint; each may buffer [`INCOMING_BUFFER`] bytes.
const MAX_INCOMING: usize = 1024;
const INCOMING_BUFFER: u64 = 8 * 1024;
