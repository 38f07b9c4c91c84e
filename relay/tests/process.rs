//! `rohrpost-relay` as a process: start, pages, shutdown, and what it says of taken ports.

#[cfg(test)]
#[path = "../../crates/node/tests/fixture/network.rs"]
mod network;
#[cfg(test)]
#[path = "../../crates/node/tests/fixture/process.rs"]
mod process;

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use network::{Network, RELAY};
use process::{Process, page};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rohrpost-relay");
const ANY: &str = "listen = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"";
const SMALL: &str = "metrics_tick_seconds = 1\n[limits]\nworkers = 1\nreplay_tags = 1000";

#[test]
fn a_relay_serves_its_pages_and_stops_cleanly_on_sigterm() {
    let network = Network::new(3);
    let mut relay = Process::start(PROGRAM, &network.configure(RELAY, RELAY, ANY, SMALL));
    let address = relay.metrics();
    assert_eq!(page(&address, "/livez"), (200, "alive\n".into()));
    let (status, missing) = page(&address, "/readyz");
    assert_eq!(status, 503);
    assert!(missing.contains("0 of 1 packet links"), "{missing}");
    let (status, metrics) = page(&address, "/metrics");
    assert_eq!(status, 200);
    for series in [
        "rohrpost_packets_received_total 0",
        "rohrpost_packets_dropped_total{reason=\"replay\"} 0",
        "rohrpost_links_up{kind=\"packet\"} 0",
        "rohrpost_links_refused_total 0",
        "rohrpost_mailboxes 0",
        "rohrpost_sessions 0",
        "rohrpost_ready 0",
        "rohrpost_tick_seconds 1",
    ] {
        assert!(metrics.contains(series), "{series} is missing:\n{metrics}");
    }
    assert_eq!(page(&address, "/secrets").0, 404);
    let inspected = if cfg!(feature = "danger-inspect") { 200 } else { 404 };
    assert_eq!(page(&address, "/inspect").0, inspected);
    let (status, rest) = relay.terminate();
    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(rest.contains("stopping"), "{rest}");
}

#[test]
fn a_udp_port_in_use_is_named_and_ends_with_69() {
    let network = Network::new(3);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = format!("listen = \"127.0.0.1:{port}\"\nmetrics = \"127.0.0.1:0\"");
    let relay = Process::start(PROGRAM, &network.configure(RELAY, RELAY, &listen, SMALL));
    let (status, said) = relay.wait();
    assert_eq!(status.code(), Some(69), "{said}");
    assert!(said.contains(&port) && said.contains("choose another port"), "{said}");
}

#[test]
fn a_metrics_port_in_use_is_named_and_ends_with_69() {
    let network = Network::new(3);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = format!("listen = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:{port}\"");
    let relay = Process::start(PROGRAM, &network.configure(RELAY, RELAY, &listen, SMALL));
    let (status, said) = relay.wait();
    assert_eq!(status.code(), Some(69), "{said}");
    assert!(said.contains(&port) && said.contains("`metrics`"), "{said}");
}

#[test]
fn wrong_files_end_with_78_and_one_line_that_says_what_to_do() {
    let network = Network::new(2);
    let relay = Process::start(PROGRAM, &network.configure(RELAY, RELAY, ANY, SMALL));
    let (status, said) = relay.wait();
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.starts_with("error: ") && said.contains("roster sign"), "{said}");
}

#[test]
fn version_and_help_say_what_people_ask_for() {
    let output = |argument| {
        let output = Command::new(PROGRAM).arg(argument).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let version = output("--version");
    assert!(version.contains("revision") && version.contains("packet 1"), "{version}");
    let help = output("--help");
    assert!(help.contains("--config") && help.contains("docs/operating.md"), "{help}");
}
