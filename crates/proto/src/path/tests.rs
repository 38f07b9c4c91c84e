use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::{Classic, Generation, HopSecretKey};

use super::*;
use crate::directory::descriptor::{Descriptor, SignedDescriptor};
use crate::directory::roster::{Directory, Role, Roster, RosterNode, SuiteName, Traffic};
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};

/// Two relays and two mixes in each layer, numbered from 1.
const SMALL: [(&str, Role); 8] = [
    ("north", Role::Relay),
    ("south", Role::Relay),
    ("north", Role::Mix { layer: 0 }),
    ("south", Role::Mix { layer: 0 }),
    ("east", Role::Mix { layer: 1 }),
    ("east", Role::Mix { layer: 1 }),
    ("west", Role::Mix { layer: 2 }),
    ("west", Role::Mix { layer: 2 }),
];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([4; 32])
}

fn node_key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(number).unwrap(); 32])
}

/// A relay of each operator, and an uneven number of mixes in the layers.
const WIDE: [(&str, Role); 14] = [
    ("north", Role::Relay),
    ("south", Role::Relay),
    ("east", Role::Relay),
    ("west", Role::Relay),
    ("north", Role::Mix { layer: 0 }),
    ("south", Role::Mix { layer: 0 }),
    ("south", Role::Mix { layer: 0 }),
    ("east", Role::Mix { layer: 1 }),
    ("east", Role::Mix { layer: 1 }),
    ("east", Role::Mix { layer: 1 }),
    ("east", Role::Mix { layer: 1 }),
    ("west", Role::Mix { layer: 2 }),
    ("west", Role::Mix { layer: 2 }),
    ("west", Role::Mix { layer: 2 }),
];

fn roster(layout: &[(&str, Role)]) -> Arc<Roster> {
    let names = ["north", "south", "east", "west"];
    let agency_key = |i: usize| SigningKey::from_seed(&[u8::try_from(200 + i).unwrap(); 32]);
    let agency =
        |(i, name): (usize, &&str)| Agency { name: (*name).into(), key: agency_key(i).public() };
    let agencies = names.iter().enumerate().map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let node = |(number, (operator, role)): (u32, &(&str, Role))| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: (*operator).into(),
        role: *role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: node_key(number).public(),
    };
    let nodes: Vec<_> = (1..).zip(layout).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render(
        "test",
        "2099-01-01",
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        &nodes,
    );
    let sign = |i: usize| Roster::sign(&text, &trust, names[i], &agency_key(i));
    let signatures: Vec<_> = (0..3).map(sign).collect();
    Arc::new(Roster::verify(&text, &signatures, &trust, 0).unwrap())
}

/// Makes a view of a small network in which all nodes are up but those in `down`.
fn view(down: &[u32]) -> View<Classic> {
    view_of(&SMALL, down)
}

fn view_of(layout: &[(&str, Role)], down: &[u32]) -> View<Classic> {
    let roster = roster(layout);
    let up = roster.nodes().map(|node| node.number.get()).filter(|number| !down.contains(number));
    let descriptor = |number: u32| {
        let key = HopSecretKey::<Classic>::generate(Generation::new(number), &mut rng());
        let descriptor = Descriptor {
            node: NodeNumber::new(number),
            generation: Generation::new(number),
            suite: Classic::ID,
            key: key.public().as_bytes().into(),
        };
        SignedDescriptor::sign(descriptor, &node_key(number))
    };
    let descriptors: Vec<_> = up.map(descriptor).collect();
    View::new(Arc::clone(&roster), 1, &descriptors)
}

/// Number of operators of a path's mixes.
fn operators(view: &View<Classic>, path: &Path) -> usize {
    let operator = |node: &NodeNumber| view.roster().node(*node).unwrap().operator.as_str();
    path.nodes()[..HOPS - 1].iter().map(operator).collect::<HashSet<_>>().len()
}

/// Tells whether rows and columns of counts are independent, by a chi-square test at p = 0.001 with
/// the approximation of Wilson and Hilferty.
fn independent<R: Ord, C: Ord>(counts: &BTreeMap<(R, C), u32>) -> Result<(), f64> {
    let (mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new());
    for ((row, column), count) in counts {
        *rows.entry(row).or_insert(0.0) += f64::from(*count);
        *columns.entry(column).or_insert(0.0) += f64::from(*count);
    }
    let total: f64 = rows.values().sum();
    let mut chi = 0.0;
    for (row, in_row) in &rows {
        for (column, in_column) in &columns {
            let expected: f64 = in_row * in_column / total;
            let cells = counts.iter().filter(|((r, c), _)| r == *row && c == *column);
            let count: f64 = cells.map(|(_, count)| f64::from(*count)).sum();
            chi += (count - expected).powi(2) / expected;
        }
    }
    let degrees = u32::try_from((rows.len() - 1) * (columns.len() - 1)).map(f64::from).unwrap();
    let spread = 2.0 / (9.0 * degrees);
    let deviations = ((chi / degrees).cbrt() - (1.0 - spread)) / spread.sqrt();
    if deviations < 3.09 { Ok(()) } else { Err(deviations) }
}

