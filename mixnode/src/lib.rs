//! A mix node: unwraps, delays, forwards, and keeps its own cover.

mod cover;
mod documents;
mod job;
mod limits;
mod metrics;
mod mixer;
mod own_client;
mod stages;

use std::path::Path;
use std::sync::Arc;

use rohrpost_node::{Admission, Duty, Intake, Node, NodeError, Prepared, Program, Tasks, spawn};
use rohrpost_packet::{HOPS, Suite};
use rohrpost_proto::mix::inflow::FreshInflow;
use serde_json::{Value, json};

use cover::Cover;
use documents::Documents;
use job::MixJob;
pub use limits::MixLimits;
use mixer::Mixer;
use own_client::OwnClient;
use stages::StageTotals;

/// Runs the mix that a configuration describes, until SIGTERM or SIGINT.
///
/// # Errors
/// The mix cannot start; the error says what to do.
pub fn run(configuration: &Path) -> Result<(), NodeError> {
    rohrpost_node::run::<Mixnode>(configuration)
}

struct Mixnode;

impl Program for Mixnode {
    const DUTY: Duty = Duty::Mix;

    async fn start<S: Suite>(prepared: Prepared) -> Result<Tasks, NodeError> {
        let mut tasks = Tasks::new();
        let own = MixLimits::from(prepared.config.role_limits);
        let workers = prepared.config.limits.workers;
        let links = prepared.roster.predecessors(prepared.node.role).count();
        let share = own.share::<S>(workers, links);
        let mut node = Node::<S>::start(prepared, share, &mut tasks).await?;
        // The header layer that a mix opens is its layer in the network.
        let layer = node.prepared.node.role.position();
        debug_assert!(layer + 1 < HOPS, "prepare refuses a relay");
        let limits = node.prepared.config.limits;
        let stages = Arc::new(StageTotals::default());
        let inflow = Arc::new(FreshInflow::new(links));
        let mixers = (0..limits.workers)
            .map(|_| {
                let pool = own.pool_of_worker(limits.workers);
                let (inflow, stages) = (Arc::clone(&inflow), Arc::clone(&stages));
                let mixer = Mixer::new(&node, layer, pool, inflow, stages);
                spawn("mixer", node.clock, limits.queue_packets, mixer, &mut tasks)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let cover = Cover::new(&node, layer, mixers.clone(), inflow);
        let cover = spawn("cover", node.clock, cover::BOUND, cover, &mut tasks)?;
        node.serve(inspection(&node, stages), &mut tasks);
        let intake = Intake::new(&node, mixers, MixJob::Frame, Admission::Packets);
        tasks.spawn(intake.run());
        tasks.spawn(OwnClient::new(&node, cover.clone()).run());
        tasks.spawn(Documents::new(node, cover).run());
        Ok(tasks)
    }
}

/// All that this mix can see: packets by neighbour, and where its own time goes. It knows of no
/// client and no mailbox.
fn inspection<S: Suite>(
    node: &Node<S>,
    stages: Arc<StageTotals>,
) -> impl Fn() -> Value + Send + Sync + 'static {
    let (inflow, outboxes) = (Arc::clone(&node.inflow), Arc::clone(&node.outboxes));
    move || {
        json!({
            "role": "mix",
            "from": inflow.by_link(),
            "to": outboxes.counts(),
            "stages": stages.report(),
        })
    }
}
