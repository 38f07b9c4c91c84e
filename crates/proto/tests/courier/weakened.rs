//! Stories that must fail once their law is taken back.

use rohrpost_proto::weakness::{Weakness, danger_breaks};

use crate::{acknowledgements, clocks, durable};

#[test]
fn tests_of_laws_fail_without_them() {
    let laws: [(_, fn()); 3] = [
        (
            Weakness::OmissionIsLoss,
            durable::a_relay_that_is_left_out_over_its_change_of_keys_has_lost_nothing,
        ),
        (
            Weakness::TheRelaysClockIsBelieved,
            clocks::a_relay_that_adds_minutes_at_each_link_does_not_make_an_acknowledgement_due,
        ),
        (
            Weakness::KnownEnvelopesAreAcknowledged,
            acknowledgements::a_letter_that_is_served_again_draws_no_acknowledgement,
        ),
    ];
    for (law, test) in laws {
        assert!(danger_breaks(law, test), "{law:?}");
    }
}
