//! `rohrpost-ops localnet`: a network started, a first message sent, and what was seen of it shown.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use crate::interrupt::Interrupt;
use indicatif::ProgressBar;
use rohrpost_measure::output::{say, tell};
use rohrpost_measure::progress::bar;

use crate::capture::Sniffer;
use crate::child::NodeOutput;
use crate::error::LocalnetError;
use crate::node::runtime;
use crate::observer::Observer;
use crate::options::Options;
use crate::plan::PlanOptions;
use crate::running::{LocalNetwork, NetworkDirectory};
use crate::{message, report};

/// Runs the local network until it is done, fails, or is interrupted. Nothing is left behind.
///
/// # Errors
/// The network or its first message failed, the capture could not be made, or Ctrl-C came early.
pub fn run(options: &Options) -> Result<(), LocalnetError> {
    let message = read_message(options)?;
    let directory = match &options.dir {
        Some(directory) => NetworkDirectory::at(directory.clone())?,
        None => NetworkDirectory::temporary("localnet")?,
    };
    let runtime = runtime().map_err(LocalnetError::System)?;
    let result = runtime.block_on(start(options, directory, message));
    // A capture that is left alone ends with the process.
    runtime.shutdown_background();
    result
}

async fn start(
    options: &Options,
    directory: NetworkDirectory,
    message: Vec<u8>,
) -> Result<(), LocalnetError> {
    let mut interrupt = Interrupt::listen().map_err(LocalnetError::System)?;
    let sniffer = options.capture.as_deref().map(Sniffer::open).transpose()?;
    let plan = PlanOptions {
        port: options.port,
        segmentation: options.segmentation(),
        traffic: options.traffic(),
        document_slot: options.document_slot.map(Duration::from_millis),
        epoch: options.epoch,
        ..PlanOptions::new(options.suite.name())
    };
    let (mut local, observer) =
        LocalNetwork::start_after(directory, &plan, NodeOutput::of(options.verbose), |network| {
            sniffer.map(|sniffer| Ok(Observer::start(sniffer, network)?)).transpose()
        })?;
    let result = tokio::select! {
        result = live(options, &mut local, message, observer.as_ref()) => result,
        () = interrupt.asked() => Err(LocalnetError::Interrupted),
    };
    tokio::select! {
        closed = close(local, observer) => closed?,
        () = interrupt.asked_again() => return Err(LocalnetError::Interrupted),
    }
    match result {
        // Ctrl-C is the way to end a network that stays up.
        Err(LocalnetError::Interrupted) if !options.once && options.lifetime.is_none() => Ok(()),
        result => result,
    }
}

/// Stops the nodes and ends the capture. What is not done yet when this is dropped stays undone,
/// but that no node outlives it.
async fn close(local: LocalNetwork, mut observer: Option<Observer>) -> Result<(), LocalnetError> {
    if let Some(observer) = &mut observer {
        observer.note_links(local.plan()).await;
    }
    local.stop().await;
    let Some(observer) = observer else { return Ok(()) };
    let finished = tokio::task::spawn_blocking(|| observer.finish()).await;
    finished.unwrap_or_else(|error| Err(LocalnetError::System(error.into())))
}

async fn live(
    options: &Options,
    local: &mut LocalNetwork,
    message: Vec<u8>,
    observer: Option<&Observer>,
) -> Result<(), LocalnetError> {
    let bar = progress(options, count(local.plan().nodes.len()));
    bar.set_message("nodes ready");
    local.until_ready(|ready| bar.set_position(count(ready))).await?;
    bar.set_message("first message on its way");
    let (network, children) = local.parts();
    let delivery = tokio::select! {
        delivery = message::deliver(network, message, options.segmentation()) => delivery?,
        death = children.next_death() => return Err(death.into()),
    };
    bar.finish_and_clear();
    if let Some(path) = &options.received {
        std::fs::write(path, &delivery.received)
            .map_err(|source| LocalnetError::File { path: path.clone(), source })?;
    }
    let parties = report::gather(local.plan()).await;
    if options.json {
        say(&report::json(local.network(), local.plan(), &delivery, &parties).to_string());
    } else {
        report::print(local.network(), local.plan(), &delivery, &parties);
    }
    if let Some(lifetime) = options.lifetime {
        let clients = [("alice", delivery.alice), ("bob", delivery.bob)];
        observer.iter().for_each(|observer| observer.messages_begin(clients));
        let note = |client, slot| {
            observer.iter().for_each(|observer| observer.note_letter(client, slot));
        };
        return tokio::select! {
            () = message::keep_online(delivery, lifetime, note) => Ok(()),
            error = local.next_death() => Err(error),
        };
    }
    drop(delivery.clients);
    if options.once {
        return Ok(());
    }
    stay(local).await
}

/// Stays up until Ctrl-C; a child that dies is reported, and the network goes on without it.
async fn stay(local: &mut LocalNetwork) -> Result<(), LocalnetError> {
    report::print_invitation(local.directory());
    local.show_lines();
    loop {
        let death = local.next_death().await;
        tell(&death.to_string());
    }
}

fn read_message(options: &Options) -> Result<Vec<u8>, LocalnetError> {
    let Some(path) = &options.message else {
        return Ok(FIRST_MESSAGE.as_bytes().to_vec());
    };
    let limit = options.suite.fragment_limit();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        let len = file.metadata()?.len();
        file.take(most).read_to_end(&mut bytes).map(|_| len)
    });
    let len = read.map_err(|source| LocalnetError::File { path: path.clone(), source })?;
    if bytes.len() > limit {
        // What is no file has no length of its own.
        let len = usize::try_from(len).unwrap_or(usize::MAX).max(bytes.len());
        let path = path.clone();
        return Err(LocalnetError::TooLong {
            path,
            len,
            limit,
            suite: options.suite.name().as_str(),
        });
    }
    Ok(bytes)
}

fn progress(options: &Options, nodes: u64) -> ProgressBar {
    let bar = bar(options.json, nodes, "{spinner} {pos}/{len} {msg} ({elapsed})");
    if bar.is_hidden() && !options.json {
        tell(&format!("starting {nodes} nodes and two clients; this takes about 20 s"));
    }
    bar
}

fn count(nodes: usize) -> u64 {
    u64::try_from(nodes).unwrap_or(u64::MAX)
}

const FIRST_MESSAGE: &str = "Dear bob, this came through the tube. alice";
