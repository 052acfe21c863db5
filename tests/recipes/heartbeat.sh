#!/bin/sh
# A heartbeat for lastbeat: `sh heartbeat.sh`, a process beside the program.
every=${HEARTBEAT_EVERY:-30} seq=0
trap 'kill -9 $! 2>/dev/null; echo "HEARTBEAT name=worker bye"; exit 0' TERM INT
pause=$(($(od -An -N4 -tu4 /dev/urandom) % every)) # a fleet does not beat as one
while sleep "$pause" & wait $!; do
  echo "HEARTBEAT every=${every}s name=worker seq=$((seq += 1))"
  pause=$every
done
exit 1 # sleep does not take that number
