//! A capture of a running network, and what `rohrpost-adversary wire` says of it.

use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use rohrpost_localnet::capture::{Manifest, PcapWriter};
use serde_json::Value;

use crate::process::{adversary, localnet, scratch};

/// Exit code of `--capture` without the right to it.
const NO_RIGHT: i32 = 77;

fn wire(file: &Path) -> Output {
    adversary().arg("wire").arg(file).arg("--json").output().expect("rohrpost-adversary runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Captures a classic network until alice and bob have written to each other for a while. Where the
/// right is missing this
/// says so past the test harness, and fails if the environment demands it.
fn capture(file: &Path) -> Option<()> {
    let output = localnet()
        .args(["--for", "12s", "--suite", "classic", "--capture"])
        .arg(file)
        .output()
        .expect("rohrpost-ops runs");
    if output.status.code() == Some(NO_RIGHT) {
        let reason = errors(&output);
        assert!(reason.contains("CAP_NET_RAW"), "{reason}");
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but: {reason}");
        let _ = writeln!(std::io::stderr(), "SKIPPED: no capture was tested: {reason}");
        return None;
    }
    assert!(output.status.success(), "{}", errors(&output));
    Some(())
}

#[test]
fn a_capture_shows_equal_datagrams_and_whole_frames() {
    let scratch = scratch("capture");
    let file = scratch.path().join("first.pcap");
    let Some(()) = capture(&file) else { return };
    let output = wire(&file);
    assert!(output.status.success(), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(report["missed"], 0);
    assert_links(&report);
    assert_tellings(&report);
    assert_streams(&report);
}

/// No datagram is longer than 1200 bytes, so none was captured uncut; shorter are handshakes only.
fn assert_links(report: &Value) {
    let links = report["links"].as_array().expect("links are a list");
    for link in links {
        for exception in link["exceptions"].as_array().expect("exceptions are a list") {
            assert!(exception["len"].as_u64() < Some(1200), "{link}");
            assert_ne!(exception["header"], "after the handshake", "{link}");
        }
    }
    for carries in ["cells up", "cells down"] {
        let clients: Vec<_> = links.iter().filter(|link| link["carries"] == carries).collect();
        assert_eq!(clients.len(), 8, "alice's link, bob's, and those of six mixes' own clients");
        for link in clients {
            assert!(link["grid"]["cells"].as_u64() > Some(4), "{link}");
        }
    }
}

/// Each client sends both kinds of cells, and of those of alice and bob some are known as letters. So
/// short a capture is not judged.
fn assert_tellings(report: &Value) {
    let links = report["links"].as_array().expect("links are a list");
    let tellings: Vec<_> =
        links.iter().map(|link| &link["telling"]).filter(|telling| !telling.is_null()).collect();
    assert_eq!(tellings.len(), 8, "of each client's cells up");
    let names: Vec<_> = tellings.iter().filter_map(|telling| telling["client"].as_str()).collect();
    assert!(names.len() == 2 && names.contains(&"alice") && names.contains(&"bob"), "{names:?}");
    for telling in tellings {
        let counts = |kind: &str| ["sought", "others"].map(|side| telling[kind][side].as_u64());
        assert!(counts("pulls").iter().all(|cells| *cells > Some(4)), "{telling}");
        assert_eq!(telling["pulls"]["judged"], false, "{telling}");
        if telling["client"].is_string() {
            assert!(counts("letters").iter().all(|cells| *cells > Some(2)), "{telling}");
        }
    }
}

/// Every packet link has carried something, at both ends a multiple of the frame.
fn assert_streams(report: &Value) {
    let frame_len = report["frame_len"].as_u64().expect("a number");
    let streams = report["streams"].as_array().expect("streams are a list");
    assert_eq!(streams.len(), 24, "4 x 2, 2 x 2, 2 x 2 and 2 x 4 links");
    for link in streams {
        let (sent, received) = (&link["sent_bytes"], &link["received_bytes"]);
        let [sent, received] = [sent, received].map(|bytes| bytes.as_u64().expect("a number"));
        assert_eq!((sent % frame_len, received % frame_len), (0, 0), "{link}");
        assert!(received > 0, "{link}");
    }
}

#[test]
fn a_capture_that_cannot_be_read_is_named_with_the_remedy() {
    let scratch = scratch("no-capture");
    let file = scratch.path().join("cut.pcap");
    let refused = |code: i32, words: &[&str]| {
        let output = wire(&file);
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {said}");
        }
    };
    refused(66, &["cut.pcap.manifest.toml", "localnet --capture"]);
    std::fs::write(Manifest::path(&file), "suite = 3").expect("the scratch directory is writable");
    refused(65, &["cut.pcap.manifest.toml", "line 1"]);
    let manifest = Manifest::new("classic", 250, 2568);
    std::fs::write(Manifest::path(&file), manifest.render()).expect("the directory is writable");
    refused(66, &["cut.pcap", "localnet --capture"]);
    let mut bytes = Vec::new();
    let mut writer = PcapWriter::new(&mut bytes).expect("a vector takes all");
    writer.write(std::time::Duration::ZERO, &[0; 64], 1228).expect("a vector takes all");
    std::fs::write(&file, &bytes).expect("the scratch directory is writable");
    refused(65, &["no datagram of a node"]);
    std::fs::write(&file, &bytes[..60]).expect("the scratch directory is writable");
    refused(65, &["cut.pcap", "byte 24", "head -c 24"]);
    std::fs::write(&file, b"PK\x03\x04").expect("the scratch directory is writable");
    refused(65, &["is no pcap", "localnet --capture"]);
}

/// Set where captures must work, so that a missing right fails the test.
const REQUIRED: &str = "ROHRPOST_REQUIRE_CAPTURE";
