//! A relay: entry for clients, mailboxes in memory, and the directory's duty of gathering keys.

mod answers;
mod directory;
mod limits;
mod metrics;
mod opener;
mod session;
mod state;
mod ticks;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rohrpost_node::{Admission, Duty, Intake, Node, NodeError, Prepared, Program, Tasks, spawn};
use rohrpost_packet::Suite;
use rohrpost_proto::directory::board::Board;
use serde_json::{Value, json};
use tokio::sync::watch;

use answers::Answers;
use directory::Directory;
pub use limits::RelayLimits;
use opener::{Opener, Sealed};
use session::{JOINING, Sessions};
use state::Shared;

/// Runs the relay that a configuration describes, until SIGTERM or SIGINT.
///
/// # Errors
/// The relay cannot start; the error says what to do.
pub fn run(configuration: &Path) -> Result<(), NodeError> {
    rohrpost_node::run::<Relay>(configuration)
}

struct Relay;

impl Program for Relay {
    const DUTY: Duty = Duty::Relay;

    async fn start<S: Suite>(prepared: Prepared) -> Result<Tasks, NodeError> {
        let mut tasks = Tasks::new();
        let own = RelayLimits::from(prepared.config.role_limits);
        let mut node = Node::<S>::start(prepared, own.share::<S>(), &mut tasks).await?;
        let limits = node.prepared.config.limits;
        let shared = Arc::new(Shared::new(&node, own));
        let openers = (0..limits.workers)
            .map(|_| {
                let opener = Opener::new(&node, Arc::clone(&shared));
                spawn("opener", node.clock, limits.queue_packets, opener, &mut tasks)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let sessions = Sessions::new(&node, Arc::clone(&shared));
        let sessions = spawn("sessions", node.clock, JOINING, sessions, &mut tasks)?;
        let answers = Answers::new(&node, Arc::clone(&shared));
        let answers = spawn("answers", node.clock, 1, answers, &mut tasks)?;
        node.serve(inspection(&node, &shared), &mut tasks);
        let (sender, board) = watch::channel(Board::default());
        let admission = Admission::All { board, clients: sessions };
        let intake = Intake::new(&node, openers, |from, frame| Sealed { from, frame }, admission);
        tasks.spawn(intake.run());
        tasks.spawn(Directory::new(node, sender, shared, answers).run());
        Ok(tasks)
    }
}

/// All that this relay can see: packets by neighbour, numbers of sessions and cells, and pseudonyms
/// of mailboxes with their counts. Nothing joins a session to a mailbox, for the relay cannot.
fn inspection<S: Suite>(
    node: &Node<S>,
    shared: &Arc<Shared<S>>,
) -> impl Fn() -> Value + Send + Sync + 'static {
    let (shared, outboxes) = (Arc::clone(shared), Arc::clone(&node.outboxes));
    let inflow = Arc::clone(&node.inflow);
    move || {
        let mailboxes = shared.mailboxes.counts().into_iter().map(|mailbox| {
            json!({
                "pseudonym": mailbox.pseudonym,
                "pulls": mailbox.pulls,
                "answers": mailbox.answers,
                "stored": mailbox.stored,
                "held": mailbox.held,
            })
        });
        json!({
            "role": "relay",
            "from": inflow.by_link(),
            "to": outboxes.counts(),
            "sessions": shared.counts.sessions.load(Ordering::Relaxed),
            "cells_up": shared.counts.cells_up.load(Ordering::Relaxed),
            "cells_down": shared.counts.cells_down.load(Ordering::Relaxed),
            "mailboxes": mailboxes.collect::<Vec<_>>(),
        })
    }
}
