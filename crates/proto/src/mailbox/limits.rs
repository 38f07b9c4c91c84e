//! Bounds of a relay's mailboxes.

use std::time::Duration;

use crate::directory::roster::Traffic;

/// Bounds of a relay's mailboxes.
#[derive(Clone, Copy, Debug)]
pub struct MailboxLimits {
    /// Mailboxes at most; a pull for one more is refused. Each holds up to eight SURBs (38 KiB
    /// hybrid, 3 KiB classic).
    pub mailboxes: usize,
    /// Envelopes in all mailboxes together (7.3 KiB each hybrid, 2.1 KiB classic).
    pub envelopes: usize,
    /// Pulls by which the owner of a mailbox earns room for one more envelope, at least one. A
    /// network whose slots are longer by far has fewer pulls a day.
    pub pulls_per_room: u32,
    /// Time after which an envelope that was served and not acknowledged is served again: that of
    /// [`Traffic::serve_again`].
    pub serve_again: Duration,
}

impl MailboxLimits {
    /// Gives the default bounds in a network of these rates.
    #[must_use]
    pub fn of(traffic: &Traffic) -> Self {
        Self { serve_again: traffic.serve_again(), ..Self::default() }
    }
}

impl Default for MailboxLimits {
    /// Sets 16 384 mailboxes and 65 536 envelopes: about 1.1 GiB hybrid, 190 MiB classic when full;
    /// and one envelope per 100 pulls, which the default slot makes in a minute and a half. The rates
    /// are the default ones.
    fn default() -> Self {
        Self {
            mailboxes: 16_384,
            envelopes: 65_536,
            pulls_per_room: 100,
            serve_again: Traffic::default().serve_again(),
        }
    }
}
