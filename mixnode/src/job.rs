//! The jobs that mixers and cover get; each of the threads only knows the other's queue.

use std::sync::Arc;

use rohrpost_packet::{Buffer, Suite};
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

/// A job of a mixer.
pub(crate) enum MixJob<S: Suite> {
    /// A frame off a link.
    Frame(Ingress, Buffer),
    /// A packet of the mix's own cover, to leave at the time drawn for it.
    Own(Time, OutgoingFrame<S>),
}

/// A job of the cover's thread.
pub(crate) enum CoverJob<S: Suite> {
    /// A newer view; none once what held is stale.
    View(Option<Arc<View<S>>>),
    /// Something that the mix's own client tells of a loop or a pull.
    Own(Event),
}
