//! The nodes as child processes: started, watched, and ended with their parent whatever happens.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rohrpost_measure::output::tell;
use rohrpost_proto::directory::roster::Role;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::LocalnetError;
use crate::plan::{NodePlan, Plan};

/// All children.
pub(crate) struct Children {
    /// Processes by name; those that have ended are not there.
    running: Vec<(String, Pid)>,
    deaths: mpsc::Receiver<Death>,
    shown: Arc<AtomicBool>,
    /// Each waits for one child, and kills it when dropped.
    watchers: JoinSet<()>,
}

/// Handling of the lines that nodes write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeOutput {
    /// Lines go to standard error as they come.
    Show,
    /// The last lines of a node are told if it ends.
    Hide,
}

impl NodeOutput {
    /// Choice of a command line's `--verbose`.
    #[must_use]
    pub const fn of(verbose: bool) -> Self {
        if verbose { Self::Show } else { Self::Hide }
    }
}

/// A child has ended.
pub(crate) struct Death {
    pid: Option<Pid>,
    name: String,
    again: String,
    status: Option<ExitStatus>,
    last_words: Vec<String>,
}

/// Asks the system to end this process with its parent. For children; failing that, they end when
/// `localnet` stops them.
pub fn die_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::INT));
}

impl Children {
    pub(crate) fn spawn(plan: &Plan, output: NodeOutput) -> Result<Self, LocalnetError> {
        let program = std::env::current_exe().map_err(LocalnetError::System)?;
        let (sender, deaths) = mpsc::channel(plan.nodes.len());
        let shown = Arc::new(AtomicBool::new(output == NodeOutput::Show));
        let mut children = Self { running: Vec::new(), deaths, shown, watchers: JoinSet::new() };
        for node in &plan.nodes {
            let child = start(&program, node).map_err(LocalnetError::System)?;
            let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            children.running.extend(pid.map(|pid| (node.name.clone(), pid)));
            let again =
                format!("{} node {} {}", program.display(), kind(node), node.config.display());
            let death =
                Death { pid, name: node.name.clone(), again, status: None, last_words: Vec::new() };
            let (sender, shown) = (sender.clone(), Arc::clone(&children.shown));
            children.watchers.spawn(watch(child, death, shown, sender));
        }
        Ok(children)
    }

    /// The process of the node with this name, while it runs.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let (_, pid) = self.running.iter().find(|(running, _)| running == name)?;
        u32::try_from(pid.as_raw_pid()).ok()
    }

    /// Shows the lines that nodes write from now on.
    pub(crate) fn show_lines(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    /// The next child that ends.
    pub(crate) async fn next_death(&mut self) -> Death {
        match self.deaths.recv().await {
            Some(death) => {
                self.running.retain(|(_, pid)| Some(*pid) != death.pid);
                death
            }
            None => std::future::pending().await,
        }
    }

    /// Ends all children: asked first, then made to.
    pub(crate) async fn stop(mut self) {
        self.shown.store(false, Ordering::Relaxed);
        for (_, pid) in &self.running {
            let _ = kill_process(*pid, Signal::INT);
        }
        let all_gone = async {
            while !self.running.is_empty() {
                self.next_death().await;
            }
        };
        let _ = timeout(STOP_DEADLINE, all_gone).await;
        self.watchers.shutdown().await;
    }
}

impl Death {
    /// Tells the end of a node, and a remedy.
    fn in_plain_words(&self) -> String {
        let how = match self.status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was ended by signal {signal}"),
                (None, Some(code)) => format!("ended with exit code {code}"),
                (None, None) => "ended".to_owned(),
            },
            None => "ended".to_owned(),
        };
        let words = if self.last_words.is_empty() {
            "It said nothing.".to_owned()
        } else {
            format!("Its last words:\n    {}", self.last_words.join("\n    "))
        };
        format!(
            "{} {how}. {words}\n  The others leave it out of all paths within half a minute. \
             Start it again, with new keys, by:\n    {}",
            self.name, self.again
        )
    }
}

impl From<Death> for LocalnetError {
    fn from(death: Death) -> Self {
        Self::Child(death.in_plain_words())
    }
}

fn start(program: &Path, node: &NodePlan) -> std::io::Result<Child> {
    Command::new(program)
        .args(["node", kind(node)])
        .arg(PathBuf::from(&node.config))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

const fn kind(node: &NodePlan) -> &'static str {
    match node.role {
        Role::Relay => "relay",
        Role::Mix { .. } => "mixnode",
    }
}

async fn watch(
    mut child: Child,
    mut death: Death,
    shown: Arc<AtomicBool>,
    sender: mpsc::Sender<Death>,
) {
    let mut last: VecDeque<String> = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if shown.load(Ordering::Relaxed) {
                tell(&format!("  {line}"));
            }
            if last.len() == LAST_WORDS {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    death.status = child.wait().await.ok();
    death.last_words = last.into();
    let _ = sender.send(death).await;
}

/// Lines that are shown of a child that has ended.
pub(crate) const LAST_WORDS: usize = 5;
/// Time for a child to end that was asked to, before it is made to.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(5);
