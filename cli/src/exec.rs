//! The command that a daemon runs for each message that arrives.
//!
//! It gets the contact's name and the message's number by its environment, and nothing of the
//! message itself: what others wrote is in no command line, where other users see it and a shell
//! may read it. One runs at a time, for a minute at most; the system's memory of it ends with it.

use std::process::Stdio;
use std::time::Duration;

use rohrpost_client::Agent;
use rohrpost_client::api::Notice;
use tokio::process::Command;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::output::note;

/// A command for arrivals.
pub(crate) struct Hook {
    command: String,
    notices: Receiver<Notice>,
    /// Time that the command may take for a message.
    limit: Duration,
}

impl Hook {
    /// Makes a hook for what arrives from now on.
    pub(crate) fn new(command: String, agent: &Agent) -> Self {
        Self { command, notices: agent.notices(), limit: LIMIT }
    }

    /// Runs the command for each message, one after the other, until the client ends.
    pub(crate) async fn serve(mut self) {
        loop {
            match self.notices.recv().await {
                Ok(Notice::Arrived(message)) => {
                    let told = self.run(&message.from, message.number).await;
                    told.unwrap_or_else(|why| {
                        note(&format!("--exec, message {}: {why}", message.number))
                    });
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => note(&format!(
                    "the command of --exec is slow: it missed some of {missed} notices; \
                     `rohrpost inbox` lists all messages"
                )),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Runs the command for a message; an error says how it failed.
    async fn run(&self, contact: &str, number: u64) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command);
        command.env("ROHRPOST_CONTACT", contact).env("ROHRPOST_NUMBER", number.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).process_group(0);
        let mut child =
            command.spawn().map_err(|error| format!("the command did not start: {error}"))?;
        match timeout(self.limit, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the command failed: {status}")),
            Ok(Err(error)) => Err(format!("the command was lost: {error}")),
            Err(_) => {
                end_group(&child);
                let _ = child.wait().await;
                let limit = self.limit.as_secs();
                Err(format!("the command took more than {limit} s, and was ended"))
            }
        }
    }
}

/// Ends a command and what it has started.
fn end_group(child: &tokio::process::Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process_group(id, Signal::KILL);
    }
}

/// Time that a command may take.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;

    use super::*;

    async fn run(command: &str, limit: Duration) -> Result<(), String> {
        let (_sender, notices) = broadcast::channel(1);
        let hook = Hook { command: command.to_owned(), notices, limit };
        hook.run("Max $(false) \"M\"", 7).await
    }

    #[tokio::test]
    async fn a_command_gets_contact_and_number_by_its_environment() {
        let test = r#"[ "$ROHRPOST_CONTACT" = 'Max $(false) "M"' ] && [ "$ROHRPOST_NUMBER" = 7 ]"#;
        assert_eq!(run(test, LIMIT).await, Ok(()));
        assert_eq!(run("read -r line || exit 0; exit 1", LIMIT).await, Ok(()), "nobody types");
        let failed = run("exit 3", LIMIT).await.unwrap_err();
        assert!(failed.contains("exit status: 3"), "{failed}");
    }

    /// The command would take longer than any test run.
    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_what_it_started() {
        for command in ["sleep 100000", "sleep 100000 & wait", "trap '' TERM; sleep 100000"] {
            let ended = run(command, Duration::from_millis(50)).await.unwrap_err();
            assert!(ended.contains("was ended"), "{ended}");
        }
    }
}
