//! Clients: links to the entry relay, slots, cells.
//!
//! As in `crates/session`: a client links to its relay, counts slots by the first cell,
//! keeps the grid while cells come, and goes on with a new session after a pause when they do not.

use std::time::Duration;

use rohrpost_packet::{Buffer, NodeNumber, Suite};
use rohrpost_proto::courier::{Departure, Event};
use rohrpost_proto::directory::carousel::object::Object;
use rohrpost_proto::directory::follower::News;
use rohrpost_proto::directory::views::Turn;
use rohrpost_proto::frame::{DownCell, UpCell};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::time::agreement::Witness;

use super::schedule::Happening;
use super::state::World;
use crate::client::Link;
use crate::link::Address;
use crate::node::{Duty, Node};
use crate::observer::Kind;

impl<S: Suite> World<S> {
    /// Links a client to its relay. If the relay is down or cut off, the client finds out at its
    /// deadline.
    pub(super) fn join(&mut self, index: usize) {
        if self.clients[index].stopped > self.now {
            return self.schedule.add(self.clients[index].stopped, Happening::Join(index));
        }
        let entry = self.clients[index].entry;
        let number = self.give_number();
        let cut = self.is_cut(Address::Client(index), Address::Node(entry));
        let joined = match self.nodes.get_mut(&entry) {
            Some(Node { duty: Duty::Relay(relay), rng, .. }) if !cut => {
                relay.join(index, number, rng).is_ok()
            }
            _ => false,
        };
        let client = &mut self.clients[index];
        if joined {
            client.link = Some(Link { number, heard: self.now, greeted: false });
            self.schedule.add(self.now + DEADLINE, Happening::FirstCell(index, number));
        } else {
            let again = self.now + DEADLINE + client.pause();
            self.schedule.add(again, Happening::Join(index));
        }
    }

    pub(super) fn expect_first_cell(&mut self, index: usize, number: u64) {
        if self.clients[index].link.is_some_and(|link| link.number == number && !link.greeted) {
            self.lose_link(index);
        }
    }

    pub(super) fn client_slot(&mut self, index: usize, number: u64) {
        let Some(link) = self.clients[index].link.filter(|link| link.number == number) else {
            return;
        };
        if self.now.since(link.heard) > DEADLINE {
            self.lose_link(index);
            return;
        }
        let (build, client) = (self.setup.build, &mut self.clients[index]);
        let Some(courier) = &mut client.courier else {
            return;
        };
        if client.busy > self.now {
            self.schedule.add(client.busy, Happening::Slot(index, number));
            return;
        }
        let local = client.skew.steady(self.now);
        // What was built ahead was charged when it was built.
        courier.take_work();
        let departure = courier.handle_timeout(local);
        let leaves = self.now + build.of(courier.take_work());
        // The next cell goes by what holds when it leaves.
        let at = courier.document_time(courier.poll_timeout());
        if !client.witness.is_borne_out() {
            let (told, machine) = (courier.document_time(local), client.machine.read(self.now));
            client.refused = client.witness.greet(local, told, machine).err();
        }
        if client.witness.is_borne_out() {
            match client.views.turn(at) {
                Turn::View(view) => courier.handle_view(local, view),
                Turn::Stale => courier.withdraw_view(),
                Turn::Renewed | Turn::Same => {}
            }
        }
        courier.prepare(local);
        client.busy = leaves + build.of(courier.take_work());
        let next = client.skew.when(courier.poll_timeout().reading());
        self.schedule.add(next, Happening::Slot(index, number));
        match departure {
            Some(Departure::Cell(bytes)) if leaves > self.now => {
                self.schedule.add(leaves, Happening::Departure(index, number, bytes));
            }
            Some(Departure::Cell(bytes)) => self.cell_leaves(index, number, bytes),
            Some(Departure::Packet { .. }) | None => {}
        }
        self.handle_events(index);
    }

    pub(super) fn cell_leaves(&mut self, index: usize, number: u64, bytes: Buffer) {
        let entry = self.clients[index].entry;
        // QUIC delivers a stream's beginning or nothing: without the first cell the relay would
        // not know the session. Carried again, it comes a little later.
        let again = UpCell::<S>::is_hello(&bytes).then_some(RESEND);
        let ends = (Address::Client(index), Address::Node(entry));
        if let Some(delay) = self.leave(ends, &bytes, Kind::Cell).or(again) {
            self.schedule.add(self.now + delay, Happening::Up(entry, number, bytes));
        }
    }

