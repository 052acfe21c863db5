#!/usr/bin/env bash
# A real Sentry-compatible server (Bugsink) on loopback.
#   bugsink.sh prepare VENV        makes VENV/template: a migrated, empty database and an API token
#   bugsink.sh run VENV DATA PORT  copies the template into the folder DATA and becomes the server
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH=$here DJANGO_SETTINGS_MODULE=bugsink_conf PYTHONDONTWRITEBYTECODE=1

prepare() {
  local venv=$1 template=$1/template
  # The settings belong to the template: a change of either makes a new one.
  local stamp; stamp=$(cat "$venv/stamp" "$here/bugsink_conf.py" | cksum)
  [ "$(cat "$template/stamp" 2>/dev/null)" = "$stamp" ] && return
  printf 'bugsink.sh: preparing an empty database\n'
  rm -rf "$template"
  mkdir -p "$template"
  export BUG_DIR=$template BUG_PORT=1
  "$venv/bin/bugsink-manage" migrate --database default >"$template/migrate.log" 2>&1
  "$venv/bin/bugsink-manage" migrate snappea --database=snappea >>"$template/migrate.log" 2>&1
  "$venv/bin/bugsink-manage" create_auth_token | tail -n 1 >"$template/token"
  printf '%s\n' "$stamp" >"$template/stamp"
}

run() {
  local venv=$1 data=$2 port=$3
  mkdir -p "$data"
  cp "$venv/template/"*.sqlite3 "$data/"
  export BUG_DIR=$data BUG_PORT=$port
  exec "$venv/bin/gunicorn" --no-control-socket --bind "127.0.0.1:$port" --workers 1 --threads 4 bugsink.wsgi
}

command=$1; shift
case $command in
  prepare | run) "$command" "$@" ;;
  *) printf 'bugsink.sh: %s: not a command; prepare or run\n' "$command" >&2; exit 64 ;;
esac
