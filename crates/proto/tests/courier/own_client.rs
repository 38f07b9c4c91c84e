//! A mix's own client against a person's, as a mailbox relay sees both: by which mix pulls come in,
//! and by which the answers leave.

use std::collections::BTreeMap;

use rohrpost_packet::{NodeNumber, SessionId};
use rohrpost_proto::courier::{Attachment, Event};

use crate::world::{START, World};

/// Last mix of each pull and first mix of its answer's way.
type Ends = BTreeMap<(NodeNumber, NodeNumber), u32>;

/// What relays 2 and 3 see of a courier with this attachment in ten minutes.
fn ends(seed: u8, attachment: Attachment) -> Ends {
    let mut world = World::new();
    let index = world.courier(seed, attachment, &[2, 3]);
    world.run(START + std::time::Duration::from_secs(600));
    let mut ends = Ends::new();
    for (_, event) in &world.events[index] {
        if let Event::PullAnswered { pull, trip, .. } = event {
            let nodes = pull.path.nodes();
            let last = match attachment {
                // The packets of a mix of the last layer come from the mix itself.
                Attachment::Mix { number, .. } if nodes.len() == 1 => number,
                _ => nodes[nodes.len() - 2],
            };
            *ends.entry((last, trip.path.first())).or_default() += 1;
        }
    }
    ends
}

/// Chi-square of two samples over the same cells, and its degrees of freedom.
fn distance(one: &Ends, other: &Ends) -> (f64, usize) {
    let sum = |ends: &Ends| f64::from(ends.values().sum::<u32>());
    let (here, there) = (sum(one), sum(other));
    let cells: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let share = |cell: &(NodeNumber, NodeNumber)| {
        let count = |ends: &Ends| f64::from(ends.get(cell).copied().unwrap_or(0));
        let (a, b) = (count(one), count(other));
        let (root, back) = ((there / here).sqrt(), (here / there).sqrt());
        (root * a - back * b).powi(2) / (a + b)
    };
    (cells.iter().map(|cell| share(cell)).sum(), cells.len() - 1)
}

/// A client that enters at this relay.
fn client(seed: u8, entry: u32) -> Ends {
    let (entry, session) = (NodeNumber::new(entry), SessionId::new([seed; 16]));
    ends(seed, Attachment::Client { entry, session })
}

/// Checks that a mailbox relay cannot tell a mix's client from a person's, wherever each enters; and
/// that it could if the mix's packets began in its own pool, as they once did.
#[test]
fn a_mailbox_relay_cannot_tell_a_mixs_client_from_a_persons() {
    let person = client(1, 1);
    let (chi, degrees) = distance(&person, &client(2, 4));
    assert!(degrees >= 3, "{person:?}");
    // The 0.1 % values of chi-square for 3 to 7 degrees of freedom.
    let limit = [16.27, 18.47, 20.52, 22.46, 24.32][degrees - 3];
    assert!(chi < limit, "{chi} at {degrees} degrees of freedom");
    for (layer, number) in [11, 21, 31].into_iter().enumerate() {
        let number = NodeNumber::new(number);
        let (chi, _) = distance(&person, &ends(3, Attachment::Mix { number, layer }));
        assert_eq!(chi > 100.0, layer != 1, "layer {layer}: {chi}");
    }
}