    pub(super) fn cell_arrives(&mut self, relay: NodeNumber, link: u64, bytes: Buffer) {
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        // A link to a former incarnation of the relay: QUIC does not know it any more.
        let Some(handle) = duty.links.get(&link).copied() else {
            return;
        };
        let taken = UpCell::decode(bytes)
            .map_err(|_| Refusal::Frame)
            .and_then(|cell| duty.entry.handle_cell(handle, cell));
        if let Err(refusal) = taken {
            node.count(refusal);
        }
    }

    pub(super) fn client_hears(&mut self, index: usize, number: u64, bytes: &[u8]) {
        let client = &mut self.clients[index];
        let Some(link) = client.link.as_mut().filter(|link| link.number == number) else {
            return;
        };
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return;
        };
        link.heard = self.now;
        if !std::mem::replace(&mut link.greeted, true) {
            client.greet(self.now, cell.time, &self.founding);
            if let Some(courier) = &client.courier {
                let first = client.skew.when(courier.poll_timeout().reading()).max(self.now);
                self.schedule.add(first, Happening::Slot(index, number));
            }
        }
        let local = client.skew.steady(self.now);
        if let (Some((id, payload)), Some(courier)) = (cell.reply, &mut client.courier) {
            courier.handle_reply(local, id, payload);
        }
        if let Some(Ok(Some(object))) = cell.chunk.map(|chunk| client.receiver.take(chunk)) {
            self.take_object(index, object);
        }
        self.handle_events(index);
    }

    /// Takes an object of the directory over, unless the relay's clock agrees neither with what it
    /// attests nor with the machine's.
    fn take_object(&mut self, index: usize, object: Object) {
        let client = &mut self.clients[index];
        let Some(courier) = &mut client.courier else { return };
        let (own, machine) = (client.skew.steady(self.now), client.machine.read(self.now));
        let told = courier.document_time(own);
        let borne_out = client.witness.is_borne_out();
        let follower = client.views.follower();
        let attested = if borne_out { None } else { follower.attests(&object) };
        // What is refused counts as not said.
        let news = client.views.take(told, object).unwrap_or(News::None);
        if news == News::None && (borne_out || attested.is_none()) {
            return;
        }
        let attested = attested.or_else(|| client.views.follower().attested());
        match client.witness.handle_document(own, told, machine, attested) {
            Ok(_) => {
                let lag = Witness::lag(own, told, machine);
                client.skew = client.skew.forward(lag);
                courier.go_forward(lag);
                client.refused = None;
            }
            Err(refused) => {
                client.refused = Some(refused);
                self.lose_link(index);
            }
        }
    }

    /// Gives a link up at both ends; the client tries again after a pause.
    pub(super) fn lose_link(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(link) = client.link.take() else {
            return;
        };
        let (entry, again) = (client.entry, self.now + client.pause());
        if let Some(Node { duty: Duty::Relay(relay), .. }) = self.nodes.get_mut(&entry) {
            relay.leave(link.number);
        }
        self.schedule.add(again, Happening::Join(index));
    }

    fn handle_events(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let now = client.skew.steady(self.now);
        let mut told = Vec::new();
        while let Some(courier) = &mut client.courier
            && let Some(event) = courier.poll_event()
        {
            client.shelf.handle_event(&event);
            if let (Some(receipt), true) = (event.receipt(), self.setup.acknowledges) {
                courier.commit(now, receipt);
            }
            if let Event::Wanted { message, offset, len } = event
                && let Some(piece) = client.shelf.piece(message, offset, len)
            {
                courier.supply(message, offset, piece.into());
            }
            told.push(event);
        }
        told.into_iter().for_each(|event| self.tell(index, event));
    }
}

/// Additional time on the way for a first cell that was lost and is carried again.
const RESEND: Duration = Duration::from_millis(100);
/// Deadline of a link: without a cell for so long it is lost, as is an attempt to make one. The
/// idle limit of `transport` and the session's deadline for its first cell are as long.
const DEADLINE: Duration = Duration::from_secs(10);
