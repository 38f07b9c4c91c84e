//! A relay: entry for clients, mailboxes in memory, and the directory's duty of gathering keys.

mod answers;
mod directory;
mod opener;
mod session;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rohrpost_node::{
    Handle, Inflow, Inspect, Metrics, Node, NodeError, Prepared, Tasks, prepare, spawn,
};
use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};
use rohrpost_proto::control::MAX_CONTROL_LEN;
use rohrpost_proto::entry::Entry;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::roster::SuiteName;
use rohrpost_transport::{Accepted, FrameReceiver, ServedLink, exchange};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use answers::Answers;
use directory::Gatherer;
use opener::{Opener, Sealed};
use session::{SessionCounts, Sessions};

/// Runs the relay that a configuration describes, until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start; the error says what to do.
pub fn run(configuration: &Path) -> Result<(), NodeError> {
    let prepared = prepare(configuration, true)?;
    let log = rohrpost_node::Log::new(prepared.node.name.clone());
    match prepared.roster.suite {
        SuiteName::Hybrid => rohrpost_node::supervise(&log, || start::<Hybrid>(prepared)),
        SuiteName::Classic => rohrpost_node::supervise(&log, || start::<Classic>(prepared)),
    }
}

/// What the threads and tasks of a relay share.
struct Shared<S: Suite> {
    entry: Mutex<Entry<S>>,
    mailboxes: Mailboxes<S>,
    counts: SessionCounts,
    inflow: Inflow,
    metrics: Arc<Metrics>,
}

async fn start<S: Suite>(prepared: Prepared) -> Result<Tasks, NodeError> {
    let mut tasks = JoinSet::new();
    let mut node = Node::<S>::start(prepared, &mut tasks).await?;
    let (roster, limits) = (&node.prepared.roster, node.prepared.config.limits);
    let shared = Arc::new(Shared {
        entry: Mutex::new(Entry::new(roster.traffic.slot, limits.sessions)),
        mailboxes: Mailboxes::new(MailboxLimits {
            mailboxes: limits.mailboxes,
            envelopes: limits.envelopes,
        }),
        counts: SessionCounts::default(),
        inflow: Inflow::new(roster.predecessors(node.prepared.node.role)),
        metrics: Arc::clone(&node.metrics),
    });
    let openers = (0..limits.workers)
        .map(|_| {
            let opener = Opener::new(&node, Arc::clone(&shared));
            spawn("opener", node.clock, limits.queue_packets, opener, &mut tasks)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sessions = Sessions::new(&node, Arc::clone(&shared));
    let sessions = spawn("sessions", node.clock, session::JOINING, sessions, &mut tasks)?;
    let answers = Answers::new(&node, Arc::clone(&shared));
    let answers = spawn("answers", node.clock, 1, answers, &mut tasks)?;
    let _ = node.inspect.set(inspection(&node, &shared));
    node.serve(&mut tasks);
    tasks.spawn(drive(node, shared, openers, sessions, answers));
    Ok(tasks)
}

/// Takes links, descriptors and the directory's time, as long as the node runs.
async fn drive<S: Suite>(
    mut node: Node<S>,
    shared: Arc<Shared<S>>,
    openers: Vec<Handle<Sealed>>,
    sessions: Handle<Box<ServedLink>>,
    _answers: Handle<()>,
) -> &'static str {
    let (documents, newest) = watch::channel(None);
    let mut gatherer = Gatherer::new(&node, documents);
    let mut links = JoinSet::new();
    let endpoint = Arc::clone(&node.endpoint);
    loop {
        tokio::select! {
            accepted = endpoint.accept() => match accepted {
                Some(Accepted::Packet { from, frames }) => {
                    let prepared = &node.prepared;
                    let ingress = prepared.roster.ingress(prepared.node.role, from);
                    let Some(ingress) = ingress else { continue };
                    let shared = Arc::clone(&shared);
                    links.spawn(read(from, ingress, frames, openers.clone(), shared));
                }
                Some(Accepted::Control { from, link }) => {
                    let (newest, incoming) = (newest.clone(), node.incoming_sender.clone());
                    links.spawn(async move {
                        let _ = exchange(link, from, newest, incoming, MAX_CONTROL_LEN).await;
                    });
                }
                Some(Accepted::Client(link)) => {
                    if sessions.try_send(link).is_err() {
                        shared.metrics.drop_packet(Refusal::Overload);
                    }
                }
                None => return "endpoint",
            },
            message = node.incoming.recv() => {
                let Some((from, message)) = message else { return "control links" };
                gatherer.hear(node.clock.now(), from, &message);
            }
            () = tokio::time::sleep(node.clock.until(gatherer.due())) => {
                let own = node.descriptor.borrow().clone();
                if let Some((number, bytes)) = gatherer.publish(node.clock.now(), own.as_deref()) {
                    shared.entry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
                        .set_document(number, &bytes);
                }
            }
            Some(ended) = links.join_next() => if ended.is_err() { return "link" },
        }
    }
}

/// Hands the frames of one link to the workers in turn.
async fn read<S: Suite>(
    from: NodeNumber,
    ingress: Ingress,
    mut frames: FrameReceiver,
    openers: Vec<Handle<Sealed>>,
    shared: Arc<Shared<S>>,
) {
    let mut turn = openers.iter().cycle();
    while let Ok(frame) = frames.recv().await {
        shared.metrics.received.increment(1);
        shared.inflow.count(from);
        let job = frame.map(|frame| Sealed { from: ingress, frame });
        let taken = job.zip(turn.next()).is_some_and(|(job, opener)| opener.try_send(job).is_ok());
        if !taken {
            shared.metrics.drop_packet(Refusal::Overload);
        }
    }
}

/// What this relay can see: packets by neighbour, numbers of sessions and cells, and pseudonyms of
/// mailboxes with their counts. Nothing joins a session to a mailbox, for the relay cannot.
fn inspection<S: Suite>(node: &Node<S>, shared: &Arc<Shared<S>>) -> Inspect {
    let (shared, outboxes) = (Arc::clone(shared), Arc::clone(&node.outboxes));
    Arc::new(move || {
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
            "from": shared.inflow.by_link(),
            "to": outboxes.counts(),
            "sessions": shared.counts.sessions.load(Ordering::Relaxed),
            "cells_up": shared.counts.cells_up.load(Ordering::Relaxed),
            "cells_down": shared.counts.cells_down.load(Ordering::Relaxed),
            "mailboxes": mailboxes.collect::<Vec<_>>(),
        })
    })
}
