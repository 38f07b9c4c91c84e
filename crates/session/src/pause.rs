//! Pauses between links, the same for whoever keeps a session: a break of another length than
//! people's would show at both mailboxes of a mix that its client is none of theirs.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::session::SILENCE;

/// Break between two links.
#[derive(Clone, Copy, Debug)]
pub enum Break {
    /// A link was lost, or did not come up.
    Lost,
    /// A client goes elsewhere of its own accord. It does as one whose machine has changed its
    /// network: that hears nothing for a while until it gives the link up.
    Moved,
}

impl Break {
    /// Draws how long the client waits before it dials. Tries do not grow rarer: all that come to a
    /// relay after an outage come within the same seconds.
    #[must_use]
    pub fn draw(self, rng: &mut (impl Rng + ?Sized)) -> Duration {
        let pause = PAUSE.mul_f64(rng.random_range(0.5..1.5));
        match self {
            Self::Lost => pause,
            Self::Moved => SILENCE + pause,
        }
    }
}

/// Pause between links, drawn from half to one and a half of this.
const PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a client which moves is away for as long as one that loses a link and notices it
    /// by its silence: no break is of a length that only mixes' have.
    #[test]
    fn a_move_takes_as_long_as_a_change_of_network() {
        let mut rng = rand::rng();
        for _ in 0..1_000 {
            let lost = Break::Lost.draw(&mut rng);
            let moved = Break::Moved.draw(&mut rng).checked_sub(SILENCE).unwrap_or_default();
            assert!([lost, moved].iter().all(|pause| (PAUSE / 2..=PAUSE * 3 / 2).contains(pause)));
        }
    }
}
