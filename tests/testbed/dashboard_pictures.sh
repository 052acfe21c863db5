#!/usr/bin/env bash
# Pictures of the dashboards, drawn with Grafana's UI library from live data: a real Prometheus scrapes a lastbeat that
# watches 24 instances on a real nats-server. Usage: tests/testbed/dashboard_pictures.sh FOLDER [SECONDS]
# Takes SECONDS (480) and 500 MB of node_modules in a folder that is deleted in the end. Needs `tests/run` once, for the
# servers, and `cargo build`; with NODE_MODULES, an existing folder with node_modules is used.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed=$PWD/tests/testbed
out=$(cd "${1:?FOLDER is missing}" && pwd)
seconds=${2:-480}
bin=${LASTBEAT_TESTBED:-target/testbed}/bin
lastbeat=${LASTBEAT:-target/debug/lastbeat}
work=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

modules=${NODE_MODULES:-$work}
if [ ! -d "$modules/node_modules" ]; then
  echo '{"private": true}' >"$modules/package.json"
  npm install --prefix "$modules" --no-audit --no-fund --ignore-scripts --silent --legacy-peer-deps \
    @grafana/ui@13.2.3 @grafana/data@13.2.3 react@19.3.1 react-dom@19.3.1 esbuild@0.25.12
fi

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
nats=$(free_port) page=$(free_port) prometheus=$(free_port)

"$bin/nats-server" -a 127.0.0.1 -p "$nats" >"$work/nats.log" 2>&1 &
running+=($!)
NATS_URL=nats://127.0.0.1:$nats LASTBEAT_CANARY=10s "$lastbeat" run --rules rules --listen "127.0.0.1:$page" --state memory \
  >"$work/lastbeat.log" 2>&1 &
running+=($!)
sed -e "s|{ALERTS}|$PWD/dashboards/alerts.yml|" -e "s|{TARGET}|127.0.0.1:$page|" -e 's/scrape_interval: 1s/scrape_interval: 5s/' \
  "$testbed/prometheus.yml" >"$work/prometheus.yml"
"$bin/prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
  --web.listen-address="127.0.0.1:$prometheus" >"$work/prometheus.log" 2>&1 &
running+=($!)

node "$testbed/dashboard_scene.mjs" "$nats" "$seconds" &
running+=($!)
sleep "$seconds"
end=$(date +%s)

# draw DASHBOARD PICTURE day|night [VARIABLE=VALUE ...]
draw() {
  local board=$PWD/dashboards/$1.json picture=$out/$2.png mode=$3
  (cd "$modules" && node "$testbed/dashboard_picture.mjs" "http://127.0.0.1:$prometheus" "$board" "$picture" "$mode" "$end" "${@:4}")
}
draw overview dashboard-overview day
draw app dashboard-app night app=checkout
if command -v pngquant >/dev/null; then
  pngquant --force --ext .png --speed 1 32 "$out"/dashboard-{overview,app}.png
fi
