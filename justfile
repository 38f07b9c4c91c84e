# The steps of the gate, one recipe each, written here and nowhere else: `.ci/run` calls them in
# order and installs what they need. `just` lists them, `just STEP` runs one.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list --unsorted

# Formatting, as rustfmt.toml has it.
fmt:
    cargo fmt --all --check

# Which package may depend on which, and what the pure ones never see.
layers:
    ops/check/layers.sh

# Import circles between the modules of a package.
circles:
    python3 ops/check/circles.py --self-test
    python3 ops/check/circles.py

# Doc comments that do not stand alone.
comments:
    python3 ops/check/comments.py --self-test
    python3 ops/check/comments.py

# Dependencies that a manifest names and no line uses.
unused:
    cargo machete

# Lints.
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Documentation of all items. A broken link fails.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# All tests. A capture needs root: where it can be made it must be.
test:
    [ "$(id -u)" != 0 ] || export ROHRPOST_REQUIRE_CAPTURE=1; cargo test --workspace --locked

# Tests of laws, which must fail once their law is taken back, and what else needs such a build.
weakened:
    ops/check/weaknesses.sh
    cargo test --locked --package rohrpost-proto --features danger-weaken --lib --test mix
    cargo test --locked --package rohrpost-proto --features danger-weaken --test courier without_them

# Licences, sources and doubled versions of dependencies (deny.toml).
policy:
    cargo fetch --locked --quiet
    cargo deny --offline check --hide-inclusion-graph licenses bans sources

# The first message as a new user sends it. 800 bytes just fit classic, 6000 hybrid.
first-message suite bytes:
    #!/usr/bin/env bash
    set -euo pipefail
    file=$(mktemp)
    trap 'rm -f "$file"' EXIT
    head -c {{ bytes }} /dev/urandom >"$file"
    cargo localnet --once --suite {{ suite }} --message "$file" </dev/null

# A mix is ended by force, and messages still arrive.
outage:
    ops/check/outage.sh

# The roster of a running network is changed, and a node and an entry with it.
rosters:
    ops/check/rosters.sh

# All nodes are stopped and started one after the other, under load.
rolling:
    ops/check/rolling.sh

# The memory of nodes holds no packet key whose time is over. Needs root, and says so where it is not.
seizure:
    ops/check/seizure.sh

# Daemons, a relay and a mix are killed in the middle of a file, which still arrives once.
killed:
    ops/check/killed.sh

# Lints of the benchmarks against other packet formats.
bench-peers:
    cargo clippy --manifest-path bench-peers/Cargo.toml --locked -- -D warnings

# All runs of a small model of the agreement on documents: four agencies, one of which lies.
model:
    cargo clippy --manifest-path model/Cargo.toml --locked -- -D warnings
    cargo run --manifest-path model/Cargo.toml --release --locked

# Each fuzz target for so many seconds.
fuzz seconds="30":
    ops/check/fuzz.sh {{ seconds }}

# Release builds of everything.
release:
    cargo build --workspace --release --locked

# The tests of whole networks in release builds, with many seeds.
seeds count="50":
    [ "$(id -u)" != 0 ] || export ROHRPOST_REQUIRE_CAPTURE=1; ROHRPOST_SEEDS={{ count }} cargo test --package rohrpost-tests --package rohrpost-virtual --release --locked

# A hundred worlds of seven agencies, one of which lies: some 20 minutes of one core.
worlds count="100":
    ROHRPOST_SEEDS={{ count }} cargo test --package rohrpost-proto --release --locked --lib -- --ignored --nocapture honest_relays_follow_one_document_in_a_hundred_worlds

# A year of virtual days with fifty people, for so many seeds: a quarter of an hour of two cores each.
year seeds="20":
    ROHRPOST_SEEDS={{ seeds }} cargo test --package rohrpost-tests --release --locked --test year -- --ignored --nocapture year_of_days

# Costs of a store with up to a million messages and 5000 contacts; one that is too high fails.
growth of="growth":
    cargo test --package rohrpost-client --release --locked --test store -- --ignored --nocapture --exact growth::{{ of }}

# The virtual network with its largest numbers of clients, and files of 16 MiB through real clients.
volume:
    cargo test --workspace --release --locked --test volume --test memory --test pace -- --ignored --nocapture

# The attacks that fit two minutes on two cores.
attack-quick:
    cargo run --locked --package rohrpost-adversary --features danger-weaken -- attack all --quick

# All attacks on the claims of docs/threat-model.md, and on builds that lack a law.
attack:
    cargo run --release --locked --package rohrpost-adversary --features danger-weaken -- attack all

# The speed of a hop against other packet formats; a missed target fails.
ratio:
    cargo run --manifest-path bench-peers/Cargo.toml --release --locked -- --check
