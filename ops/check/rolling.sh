#!/usr/bin/env bash
# Stops all nodes of a running local network one after the other as a service manager does, with SIGTERM,
# and starts each again, while clients write to each other and all nodes change their packet keys. No
# message may be lost, and none may have to leave twice.
#
# Takes about a quarter of an hour. Exit 0: all of it holds. Exit 1: says what does not.
source "$(dirname "${BASH_SOURCE[0]}")/network.sh" rolling release

cargo build --quiet --locked --release --package rohrpost-ops --package rohrpost-loadgen
start_network --slot 100 --ack-delay 2s --document-slot 1000 --epoch 150s

"$target/rohrpost-loadgen" run --network "$network" --clients 10 --rate 0.1 --duration "${1:-12m}" --drain 3m \
  --json >"$scratch/report" 2>"$scratch/load.log" &
load=$!
others+=($load)
sleep 20

for node in "$network"/*/node.toml; do
  name=$(basename "$(dirname "$node")")
  role=mixnode
  [[ $name != relay-* ]] || role=relay
  begun=$SECONDS
  end_node TERM $role "$name" 180
  stopped=$((SECONDS - begun))
  run_node $role "$node"
  until ops check --network "$network" --node "$node" >"$scratch/seen" 2>&1; do
    [ $((SECONDS - begun)) -lt 300 ] || fail "$name is not back: $(cat "$scratch/seen")"
    sleep 1
  done
  echo "rolling: $name ended after $stopped s and was back after $((SECONDS - begun)) s"
done
kill -0 $load 2>/dev/null || fail "the load was over before the last node was back"

wait $load || fail "the load failed"
changes=$(grep -c 'new packet key' "$scratch/log")
python3 - "$scratch/report" "$changes" <<'PYTHON' || fail "that is not what a rolling restart may cost"
import json, sys
report, changes = json.load(open(sys.argv[1])), int(sys.argv[2])
lost, again = len(report["lost"]), report["left_again"]
print(f"rolling: {report['sent']} messages sent, {report['arrived']} arrived, {lost} lost, {again} left again, "
      f"{report['duplicates']} came twice, over ten restarts and {changes} changes of keys")
sys.exit(lost or again or report["duplicates"] or report["sent"] < 500 or changes < 20)
PYTHON