#[test]
fn a_path_takes_one_mix_per_layer_of_three_operators() {
    let (view, mut rng) = (view(&[]), rng());
    for _ in 0..200 {
        let path = Path::to_relay(&view, 0, NodeNumber::new(1), &mut rng).unwrap();
        let positions = |node: NodeNumber| view.roster().node(node).unwrap().role.position();
        let positions: Vec<_> = path.nodes().into_iter().map(positions).collect();
        assert_eq!(positions, [0, 1, 2, 3]);
        assert_eq!(operators(&view, &path), 3, "{path:?}");
        assert_eq!(path.delays()[3], Delay::ZERO);
    }
}

#[test]
fn every_mix_is_used_and_dead_ones_are_not() {
    let (view, mut rng) = (view_of(&WIDE, &[6, 8]), rng());
    let mut used = HashSet::new();
    for _ in 0..400 {
        used.extend(Path::to_relay(&view, 0, NodeNumber::new(2), &mut rng).unwrap().nodes());
    }
    let used: HashSet<_> = used.into_iter().map(NodeNumber::get).collect();
    assert_eq!(used, HashSet::from([2, 5, 7, 9, 10, 11, 12, 13, 14]));
}

#[test]
fn no_path_is_drawn_through_a_layer_that_is_down_or_to_a_relay_that_is() {
    let draw = |down| Path::to_relay(&view(down), 0, NodeNumber::new(1), &mut rng()).err();
    assert_eq!(draw(&[5, 6]), Some(NoPath::Short(Shortage::Mixes { layer: 2, up: 0, of: 2 })));
    assert_eq!(draw(&[1]), Some(NoPath::Node));
    assert_eq!(draw(&[2]), None);
}

/// A document that leaves more than half of a layer out, or of the relays, is nothing to build on.
#[test]
fn no_path_is_drawn_where_the_document_leaves_out_more_than_half() {
    let draw = |layout, down: &[u32]| {
        let view = view_of(layout, down);
        let path = Path::to_relay(&view, 0, NodeNumber::new(1), &mut rng());
        assert_eq!(path.as_ref().err().is_some(), view.shortage().is_some());
        path.err().map(|error| error.to_string())
    };
    let says = |words: &str| Some(format!("the document names {words}"));
    assert_eq!(draw(&SMALL[..], &[3, 5, 7]), None, "half of each layer is enough");
    assert_eq!(draw(&WIDE[..], &[2, 3, 4]), says("only 1 of 4 relays"));
    assert_eq!(draw(&WIDE[..], &[2, 3]), None);
    assert_eq!(draw(&WIDE[..], &[5, 6]), says("only 1 of 3 mixes of layer 1"));
    assert_eq!(draw(&WIDE[..], &[8, 9, 10]), says("only 1 of 4 mixes of layer 2"));
    assert_eq!(draw(&WIDE[..], &[8, 9]), None);
}

#[cfg(feature = "danger-weaken")]
#[test]
fn a_client_that_builds_on_any_document_takes_the_one_mix_that_it_names() {
    crate::weakness::danger_with(Some(Weakness::AnyDocumentWillDo), || {
        let view = view_of(&WIDE, &[5, 6, 8, 9, 10, 12, 13]);
        let path = Path::to_relay(&view, 0, NodeNumber::new(1), &mut rng()).unwrap();
        assert_eq!(
            path.nodes().into_iter().map(NodeNumber::get).collect::<Vec<_>>(),
            [7, 11, 14, 1]
        );
    });
}

/// Counts paths by their first mix, and by the two others.
fn first_and_others(layout: &[(&str, Role)]) -> BTreeMap<(NodeNumber, Vec<NodeNumber>), u32> {
    let (view, mut rng) = (view_of(layout, &[]), rng());
    let mut counts = BTreeMap::new();
    for at in 0..100_000_u32 {
        let path = Path::to_relay(&view, 0, NodeNumber::new(1 + at % 2), &mut rng).unwrap();
        let nodes = path.nodes();
        *counts.entry((nodes[0], nodes[1..3].to_vec())).or_insert(0) += 1;
    }
    counts
}

/// All combinations of mixes are equally likely, whatever relay the path ends at. So is each mix of
/// a layer whatever the mixes of other layers are.
#[test]
fn each_combination_of_mixes_is_drawn_equally_often() {
    let counts = first_and_others(&WIDE);
    assert_eq!(counts.len(), 3 * 4 * 3);
    independent(&counts).unwrap();
    let mut counts: BTreeMap<_, _> = counts.into_iter().map(|(at, n)| ((1, at), n)).collect();
    // A second row of equal counts, heavy enough to have no noise of its own.
    let even: Vec<_> = counts.keys().map(|(_, at)| ((2, at.clone()), 1 << 20)).collect();
    counts.extend(even);
    independent(&counts).unwrap();
}

