//! Exponential delays: what makes a mix memoryless (Kesdogan et al. 1998; Loopix, section 3).

use std::time::Duration;

use rand_core::CryptoRng;
use rohrpost_packet::Delay;

/// Draws from the exponential distribution with this mean, by inversion: `-mean · ln(u)`.
///
/// Capped at the `1 - 1e-12` quantile, 27.6 means. A cap near the mean would break the
/// memorylessness that mixing rests on.
#[must_use]
pub fn exponential(mean: Duration, rng: &mut (impl CryptoRng + ?Sized)) -> Delay {
    in_means(mean, means(rng))
}

/// Draws like [`exponential`], in means: for times that are longer than a packet's delay can say.
pub(crate) fn means(rng: &mut (impl CryptoRng + ?Sized)) -> f64 {
    (-uniform(rng).ln()).min(CAP_MEANS)
}

/// The longest delay that [`exponential`] draws for this mean: a mix refuses any longer one.
#[must_use]
pub fn longest(mean: Duration) -> Duration {
    in_means(mean, CAP_MEANS).duration()
}

/// Makes a delay of so many means, in whole microseconds.
fn in_means(mean: Duration, means: f64) -> Delay {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates, and the cap keeps it in range"
    )]
    Delay::from_micros((mean.as_secs_f64() * 1e6 * means).round() as u32)
}

/// Draws uniformly from (0, 1], with the 53 bits of a double's mantissa.
fn uniform(rng: &mut (impl CryptoRng + ?Sized)) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let numerator = ((rng.next_u64() >> 11) + 1) as f64;
    numerator / (1_u64 << 53) as f64
}

/// Cap of a delay in means: `-ln(1e-12)`.
const CAP_MEANS: f64 = 27.631_021_115_928_547;

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    /// Checks the draws by Kolmogorov-Smirnov at the 0.1 % level: D < 1.95 / sqrt(n).
    #[test]
    fn delays_follow_the_exponential_distribution() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let n = 100_000_u32;
        let mean = Duration::from_millis(200);
        let mut draws: Vec<f64> =
            (0..n).map(|_| f64::from(exponential(mean, &mut rng).micros()) / 200_000.0).collect();
        draws.sort_by(f64::total_cmp);
        let distance = (0..n)
            .zip(&draws)
            .map(|(i, x)| {
                let expected = 1.0 - (-x).exp();
                let (below, above) = (f64::from(i) / f64::from(n), f64::from(i + 1) / f64::from(n));
                (expected - below).abs().max((expected - above).abs())
            })
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / f64::from(n).sqrt(), "D = {distance}");
    }
}
