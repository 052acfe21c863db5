"""Reads each dashboard into Grafana's own models and writes it out again: a key that Grafana does not know gets lost on
the way, and a wrong value is refused. Usage: dashboard_keys.py DASHBOARD.json ..."""
import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# What the import dialogue reads and takes away, and what annotations have from Prometheus' plugin: neither is in the
# models of a dashboard.
IMPORT = {"__inputs", "__requires"}
ANNOTATION = {"expr", "step", "titleFormat", "textFormat", "useValueForTime"}


def differences(given, kept, place):
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                yield from differences(value, kept[key], f"{place}.{key}")
            elif not (place.startswith("$.annotations.list") and key in ANNOTATION):
                yield f"{place}.{key}: no key of Grafana's"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept)):
            yield from differences(one, other, f"{place}[{number}]")
    elif given != kept:
        yield f"{place}: {given!r} became {kept!r}"


register_default_plugins()
found = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        given = {key: value for key, value in json.load(file).items() if key not in IMPORT}
    kept = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(given)))
    found += [f"{path}: {fault}" for fault in differences(given, kept, "$")]
print("\n".join(found))
sys.exit(bool(found))