/// Were an operator in all layers, and paths of three operators, the first mix would tell of the
/// others.
#[cfg(feature = "danger-weaken")]
#[test]
fn mixes_that_are_drawn_together_tell_of_each_other() {
    let operators = ["north", "south", "east", "west"];
    let role = |place: usize| if place == 0 { Role::Relay } else { Role::Mix { layer: place - 1 } };
    let nodes = (0..4).flat_map(|place| operators.map(|operator| (operator, role(place))));
    let layout: Vec<_> = nodes.collect();
    let laws = [Weakness::OperatorsInAllLayers, Weakness::MixesDrawnTogether];
    crate::weakness::danger_with(laws, || independent(&first_and_others(&layout)).unwrap_err());
}

/// Draws paths for all that a client draws one for, and gives what of them tells of an end: the
/// first mix, the last, or all three. The entry relay is one end, the client's own mailbox or a
/// contact's the other; the answer to a pull comes from the one to the other.
fn what_tells_of_an_end() -> Vec<String> {
    let view = view_of(&WIDE, &[]);
    let operator = |relay: NodeNumber| &view.roster().node(relay).unwrap().operator;
    let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
    let mut counts: BTreeMap<_, BTreeMap<_, u32>> = BTreeMap::new();
    for (seed, role) in (0..).zip(["pull", "SURB", "letter", "loop", "drop cover"]) {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        for _ in 0..100_000 {
            let mut any = || relays[below(relays.len(), &mut rng)];
            let [entry, own, other] = [any(), any(), any()];
            let mailbox = if operator(own) == operator(entry) { other } else { own };
            let last = match role {
                "SURB" => entry,
                "letter" | "drop cover" => other,
                _ => mailbox,
            };
            let path = Path::to_relay(&view, 0, last, &mut rng).unwrap();
            let mixes = &path.nodes()[..3];
            for (end, relay) in [("entry", entry), ("mailbox", mailbox), ("last relay", last)] {
                for (seen, mixes) in [("first", &mixes[..1]), ("last", &mixes[2..]), ("all", mixes)]
                {
                    let table = counts.entry((role, end, seen)).or_default();
                    *table.entry((relay, mixes.to_vec())).or_default() += 1;
                }
            }
        }
    }
    let telling = counts.iter().filter_map(|((role, end, seen), counts)| {
        let deviations = independent(counts).err()?;
        Some(format!("{role}: mixes ({seen}) tell the {end}, {deviations:.1} deviations"))
    });
    telling.collect()
}

#[test]
fn what_is_seen_of_a_path_is_independent_of_both_ends() {
    assert_eq!(what_tells_of_an_end(), Vec::<String>::new());
}

#[cfg(feature = "danger-weaken")]
#[test]
fn a_path_that_avoids_its_relay_tells_of_it() {
    let telling =
        crate::weakness::danger_with(Some(Weakness::PathsAvoidRelay), what_tells_of_an_end);
    for role in ["pull", "SURB", "letter", "loop", "drop cover"] {
        // The other layers have one operator each.
        for seen in ["first", "all"] {
            let told = format!("{role}: mixes ({seen}) tell the last relay");
            assert!(telling.iter().any(|line| line.starts_with(&told)), "{told}: {telling:?}");
        }
    }
}

#[test]
fn a_loop_ends_at_its_mix_and_a_mix_of_the_last_layer_starts_at_the_relay() {
    let (view, mut rng) = (view(&[]), rng());
    let path = Path::to_mix(&view, 1, NodeNumber::new(5), &mut rng).unwrap();
    assert_eq!(path.nodes().len(), 2);
    assert_eq!(path.nodes()[1], NodeNumber::new(5));
    let path = Path::to_relay(&view, 3, NodeNumber::new(2), &mut rng).unwrap();
    assert_eq!(path.nodes(), [NodeNumber::new(2)]);
    let hops = path.hops(&view, Route::deliver()).unwrap();
    assert!(hops.len() == 1 && hops[0].route == Route::deliver());
}

#[test]
fn routes_name_the_next_node_its_generation_and_the_drawn_delay() {
    let (view, mut rng) = (view(&[]), rng());
    let path = Path::to_relay(&view, 0, NodeNumber::new(2), &mut rng).unwrap();
    let hops = path.hops(&view, Route::deliver()).unwrap();
    for (hop, (next, delay)) in hops.iter().zip(path.nodes()[1..].iter().zip(path.delays())) {
        assert_eq!(hop.route.next, *next);
        assert_eq!(hop.route.next_generation, Generation::new(next.get()).short());
        assert_eq!(hop.route.delay, delay);
    }
    assert!(path.delays().iter().any(|delay| delay.duration() > Duration::ZERO));
}
