//! `rohrpost-mixnode` as a process: start, pages, shutdown.

#[cfg(test)]
#[path = "../../crates/node/tests/fixture/network.rs"]
mod network;
#[cfg(test)]
#[path = "../../crates/node/tests/fixture/process.rs"]
mod process;

use network::{MIX, Network, RELAY};
use process::{Process, page};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rohrpost-mixnode");
const ANY: &str = "listen = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"";
const SMALL: &str = "[limits]\nworkers = 1\nreplay_tags = 1000";

#[test]
fn a_mix_serves_its_pages_and_stops_cleanly_on_sigterm() {
    let network = Network::new(3);
    let mut mix = Process::start(PROGRAM, &network.configure(MIX, MIX, ANY, SMALL));
    let address = mix.metrics();
    assert_eq!(page(&address, "/livez").0, 200);
    let (status, missing) = page(&address, "/readyz");
    assert_eq!(status, 503);
    assert!(missing.contains("no fresh document"), "{missing}");
    let (_, metrics) = page(&address, "/metrics");
    for series in [
        "rohrpost_loops_sent_total 0",
        "rohrpost_loops_returned_total 0",
        "rohrpost_loops_lost_total 0",
        "rohrpost_departure_lateness_seconds_count 0",
        "rohrpost_tick_seconds 60",
    ] {
        assert!(metrics.contains(series), "{series} is missing:\n{metrics}");
    }
    let (status, rest) = mix.terminate();
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn a_mix_program_refuses_to_be_a_relay() {
    let network = Network::new(3);
    let mix = Process::start(PROGRAM, &network.configure(RELAY, RELAY, ANY, SMALL));
    let (status, said) = mix.wait();
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("start it with rohrpost-relay"), "{said}");
}
