//! Signals by which a program is asked to end: Ctrl-C, and SIGTERM of a service manager.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for both signals, which end the process no longer by themselves.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Begins to listen, within a runtime.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    /// Waits until the program is asked to end; once more for each further signal.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits until the program, which is ending already, is asked once more. Signals of the first
    /// half second count with the first: some callers signal a process and then its group.
    pub async fn asked_again(&mut self) {
        let begun = Instant::now();
        self.asked().await;
        while begun.elapsed() < TOGETHER {
            self.asked().await;
        }
    }
}

/// Time in which several signals are one request.
const TOGETHER: Duration = Duration::from_millis(500);
