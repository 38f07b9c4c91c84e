//! The links without a mix, in processes that take the place of the mix's twin on the same core, at
//! the same rate over as many links (see [`super::null_mix`]); and opening packets without links.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::Rng;
use rohrpost_localnet::ChildProcess;
use rohrpost_measure::process::{CpuTimes, thread_time};
use rohrpost_measure::statistics::{Sample, float};
use rohrpost_packet::{Delay, Generation, HopSecretKey, NodeNumber, Suite, open_header};
use rohrpost_proto::frame::frame_len;
use rohrpost_transport::PacketOutbox;
use serde_json::Value;

use super::cores::Cores;
use super::error::MixError;
use super::generator::{Fed, Supply};
use super::interval::micros_per;
use super::null_mix::BALLAST;
use super::packets::{Target, packet};
use super::testbed::Testbed;

/// Cost of links alone.
pub(super) struct Baseline {
    /// Microseconds of CPU per packet.
    pub(super) per_packet: f64,
    /// The part of it that hands frames over; zero for receiving.
    pub(super) handing_over: f64,
    /// Packets a second that went through.
    pub(super) rate: f64,
}

/// A rate of packets, and what the ballast burns for each, in microseconds.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) rate: f64,
    pub(super) ballast: f64,
}

/// Receiving, and nothing else.
pub(super) fn receive<S: Suite>(
    testbed: &Testbed<S>,
    load: Load,
    length: Duration,
) -> Result<Baseline, MixError> {
    let process = testbed.start_twin(&["null-mix", "receive", "--ballast", &text(load.ballast)])?;
    fed(testbed, load, length, |fed| Baseline::measure(&process, length, || fed.taken()))
}

/// Sending, and nothing else.
pub(super) fn send<S: Suite>(
    testbed: &Testbed<S>,
    load: Load,
    length: Duration,
) -> Result<Baseline, MixError> {
    let (seconds, sink) = ((SETTLE + length).as_secs_f64().ceil() + 1.0, testbed.peers.sink());
    let [rate, seconds, ballast] = [load.rate, seconds, load.ballast].map(text);
    let before = sink.arrived();
    let send = ["null-mix", "send", "--rate", &rate, "--seconds", &seconds, "--ballast", &ballast];
    let process = testbed.start_twin(&send)?;
    wait(|| sink.arrived() > before)?;
    Baseline::measure(&process, length, || sink.arrived())?.with_handing_over(process)
}

/// Receiving and sending in one process, which is what a mix is without its packets.
pub(super) fn pass<S: Suite>(
    testbed: &Testbed<S>,
    load: Load,
    length: Duration,
) -> Result<Baseline, MixError> {
    let process = testbed.start_twin(&["null-mix", "pass", "--ballast", &text(load.ballast)])?;
    let sink = testbed.peers.sink();
    fed(testbed, load, length, |_| Baseline::measure(&process, length, || sink.arrived()))?
        .with_handing_over(process)
}

/// A reading by `measure` while the twin is fed with frames that nobody opens.
fn fed<S: Suite>(
    testbed: &Testbed<S>,
    load: Load,
    length: Duration,
    measure: impl FnOnce(&Fed) -> Result<Baseline, MixError>,
) -> Result<Baseline, MixError> {
    let links = testbed.links_to_twin();
    wait(|| links.iter().all(PacketOutbox::is_up))?;
    let mut frame = vec![0; frame_len::<S>()];
    rand::rng().fill_bytes(&mut frame);
    let supply = Supply::Blank(frame.into());
    testbed.feed(&links, supply, (load.rate, SETTLE + length + MARGIN), measure)
}

impl Baseline {
    /// Lets the process come to rest, then takes all its CPU over `length` but the ballast's, which
    /// hands frames over among others; `packets` counts them.
    fn measure(
        process: &ChildProcess,
        length: Duration,
        packets: impl Fn() -> u64,
    ) -> Result<Self, MixError> {
        let look = || Ok((CpuTimes::read(process.pid())?, packets(), Instant::now()));
        sleep(SETTLE);
        let (cpu_before, packets_before, begin) = look().map_err(MixError::System)?;
        sleep(length);
        let (cpu, packets, end) = look().map_err(MixError::System)?;
        let (cpu, packets) = (cpu.since(&cpu_before), packets - packets_before);
        let per_packet = micros_per(cpu.total().saturating_sub(cpu.of(BALLAST)), packets);
        let rate = float(packets) / end.duration_since(begin).as_secs_f64();
        Ok(Self { per_packet, handing_over: 0.0, rate })
    }

    /// Ends the process and adds what handing a frame over has cost, by its last line.
    fn with_handing_over(self, mut process: ChildProcess) -> Result<Self, MixError> {
        let stdout = process.stdout();
        drop(process);
        let lines = stdout.map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
        let last = lines.and_then(Iterator::last).unwrap_or_default();
        let told: Value = serde_json::from_str(&last).unwrap_or(Value::Null);
        let (Some(sent), Some(nanos)) = (told["sent"].as_u64(), told["handing_over_ns"].as_u64())
        else {
            return Err(MixError::Ended("the process with links alone told nothing".into()));
        };
        let handing_over = micros_per(Duration::from_nanos(nanos), sent);
        Ok(Self { per_packet: self.per_packet + handing_over, handing_over, ..self })
    }
}

fn text(value: f64) -> String {
    value.to_string()
}

/// Microseconds that opening one packet and its payload takes on the mix's core: the median of
/// rounds. Building the packets is not counted.
pub(super) fn unwrap<S: Suite>(cores: &Cores) -> Result<f64, MixError> {
    let mut rng = rand::rng();
    let key = HopSecretKey::<S>::generate(Generation::new(1), &mut rng);
    let target =
        Target { key: key.public().clone(), layer: 1, successors: vec![NodeNumber::new(1)] };
    let round = |_| {
        let packets = (0..ROUND)
            .map(|mark| Ok(packet(&target, mark, Delay::ZERO, &mut rng)?.packet))
            .collect::<Result<Vec<_>, _>>()
            .map_err(MixError::Build)?;
        let time = cores.on_mix(|| {
            let before = thread_time();
            for packet in packets {
                let opened = open_header(packet, 1, &key);
                std::hint::black_box(opened.map(rohrpost_packet::Opened::forward).is_ok());
            }
            thread_time().saturating_sub(before)
        });
        Ok(micros_per(time, ROUND))
    };
    Ok(Sample::new((0..ROUNDS).map(round).collect::<Result<Vec<_>, _>>()?).median())
}

fn wait(done: impl Fn() -> bool) -> Result<(), MixError> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > DEADLINE {
            return Err(MixError::Start("the links of the twin do not come up".into()));
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

const SETTLE: Duration = Duration::from_secs(2);
/// The feeder goes on while the last look is taken.
const MARGIN: Duration = Duration::from_millis(500);
const DEADLINE: Duration = Duration::from_secs(20);
const ROUNDS: usize = 21;
const ROUND: u64 = 200;
