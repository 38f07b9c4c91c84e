//! Flows: the datagrams from one end of a link to the other, and what each end is.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use rohrpost_localnet::capture::{Datagram, Manifest, ManifestNode, QuicHeader};
use rohrpost_measure::statistics::Sample;

/// A datagram as an observer sees it.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Time since the Unix epoch.
    pub(crate) at: Duration,
    pub(crate) len: u16,
    pub(crate) header: QuicHeader,
}

/// All datagrams from one address to another, in order of time; at least one.
pub(crate) struct Flow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Addresses of the sender and the receiver.
    pub(crate) ends: (SocketAddr, SocketAddr),
    pub(crate) kind: Kind,
    pub(crate) datagrams: Vec<Seen>,
}

/// Content of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// Cells of a client.
    Up,
    /// Cells for a client.
    Down,
    /// Packets to the next layer.
    Packets,
    /// Acknowledgements of packets, and control messages.
    Rest,
}

/// Datagrams of a length other than the usual.
pub(crate) struct Exception {
    pub(crate) len: u16,
    pub(crate) header: QuicHeader,
    pub(crate) count: usize,
    /// Time of the last one since the flow's first datagram.
    pub(crate) last: Duration,
}

/// Sorts the datagrams of a capture into flows; those of other programs are left out.
pub(crate) fn flows(
    datagrams: impl Iterator<Item = (Duration, Datagram)>,
    manifest: &Manifest,
) -> Vec<Flow> {
    let mut links: BTreeMap<(SocketAddr, SocketAddr), Vec<Seen>> = BTreeMap::new();
    for (at, datagram) in datagrams {
        let Datagram { from, to, len, header, .. } = datagram;
        links.entry((from, to)).or_default().push(Seen { at, len, header });
    }
    let nodes: HashMap<_, _> = manifest.nodes.iter().map(|node| (node.address, node)).collect();
    let clients = clients(&links, &nodes);
    let layers = manifest.nodes.iter().filter_map(|node| node.layer).max().unwrap_or(0);
    let flow = |((from, to), mut datagrams): ((SocketAddr, SocketAddr), Vec<Seen>)| {
        // Two processors stamp on their own; the order of the file is not always that of time.
        datagrams.sort_by_key(|seen| seen.at);
        let (sender, receiver) = (nodes.get(&from), nodes.get(&to));
        let kind = match (sender, receiver) {
            (None, None) => return None,
            (None, Some(_)) => Kind::Up,
            (Some(_), None) => Kind::Down,
            (Some(sender), Some(receiver)) if is_next(sender, receiver, layers) => Kind::Packets,
            _ => Kind::Rest,
        };
        let name =
            |address: SocketAddr, node: Option<&&ManifestNode>| match (node, clients.get(&address))
            {
                (Some(node), _) => node.name.clone(),
                (None, Some(number)) => format!("client-{number}"),
                (None, None) => address.to_string(),
            };
        let ends = (from, to);
        Some(Flow { from: name(from, sender), to: name(to, receiver), ends, kind, datagrams })
    };
    let mut flows: Vec<_> = links.into_iter().filter_map(flow).collect();
    flows.sort_by(|one, other| {
        (one.kind, &one.from, &one.to).cmp(&(other.kind, &other.from, &other.to))
    });
    flows
}

/// Numbers of the clients, by their first datagram.
fn clients(
    links: &BTreeMap<(SocketAddr, SocketAddr), Vec<Seen>>,
    nodes: &HashMap<SocketAddr, &ManifestNode>,
) -> HashMap<SocketAddr, usize> {
    let mut first: Vec<_> = links
        .iter()
        .filter(|((from, to), _)| !nodes.contains_key(from) && nodes.contains_key(to))
        .filter_map(|((from, _), seen)| Some((seen.iter().map(|seen| seen.at).min()?, *from)))
        .collect();
    first.sort_unstable();
    first.into_iter().zip(1..).map(|((_, address), number)| (address, number)).collect()
}

/// Tells whether packets go from one node to the other: relays stand before the first layer and
/// after the last.
fn is_next(from: &ManifestNode, to: &ManifestNode, layers: usize) -> bool {
    let next = from.layer.map_or(1, |layer| layer + 1);
    to.layer == if next > layers { None } else { Some(next) }
}

