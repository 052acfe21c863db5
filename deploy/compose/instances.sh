#!/bin/sh
# Publishes heartbeats of six instances every 5 seconds, on subjects as in Fly's log stream. worker/fra/f3 hangs for two minutes out of six.
set -eu
turn=0
while :; do
  for instance in web.iad.a1 web.iad.b2 web.lhr.c3 worker.iad.d1 worker.iad.e2 worker.fra.f3; do
    [ "$instance" = worker.fra.f3 ] && [ $((turn % 72)) -ge 48 ] && continue
    nats pub "logs.$instance" "HEARTBEAT every=5s seq=$turn" >/dev/null 2>&1 || echo "cannot publish for $instance" >&2
  done
  turn=$((turn + 1))
  sleep 5
done
