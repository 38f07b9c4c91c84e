//! Secrets of hops shown to a test, which looks for them in the memory of a process
//! (`ops/check/seizure.sh`).
//!
//! Only a build with the feature `danger-reveal` shows any, and only to a sink that was set; the programs
//! of the network are built without it (`ops/check/layers.sh`).

/// A kind of secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Secret {
    /// X25519 secret of a hop's key.
    Scalar,
    /// Seed d ‖ z of a hop's ML-KEM key pair.
    Seed,
    /// Expanded ML-KEM decapsulation key, a hop's or not.
    Expanded,
    /// Secret on which a packet's encapsulation agreed.
    Shared,
    /// Key of a packet's header layer.
    Header,
    /// Key of a packet's payload layer.
    Payload,
    /// Round keys of a packet's payload layer.
    Rounds,
}

/// Shows each secret from now on to `sink`, where it lies. The first call counts.
#[cfg(feature = "danger-reveal")]
pub fn danger_reveal_to(sink: impl Fn(Secret, &[u8]) + Send + Sync + 'static) {
    let _ = SINK.set(Box::new(sink));
}

/// Shows a secret, if this build shows any; it is not copied.
pub(crate) fn reveal(kind: Secret, secret: &[u8]) {
    #[cfg(feature = "danger-reveal")]
    if let Some(sink) = SINK.get() {
        sink(kind, secret);
    }
    let _ = (kind, secret);
}

#[cfg(feature = "danger-reveal")]
type Sink = Box<dyn Fn(Secret, &[u8]) + Send + Sync>;

#[cfg(feature = "danger-reveal")]
static SINK: std::sync::OnceLock<Sink> = std::sync::OnceLock::new();
