//! Volume of a client's traffic: it depends on the network's rates alone, not on what is written.

use std::time::Duration;

use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::directory::roster::{Roster, SuiteName};
use rohrpost_proto::frame::frame_len;

/// Bytes of the cells that a client sends and receives in a day online: one each way per slot.
#[must_use]
pub fn daily_volume(roster: &Roster) -> u64 {
    let cell = match roster.suite {
        SuiteName::Hybrid => frame_len::<Hybrid>(),
        SuiteName::Classic => frame_len::<Classic>(),
    };
    let slots = DAY.as_micros() / roster.traffic.slot.as_micros().max(1);
    let bytes = u128::try_from(2 * cell).unwrap_or(u128::MAX).saturating_mul(slots);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

const DAY: Duration = Duration::from_secs(86_400);
