"""Would Sentry keep these events whole? Reads a JSON list of events, runs Sentry's own normaliser over each, and prints
what it would drop or rewrite; silent and 0 where it would keep them all, else 1."""
import json
import sys

from sentry_relay.processing import StoreNormalizer

normaliser = StoreNormalizer(
    project_id=1, remove_other=True, normalize_user_agent=False, protocol_version="7"
)
changed = 0
for event in json.load(sys.stdin):
    # The normaliser never raises: these two keys say what it changed.
    kept = normaliser.normalize_event(event=event)
    faults = {key: kept[key] for key in ("errors", "_meta") if kept.get(key)}
    if faults:
        changed += 1
        print(event.get("event_id"), json.dumps(faults, indent=1))
sys.exit(1 if changed else 0)
