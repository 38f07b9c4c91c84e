//! A mix node: unwraps, delays, forwards, and keeps its own cover.

mod cover;
mod job;
mod mixer;
mod stages;

use std::path::Path;
use std::sync::Arc;

use rohrpost_node::{
    Handle, Inflow, Inspect, Node, NodeError, Prepared, Tasks, prepare, queue, serve, spawn,
};
use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};
use rohrpost_proto::control::ControlMessage;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::roster::{Role, SuiteName};
use rohrpost_transport::{Accepted, FrameReceiver};
use serde_json::json;
use tokio::task::JoinSet;

use cover::Cover;
use job::{CoverJob, MixJob};
use mixer::Mixer;
use stages::StageTotals;

/// Runs the mix that a configuration describes, until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start; the error says what to do.
pub fn run(configuration: &Path) -> Result<(), NodeError> {
    let prepared = prepare(configuration, false)?;
    let log = rohrpost_node::Log::new(prepared.node.name.clone());
    match prepared.roster.suite {
        SuiteName::Hybrid => rohrpost_node::supervise(&log, || start::<Hybrid>(prepared)),
        SuiteName::Classic => rohrpost_node::supervise(&log, || start::<Classic>(prepared)),
    }
}

async fn start<S: Suite>(prepared: Prepared) -> Result<Tasks, NodeError> {
    let mut tasks = JoinSet::new();
    let mut node = Node::<S>::start(prepared, &mut tasks).await?;
    let Role::Mix { layer } = node.prepared.node.role else {
        return Err(NodeError::TaskEnded("mix"));
    };
    let (roster, limits) = (&node.prepared.roster, node.prepared.config.limits);
    let inflow = Arc::new(Inflow::new(roster.predecessors(node.prepared.node.role)));
    // The cover needs the mixers and they the cover; the cover's queue is made first.
    let (cover, cover_jobs) = queue(cover::BOUND);
    let stages = Arc::new(StageTotals::default());
    let mixers = (0..limits.workers)
        .map(|_| {
            let pool = limits.pool_packets.div_ceil(limits.workers);
            let mixer = Mixer::new(&node, layer, pool, cover.clone(), Arc::clone(&stages));
            spawn("mixer", node.clock, limits.queue_packets, mixer, &mut tasks)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let keeper = Cover::new(&node, layer, mixers.clone(), Arc::clone(&inflow));
    serve("cover", node.clock, cover_jobs, keeper, &mut tasks)?;
    let _ = node.inspect.set(inspection(&node, &inflow, stages));
    node.serve(&mut tasks);
    tasks.spawn(drive(node, mixers, cover, inflow));
    Ok(tasks)
}

/// Takes links and documents, as long as the node runs.
async fn drive<S: Suite>(
    mut node: Node<S>,
    mixers: Vec<Handle<MixJob<S>>>,
    cover: Handle<CoverJob<S>>,
    inflow: Arc<Inflow>,
) -> &'static str {
    let mut follower = node.follower();
    let mut readers = JoinSet::new();
    let endpoint = Arc::clone(&node.endpoint);
    loop {
        tokio::select! {
            accepted = endpoint.accept() => match accepted {
                Some(Accepted::Packet { from, frames }) => {
                    let prepared = &node.prepared;
                    let ingress = prepared.roster.ingress(prepared.node.role, from);
                    let Some(ingress) = ingress else { continue };
                    let (metrics, inflow) = (Arc::clone(&node.metrics), Arc::clone(&inflow));
                    let reader = Reader { from, ingress, mixers: mixers.clone(), metrics, inflow };
                    readers.spawn(reader.run(frames));
                }
                Some(_) => {}
                None => return "endpoint",
            },
            message = node.incoming.recv() => {
                let Some((from, message)) = message else { return "control links" };
                let document = match ControlMessage::decode(&message) {
                    Ok(ControlMessage::Document(signed)) => {
                        signed.verify(&node.prepared.roster, from).ok()
                    }
                    _ => None,
                };
                if document.is_some_and(|document| follower.adopt(&document)) {
                    let view = node.view.borrow().clone();
                    if let Some(view) = view {
                        let _ = cover.try_send(CoverJob::View(view));
                    }
                }
            }
            Some(ended) = readers.join_next() => if ended.is_err() { return "packet link" },
        }
    }
}

/// Hands the frames of one link to the mixers in turn.
struct Reader<S: Suite> {
    from: NodeNumber,
    ingress: Ingress,
    mixers: Vec<Handle<MixJob<S>>>,
    metrics: Arc<rohrpost_node::Metrics>,
    inflow: Arc<Inflow>,
}

impl<S: Suite> Reader<S> {
    async fn run(self, mut frames: FrameReceiver) {
        let mut turn = self.mixers.iter().cycle();
        while let Ok(frame) = frames.recv().await {
            self.metrics.received.increment(1);
            self.inflow.count(self.from);
            let job = frame.map(|frame| MixJob::Frame(self.ingress, frame));
            let taken =
                job.zip(turn.next()).is_some_and(|(job, mixer)| mixer.try_send(job).is_ok());
            if !taken {
                self.metrics.drop_packet(Refusal::Overload);
            }
        }
    }
}

/// What this mix can see: packets by neighbour, and where its own time goes. It knows of no client
/// and no mailbox.
fn inspection<S: Suite>(node: &Node<S>, inflow: &Arc<Inflow>, stages: Arc<StageTotals>) -> Inspect {
    let (inflow, outboxes) = (Arc::clone(inflow), Arc::clone(&node.outboxes));
    Arc::new(move || {
        json!({
            "role": "mix",
            "from": inflow.by_link(),
            "to": outboxes.counts(),
            "stages": stages.report(),
        })
    })
}
