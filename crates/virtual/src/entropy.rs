//! Anonymity of a Poisson mix, as an observer of its links computes it.
//!
//! Metric: Shannon entropy of the posterior over the packets that a departure may be (Serjantov and
//! Danezis, "Towards an information theoretic metric for anonymity", 2002). With exponential delays
//! the packets in the pool are alike at every moment, whenever they came: each is the next to leave
//! with the same probability (Kesdogan et al. 1998; Piotrowska et al., "The Loopix anonymity
//! system", 2017, theorem 1). So with n packets in the pool and `p_i` the probability that arrival
//! i is still among them (the `p_i` add up to n), a departure is arrival i with probability
//! `p_i / n`, and then `p_i <- p_i (1 - 1/n)`.

/// Entropy of a departure from a pool of many: `log2(e·λ/µ)` bits for arrivals at rate λ and mean
/// delay 1/µ.
///
/// Derivation: the pool is M/M/∞ with λ/µ packets on average; in the limit an arrival's mass falls
/// by `e^(-µt)`, so the posterior over ages is the exponential density, whose differential entropy
/// is `log2(e/µ)`, at λ arrivals per unit of time. Small pools deviate by their fluctuation.
#[must_use]
pub fn poisson_mix_entropy(packets_per_delay: f64) -> f64 {
    (std::f64::consts::E * packets_per_delay).log2()
}

/// Knowledge of an observer of one mix: which arrivals may still be inside.
#[derive(Default)]
pub struct PoolObserver {
    /// Arrivals and the probability that each is still inside. Those below [`FAINT`] are dropped,
    /// so about `28 λ/µ` are held.
    inside: Vec<(u64, f64)>,
    /// Packets in the pool: arrivals less departures, from an empty pool on.
    pool: u32,
}

impl PoolObserver {
    /// Takes a packet that goes in; the number is the observer's name for it.
    pub fn arrive(&mut self, packet: u64) {
        self.inside.push((packet, 1.0));
        self.pool += 1;
    }

    /// Place of this arrival in the posterior, if it is what leaves now: the probability of all
    /// earlier arrivals, and `part` (0 to 1) of its own.
    ///
    /// With `part` drawn uniformly, the places of the true arrivals are uniform in 0 to 1 if and
    /// only if the observer's posterior is right (Dawid, "Statistical theory: the prequential
    /// approach", 1984). The mean surprisal would not tell: its sum over a run is the same for
    /// whichever packets leave, as each leaves once.
    #[must_use]
    pub fn place(&self, packet: u64, part: f64) -> f64 {
        let earlier = self.inside.iter().take_while(|(held, _)| *held != packet);
        let earlier: f64 = earlier.map(|(_, mass)| mass).sum();
        let own = self.inside.iter().find(|(held, _)| *held == packet);
        (earlier + own.map_or(0.0, |(_, mass)| mass * part)) / f64::from(self.pool)
    }

    /// Takes a packet that leaves, and gives the entropy, in bits, of which one it is.
    ///
    /// # Panics
    /// More packets leave than have gone in.
    pub fn depart(&mut self) -> f64 {
        assert!(self.pool > 0, "a packet left an empty pool");
        let pool = f64::from(self.pool);
        let information = |(_, mass): &(u64, f64)| -(mass / pool) * (mass / pool).log2();
        let entropy = self.inside.iter().map(information).sum();
        self.inside.iter_mut().for_each(|(_, mass)| *mass *= 1.0 - 1.0 / pool);
        self.inside.retain(|(_, mass)| *mass > FAINT);
        self.pool -= 1;
        entropy
    }
}

/// Probability below which an arrival is forgotten: it adds less than a billionth of a bit.
const FAINT: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_packets_are_one_bit_and_a_lone_one_is_none() {
        let mut observer = PoolObserver::default();
        observer.arrive(1);
        observer.arrive(2);
        assert!((observer.depart() - 1.0).abs() < 1e-9);
        // Either of them is left.
        assert!((observer.place(1, 1.0) - 0.5).abs() < 1e-9);
        assert!((observer.place(2, 0.5) - 0.75).abs() < 1e-9);
        assert!((observer.depart() - 1.0).abs() < 1e-9);
        observer.arrive(3);
        assert!(observer.depart().abs() < 1e-9);
    }

    #[test]
    fn the_masses_add_up_to_the_pool() {
        let mut observer = PoolObserver::default();
        for packet in 0..100 {
            observer.arrive(packet);
            if packet % 3 == 2 {
                observer.depart();
            }
        }
        let mass: f64 = observer.inside.iter().map(|(_, mass)| mass).sum();
        assert_eq!(observer.pool, 67);
        assert!((mass - 67.0).abs() < 1e-6, "{mass}");
    }
}