impl Flow {
    pub(crate) fn bytes(&self) -> u64 {
        self.datagrams.iter().map(|seen| u64::from(seen.len)).sum()
    }

    /// Tells whether an end is a client.
    pub(crate) const fn is_client(&self) -> bool {
        matches!(self.kind, Kind::Up | Kind::Down)
    }

    /// Datagrams that have not the usual length, by length and header.
    pub(crate) fn exceptions(&self) -> Vec<Exception> {
        let mut exceptions: BTreeMap<(u16, QuicHeader), (usize, Duration)> = BTreeMap::new();
        let start = self.datagrams.first().map_or(Duration::ZERO, |seen| seen.at);
        for seen in self.datagrams.iter().filter(|seen| seen.len != USUAL_LEN) {
            let (count, last) = exceptions.entry((seen.len, seen.header)).or_default();
            *count += 1;
            *last = seen.at.saturating_sub(start);
        }
        let exception = |((len, header), (count, last))| Exception { len, header, count, last };
        exceptions.into_iter().map(exception).collect()
    }

    /// Milliseconds between departures.
    pub(crate) fn gaps(&self) -> Sample {
        let gap = |pair: &[Seen]| pair[1].at.saturating_sub(pair[0].at).as_secs_f64() * 1e3;
        Sample::new(self.datagrams.windows(2).map(gap))
    }

    /// Datagrams by header.
    pub(crate) fn headers(&self) -> BTreeMap<&'static str, usize> {
        tally(self.datagrams.iter().map(|seen| seen.header.as_str()))
    }
}

/// Counts equal things.
pub(crate) fn tally<T: Ord>(things: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    things.for_each(|thing| *counts.entry(thing).or_default() += 1);
    counts
}

/// Length of every datagram but for the exceptions.
pub(crate) const USUAL_LEN: u16 = 1200;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn manifest() -> Manifest {
        let node = |name: &str, layer, port| ManifestNode {
            name: name.to_owned(),
            layer,
            address: address(port),
        };
        let nodes = vec![node("relay", None, 1), node("one", Some(1), 2), node("two", Some(2), 3)];
        Manifest { nodes, ..Manifest::new("classic", 250, 2568) }
    }

    fn datagram(millis: u64, from: u16, to: u16, len: u16) -> (Duration, Datagram) {
        let header = if len == 51 { QuicHeader::Initial } else { QuicHeader::Short };
        let (from, to) = (address(from), address(to));
        (Duration::from_millis(millis), Datagram { from, to, len, header })
    }

    #[test]
    fn flows_are_named_and_sorted_by_what_they_carry() {
        let datagrams = [(1, 2), (2, 3), (3, 1), (2, 1), (8, 1), (9, 1), (1, 9), (7, 8)];
        // The last one came first.
        let datagrams =
            (0..).zip(datagrams).map(|(i, (from, to))| datagram(100 - i, from, to, 1200));
        let flows = flows(datagrams, &manifest());
        let seen: Vec<_> =
            flows.iter().map(|flow| (flow.kind, &flow.from[..], &flow.to[..])).collect();
        let expected = [
            (Kind::Up, "client-1", "relay"),
            (Kind::Up, "client-2", "relay"),
            (Kind::Down, "relay", "client-1"),
            (Kind::Packets, "one", "two"),
            (Kind::Packets, "relay", "one"),
            (Kind::Packets, "two", "relay"),
            (Kind::Rest, "one", "relay"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn exceptions_and_gaps_are_those_of_the_flow() {
        let datagrams = [(10, 1200), (12, 51), (15, 1200), (11, 51), (40, 49)]
            .map(|(at, len)| datagram(at, 8, 1, len));
        let flow = flows(datagrams.into_iter(), &manifest()).remove(0);
        let exceptions: Vec<_> = flow
            .exceptions()
            .iter()
            .map(|it| (it.len, it.header, it.count, it.last.as_millis()))
            .collect();
        assert_eq!(exceptions, [(49, QuicHeader::Short, 1, 30), (51, QuicHeader::Initial, 2, 2)]);
        assert_eq!(flow.bytes(), 2400 + 102 + 49);
        assert_eq!((flow.gaps().len(), flow.gaps().median(), flow.gaps().max()), (4, 1.0, 25.0));
    }
}
