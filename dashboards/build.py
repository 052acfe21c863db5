#!/usr/bin/env python3
"""Writes the dashboards and sets the runbook links of alerts.yml: `python3 dashboards/build.py [FOLDER] [--runbook URL]`.

FOLDER is the folder of this file unless given. URL is the address of docs/runbook.md as people in Grafana and
Alertmanager reach it, such as https://github.com/acme/lastbeat/blob/main/docs/runbook.md; releases have it set. Without
it the links are paths within the repository. A test checks that the committed files are what this program writes."""
import argparse
import json
import pathlib
import re

RUNBOOK = "docs/runbook.md"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
MONITOR = 'job=~"$job", instance=~"$monitor"'
TARGETS = 'target_app=~"$app", target_region=~"$region"'
BOTH = f"{MONITOR}, {TARGETS}"
WHO = "target_app, target_region, target_instance, beat"
RATE = "[$__rate_interval]"
VERDICTS = {"live": "green", "late": "yellow", "silent": "red", "never-seen": "dark-red", "stopped": "blue", "unknown": "purple", "learning": "light-green"}
STATES = {"flowing": "green", "waiting": "blue", "connecting": "yellow", "subscribing": "yellow", "lame_duck": "orange",
          "backing_off": "orange", "stalled": "red", "auth_failed": "dark-red", "permission_denied": "dark-red"}
TO_APP = ("Heartbeats of ${__field.labels.target_app}", "/d/lastbeat-app?${__url_time_range}&${job:queryparam}&${monitor:queryparam}&var-app=${__field.labels.target_app}")
TO_REGION = ("Region ${__field.labels.target_region}", "/d/lastbeat-app?${__url_time_range}&${job:queryparam}&${monitor:queryparam}&${app:queryparam}&var-region=${__field.labels.target_region}")
TO_OVERVIEW = ("Overview", "/d/lastbeat-overview?${__url_time_range}&${job:queryparam}&${monitor:queryparam}")
TO_ITSELF = ("lastbeat itself", "/d/lastbeat-itself?${__url_time_range}&${job:queryparam}&${monitor:queryparam}")


def quantile(q, metric, by="", of=MONITOR):
    labels = ", ".join(["le"] + ([by] if by else []))
    return f"histogram_quantile({q}, sum by ({labels}) (rate(lastbeat_{metric}_bucket{{{of}}}{RATE})))"


def link(title, url, **more):
    """A link of a dashboard's, or of a panel's head."""
    return {"type": "link", "title": title, "url": url, "icon": "external link", "tooltip": "", "tags": [], "asDropdown": False,
            "targetBlank": False, "includeVars": False, "keepTime": False} | more


def runbook(alert):
    return link(f"What to do: {alert}", f"{ARGS.runbook}#{alert.lower()}", targetBlank=True)


def panel(kind, title, says, size, targets, options, unit, *, steps=(), to=(), alert=None, custom=None, overrides=(), **more):
    """One panel. `targets`: expression and legend, or the whole target; `steps`: colours and the values from which on;
    `to`: data links; `alert`: the runbook that the panel's head leads to."""
    rows = [t if isinstance(t, dict) else {"expr": t[0], "legendFormat": t[1], "range": True} for t in targets]
    rows = [{"refId": "ABCDEFGH"[i], "datasource": SOURCE, "editorMode": "code"} | row for i, row in enumerate(rows)]
    steps = [{"color": c, "value": v} for c, v in (("green" if steps else "text", None), *steps)]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}, "mappings": more.pop("mappings", [])}
    defaults |= {key: more.pop(key) for key in ("min", "max", "decimals", "noValue", "color") if key in more}
    defaults |= {"custom": custom} if custom else {}
    defaults |= {"links": [{"title": t, "url": u, "targetBlank": False} for t, u in to]} if to else {}
    return {"type": kind, "title": title, "description": says, "gridPos": {"w": size[0], "h": size[1]}, "datasource": SOURCE,
            "targets": rows, "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options} | (
                {"links": [runbook(alert)]} if alert else {}) | more


def stat(title, says, expr, unit, steps=(), *, legend=None, text="auto", **more):
    """One number. A panel of this height has no room for a line under it."""
    options = {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": text,
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    more = {"color": {"mode": "thresholds"}, "size": (3, 4)} | more
    return panel("stat", title, says, more.pop("size"), [(expr, legend or title)], options, unit, steps=steps, **more)


def graph(title, says, targets, unit, *, size=(8, 8), stack=False, lines=False, **more):
    """Lines over time; `stack` piles them up, `lines` draws the thresholds."""
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 30 if stack else 0, "showPoints": "never",
              "spanNulls": False, "stacking": {"mode": "normal" if stack else "none", "group": "A"},
              "thresholdsStyle": {"mode": "dashed" if lines else "off"}}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    more = {"color": {"mode": "palette-classic"}, "min": 0} | more
    return panel("timeseries", title, says, size, targets, options, unit, custom=custom, **more)


def table(title, says, queries, columns, *, size=(12, 9), sort, **more):
    """One row for each set of labels. `columns`: label or value of a query, its heading, its unit, its colour, its links."""
    targets = [{"expr": q, "format": "table", "instant": True, "range": False, "legendFormat": "__auto"} for q in queries]
    overrides = [column(*c) for c in columns]
    rename = {raw: heading for raw, heading, *_ in columns}
    organize = {"excludeByName": {"Time": True}, "indexByName": {raw: i for i, raw in enumerate(rename)}, "renameByName": rename}
    options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort[0], "desc": sort[1]}]}
    return panel("table", title, says, size, targets, options, "none", custom={"align": "auto", "filterable": True}, overrides=overrides,
                 transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organize}], **more)


def column(_, heading, unit=None, colour=None, to=()):
    properties = [{"id": "unit", "value": unit}, {"id": "decimals", "value": 1}] if unit else []
    # Else an empty cell shows the words that the panel has for no rows at all.
    properties += [{"id": "noValue", "value": "unnamed" if heading == "beat" else "none"}]
    if colour:
        properties += [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}, {"id": "custom.cellOptions", "value": {"type": "color-text"}}]
    if to:
        properties += [{"id": "links", "value": [{"title": t, "url": u, "targetBlank": False} for t, u in to]}]
    return {"matcher": {"id": "byName", "options": heading}, "properties": properties}


def colours(of):
    return [{"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]}
            for name, colour in of.items()]


def timeline(title, says, expr, legend, of, *, size=(12, 8), **more):
    """A bar for each name while it holds."""
    options = {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left",
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}, "tooltip": {"mode": "single", "sort": "none"}}
    return panel("state-timeline", title, says, size, [(expr, legend)], options, "none", custom={"lineWidth": 0, "fillOpacity": 80},
                 overrides=colours(of), color={"mode": "fixed", "fixedColor": "orange"}, **more)


def heat(title, says, expr, unit, *, size=(12, 9), **more):
    options = {"calculate": False, "cellGap": 1, "cellValues": {"unit": "short"}, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64,
               "exponent": 0.5, "fill": "dark-orange", "scale": "exponential", "reverse": False}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
               "filterValues": {"le": 1e-9}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
               "tooltip": {"mode": "single", "yHistogram": True}, "yAxis": {"unit": unit, "axisPlacement": "left"}}
    target = {"expr": expr, "format": "heatmap", "legendFormat": "{{le}}", "range": True}
    return panel("heatmap", title, says, size, [target], options, unit, **more)


def row(title, **more):
    return {"type": "row", "title": title, "gridPos": {"w": 24, "h": 1}, "collapsed": False, "panels": []} | more


def placed(panels):
    """From left to right, and down where a line is full; numbered."""
    x = y = height = 0
    for number, p in enumerate(panels, 1):
        size = p["gridPos"]
        if x + size["w"] > 24:
            x, y, height = 0, y + height, 0
        p["gridPos"] = {"x": x, "y": y, "w": size["w"], "h": size["h"]}
        x, height = x + size["w"], max(height, size["h"])
        yield {"id": number} | p


def variable(name, label, says, query, *, multi=True):
    every = {"includeAll": True, "allValue": ".*", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}} if multi else {
        "includeAll": False, "current": {"selected": False, "text": "", "value": ""}}
    return {"type": "query", "name": name, "label": label, "description": says, "datasource": SOURCE,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": multi, "hide": 0, "skipUrlSync": False, "regex": "", "options": []} | every


SOURCE_VARIABLE = {"type": "datasource", "name": "datasource", "label": "Prometheus", "description": "Where lastbeat's metrics are kept.",
                   "query": "prometheus", "current": {"selected": True, "text": "${DS_PROMETHEUS}", "value": "${DS_PROMETHEUS}"}, "hide": 0,
                   "includeAll": False, "multi": False, "refresh": 1, "regex": "", "skipUrlSync": False, "options": []}
JOB_VARIABLE = variable("job", "job", "The scrape job of lastbeat; Fly's Prometheus has none.", "label_values(lastbeat_build_info, job)")
MONITOR_VARIABLE = variable("monitor", "lastbeat", "Each lastbeat has its own counts: choose one of several that watch the same stream.",
                            'label_values(lastbeat_build_info{job=~"$job"}, instance)')
REGION_VARIABLE = variable("region", "region", "Regions with at least one entry.",
                           f'label_values(lastbeat_instances{{{MONITOR}, target_app=~"$app"}}, target_region)')


def app_variable(multi):
    return variable("app", "app", "Apps with at least one entry.", f"label_values(lastbeat_entries_total{{{MONITOR}}}, target_app)", multi=multi)


def annotation(name, colour, expr, title, text, **more):
    return {"name": name, "enable": True, "hide": False, "iconColor": colour, "datasource": SOURCE, "expr": expr, "step": "10s",
            "titleFormat": title, "textFormat": text} | more


ANNOTATIONS = [
    annotation("incidents", "red", f"sum by (scope) (lastbeat_incidents{{{MONITOR}}}) > 0", "Incident: {{scope}}", "An incident at this scope is open."),
    annotation("blind", "purple", f"sum by (reason) (rate(lastbeat_blind_seconds_total{{{MONITOR}}}{RATE})) > 0", "Blind: {{reason}}",
               "A heartbeat could have passed unseen: this time counts for no target."),
    annotation("starts", "blue", f"(process_start_time_seconds{{{MONITOR}}} and on (job, instance) lastbeat_build_info) * 1000", "lastbeat started", "{{instance}}",
               useValueForTime="on"),
]


def dashboard(uid, title, says, variables, panels):
    others = [link(name, f"/d/{to}", includeVars=True, keepTime=True, icon="dashboard") for to, name in TITLES.items() if to != uid]
    head = {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "description": "The data source that scrapes lastbeat.", "type": "datasource",
                      "pluginId": "prometheus", "pluginName": "Prometheus"}],
        "__requires": [{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
                       {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}],
        "uid": uid, "title": title, "description": says, "tags": ["lastbeat"], "schemaVersion": 39, "version": 1, "editable": True,
        "graphTooltip": 1, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "fiscalYearStartMonth": 0,
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "links": others + [link("What to do", ARGS.runbook, targetBlank=True)],
    }
    return head | {"annotations": {"list": ANNOTATIONS}, "templating": {"list": [SOURCE_VARIABLE, *variables]}, "panels": list(placed(panels))}


TITLES = {"lastbeat-overview": "lastbeat: overview", "lastbeat-app": "lastbeat: one app", "lastbeat-itself": "lastbeat: itself"}


def overview():
    silent = (f"(max by ({WHO}) (time() - lastbeat_heartbeat_last_seen_timestamp_seconds{{{BOTH}}}) unless on ({WHO}) "
              f"max by ({WHO}) (lastbeat_heartbeat_due_timestamp_seconds{{{BOTH}}})) and on (target_app, target_region) "
              f'(sum by (target_app, target_region) (lastbeat_instances{{{BOTH}, verdict=~"silent|never-seen"}}) > 0)')
    due = f"bottomk(20, max by ({WHO}) (lastbeat_heartbeat_due_timestamp_seconds{{{BOTH}}} - time()))"
    who = [("target_app", "app", None, None, [("Beats of this app", "/d/lastbeat-app?${__url_time_range}&${job:queryparam}&${monitor:queryparam}&var-app=${__value.raw}")]),
           ("target_region", "region"), ("target_instance", "instance"), ("beat", "beat")]
    return dashboard("lastbeat-overview", TITLES["lastbeat-overview"], "Silent logs, and the hop that went quiet.",
                     [JOB_VARIABLE, MONITOR_VARIABLE, app_variable(True), REGION_VARIABLE], [
        stat("Last entry", "Time since the last entry of any instance. Beyond [stream] max_gap (60s) the stream is stalled, and no single instance is reported.",
             f"time() - max(lastbeat_stream_last_seen_timestamp_seconds{{{MONITOR}}})", "s", [("orange", 30), ("red", 60)], decimals=0,
             noValue="nothing yet", alert="LastbeatStreamStalled", to=[TO_ITSELF]),
        stat("Lag, 95%", "Delay of entries behind their own time. Beyond [stream] max_lag (2m) the stream lags, and no instance is reported as silent for it.",
             quantile(0.95, "stream_lag_seconds"), "s", [("orange", 30), ("red", 120)], noValue="nothing yet", alert="LastbeatStreamLags"),
        stat("Silent instances", "Silent for longer than their rule allows, or expected and never seen.",
             f'sum(lastbeat_instances{{{BOTH}, verdict=~"silent|never-seen"}}) or vector(0)', "short", [("red", 1)], alert="LastbeatInstanceSilent"),
        stat("Open incidents", "One cause is one incident, at any scope.", f"sum(lastbeat_incidents{{{MONITOR}}}) or vector(0)", "short",
             [("red", 1)], alert="LastbeatWideSilence"),
        stat("Alerts pending", "Beyond max_gap, and pending for the rule's `for`.",
             f'sum(lastbeat_alerts{{{MONITOR}, state="pending"}}) or vector(0)', "short", [("orange", 1)]),
        stat("Blind, last hour", "Time of the last hour in which a heartbeat could have passed unseen. It counts for no target and delays alerts by as much.",
             f"sum(increase(lastbeat_blind_seconds_total{{{MONITOR}}}[1h])) or vector(0)", "s", [("orange", 60), ("red", 600)], alert="LastbeatBlind", to=[TO_ITSELF]),
        stat("NATS", "Connected to the log stream and subscribed. The states below show the reason if not.", f"min(lastbeat_nats_connected{{{MONITOR}}})", "none",
             [("green", 1)], alert="LastbeatDisconnected", to=[TO_ITSELF],
             mappings=[{"type": "value", "options": {"0": {"text": "not connected", "color": "red"}, "1": {"text": "connected", "color": "green"}}}]),
        stat("Canary, 95%", "Round trip: time from lastbeat's own heartbeat to its return through every hop. Empty without a canary.",
             quantile(0.95, "canary_round_trip_seconds"), "s", [("orange", 5), ("red", 30)], noValue="no canary", alert="LastbeatCanariesLost"),
        table("Silent first", "Longest first: instances without a deadline, in apps and regions with a silent instance. Instances there that stopped on purpose are listed too.",
              [silent], [("Value", "silent for", "s", "red"), *who], sort=("silent for", True), alert="LastbeatInstanceSilent", noValue="nothing is silent"),
        table("Due next", "Alerts that fire next unless a heartbeat arrives first. In listened time: a blind second postpones them.", [due],
              [("Value", "fires in", "s"), *who], sort=("fires in", False), noValue="nothing is due"),
        row("The map"),
        graph("Quiet for, by app", "Time since the last heartbeat of any instance of the app. A sawtooth is healthy; a ramp is silence.",
              [(f"min by (target_app) (time() - lastbeat_heartbeat_last_seen_timestamp_seconds{{{BOTH}}})", "{{target_app}}")], "s", to=[TO_APP]),
        graph("Quiet for, by region", "Time since the last entry of any instance in the region. If one region ramps and others do not, that region's logs do not arrive.",
              [(f'min by (target_region) (time() - lastbeat_region_last_seen_timestamp_seconds{{{MONITOR}, target_region=~"$region"}})', "{{target_region}}")], "s",
              to=[TO_REGION], alert="LastbeatWideSilence"),
        graph("Instances by verdict", "Unknown is neither live nor silent: lastbeat was blind for too long to judge.",
              [(f"sum by (verdict) (lastbeat_instances{{{BOTH}}}) > 0", "{{verdict}}")], "short", stack=True, overrides=colours(VERDICTS)),
        graph("Incidents by scope", "Open incidents by scope.", [(f"sum by (scope) (lastbeat_incidents{{{MONITOR}}})", "{{scope}}")], "short",
              stack=True, alert="LastbeatWideSilence"),
        graph("Alerts", "Pending and firing, by rule.", [(f'sum by (rule, state) (lastbeat_alerts{{{MONITOR}, state!="ok"}})', "{{rule}}: {{state}}")], "short"),
        graph("Heartbeats lost on the way", "Holes in seq=. Single ones are normal: the stream delivers at most once.",
              [(f'sum by (target_app) (increase(lastbeat_heartbeats_lost_total{{{MONITOR}, target_app=~"$app"}}{RATE}))', "{{target_app}}")], "short", to=[TO_APP]),
        row("Detection"),
        graph("Detection time", "Time from the last heartbeat to the notification, by rule: the middle and the 99th percentile.",
              [(f'histogram_quantile({q}, sum by (le, rule) (increase(lastbeat_detection_seconds_bucket{{{MONITOR}, since="heartbeat"}}[1d])))', f"{{{{rule}}}}: {name}")
               for q, name in ((0.5, "half"), (0.99, "99%"))], "s"),
        graph("Delay after the deadline", "Time from the deadline to the notification, by rule, 99th percentile.",
              [(f'histogram_quantile(0.99, sum by (le, rule) (increase(lastbeat_detection_seconds_bucket{{{MONITOR}, since="deadline"}}[1d])))', "{{rule}}")], "s"),
        graph("False alarms", "Alerts of targets that were alive, in a day, by rule and reason.",
              [(f"sum by (rule, reason) (increase(lastbeat_false_alarms_total{{{MONITOR}}}[1d]))", "{{rule}}: {{reason}}")], "short"),
        graph("Lost heartbeats", "Share of lost heartbeats of the last day, by app, from holes in seq=.",
              [(f'max by (target_app) (lastbeat_lost_beats_ratio{{{MONITOR}, target_app=~"$app"}})', "{{target_app}}")], "percentunit", to=[TO_APP]),
        graph("Heartbeats that must be lost", "Under max_gap = \"auto\", by rule: 3, or more where the budget of false alarms needs it.",
              [(f"max by (rule) (lastbeat_max_gap_factor{{{MONITOR}}})", "{{rule}}")], "short"),
        row("The stream"),
        timeline("State of the connection", "One state at a time. Stalled: connected, and nothing arrives. Backing off: no connection.",
                 f"max by (state) (lastbeat_nats_state{{{MONITOR}}}) > 0", "{{state}}", STATES, alert="LastbeatDisconnected", to=[TO_ITSELF]),
        graph("Listened and blind", "Share of each second. Both add up to one: time is either listened, or blind with a reason.",
              [(f"sum(rate(lastbeat_listened_seconds_total{{{MONITOR}}}{RATE}))", "listened"),
               (f"sum by (reason) (rate(lastbeat_blind_seconds_total{{{MONITOR}}}{RATE}))", "blind: {{reason}}")], "short", size=(12, 8), stack=True,
              overrides=colours({"listened": "green"}), alert="LastbeatBlind"),
        graph("Lag", "Time from an entry's timestamp to its arrival. The limit is [stream] max_lag.",
              [(quantile(q, "stream_lag_seconds"), name) for q, name in ((0.5, "half"), (0.95, "95%"), (0.99, "99%"))], "s", steps=[("red", 120)],
              alert="LastbeatStreamLags"),
        graph("Canary", "Round trip of lastbeat's own heartbeats, and those that did not come back although the connection stood.",
              [(quantile(0.95, "canary_round_trip_seconds"), "round trip, 95%"), (f"sum(increase(lastbeat_canaries_lost_total{{{MONITOR}}}{RATE}))", "lost")], "s",
              overrides=[column(None, "lost", "short")], alert="LastbeatCanariesLost"),
        graph("Entries per second", "The ten apps with the most entries.", [(f"topk(10, sum by (target_app) (rate(lastbeat_entries_total{{{MONITOR}, target_app=~\"$app\"}}{RATE})))", "{{target_app}}")],
              "cps", to=[TO_APP]),
    ])


def app():
    seen = f"time() - max by ({WHO}) (lastbeat_heartbeat_last_seen_timestamp_seconds{{{BOTH}}})"
    gap = f"max by ({WHO}) (lastbeat_heartbeat_max_gap_seconds{{{BOTH}}})"
    due = f"max by ({WHO}) (lastbeat_heartbeat_due_timestamp_seconds{{{BOTH}}}) - time()"
    only = f'{MONITOR}, target_app=~"$app"'
    beats = f"increase(lastbeat_heartbeat_interval_seconds_bucket{{{only}}}{RATE})"
    name = "{{target_region}}/{{target_instance}} {{beat}}"
    return dashboard("lastbeat-app", TITLES["lastbeat-app"], "One app: its instances, the regularity of their heartbeats, and the next deadlines.",
                     [JOB_VARIABLE, MONITOR_VARIABLE, app_variable(False), REGION_VARIABLE], [
        *(stat(f"{verdict.capitalize()}", says, f'sum(lastbeat_instances{{{BOTH}, verdict="{verdict}"}}) or vector(0)', "short", steps, size=(4, 4), alert=alert)
          for verdict, says, steps, alert in (
            ("live", "Instances with a sign of life within their max_gap.", (), None),
            ("late", "Beyond max_gap, and pending for the rule's `for`.", [("yellow", 1)], None),
            ("silent", "Silent for longer than the rule allows.", [("red", 1)], "LastbeatInstanceSilent"),
            ("never-seen", "Expected, or started according to the inventory, and never seen.", [("red", 1)], "LastbeatInstanceSilent"),
            ("stopped", "On purpose: bye, autostop, a deploy, or scaled down.", (), None),
            ("unknown", "lastbeat was blind for too long to judge.", [("purple", 1)], "LastbeatBlind"))),
        heat("Intervals between beats", "Each cell counts the heartbeats that came after this interval. One bright line is healthy; a second one above it is skipped heartbeats.",
             f"sum by (le) ({beats})", "s"),
        graph("Interval and limit", "Mean time between two heartbeats of one instance, and the shortest silence that fires. The intervals to the left show how far single ones lie from the mean.",
              [(f"sum(rate(lastbeat_heartbeat_interval_seconds_sum{{{only}}}{RATE})) / sum(rate(lastbeat_heartbeat_interval_seconds_count{{{only}}}{RATE}))", "mean interval"),
               (f"min(lastbeat_heartbeat_max_gap_seconds{{{BOTH}}})", "shortest limit")], "s", size=(12, 9)),
        table("Instances", "Every heartbeat of the app. Without a deadline: silent, or stopped on purpose.", [seen, gap, due],
              [("target_region", "region"), ("target_instance", "instance"), ("beat", "beat"), ("Value #A", "last beat ago", "s"),
               ("Value #B", "allowed", "s"), ("Value #C", "fires in", "s"), ("target_app", "app", None, None, [TO_OVERVIEW])], size=(24, 10),
              sort=("last beat ago", True), alert="LastbeatInstanceSilent", noValue="no heartbeats yet: add one line"),
        row("Region $region", repeat="region"),
        graph("Since the last beat", "By instance, the fifty longest. A sawtooth is healthy; a ramp is silence.", [(f"topk(50, {seen})", name)], "s", to=[TO_OVERVIEW]),
        graph("Fires in", "Time until the alert fires, by instance, the fifty nearest. It fires at zero; a line that ends has fired or stopped.",
              [(f"bottomk(50, {due})", name)], "s", steps=[("red", 0)]),
        graph("Since the last entry", "Time since the last entry of any kind, by instance. An instance with entries and without heartbeats has a hung heartbeat.",
              [(f"topk(50, time() - max by (target_region, target_instance) (lastbeat_log_last_seen_timestamp_seconds{{{BOTH}}}))", "{{target_region}}/{{target_instance}}")], "s"),
        row("The app"),
        graph("Instances by verdict", "Number of instances by verdict.", [(f"sum by (verdict) (lastbeat_instances{{{BOTH}}}) > 0", "{{verdict}}")], "short",
              stack=True, overrides=colours(VERDICTS)),
        graph("Heartbeats per second", "Arrived heartbeats, and lost ones, known by a hole in seq=.",
              [(f"sum(rate(lastbeat_heartbeats_total{{{only}}}{RATE}))", "arrived"), (f"sum(rate(lastbeat_heartbeats_lost_total{{{only}}}{RATE}))", "lost")], "cps"),
        graph("Entries", "Volume of the app's log, in bytes of payloads.", [(f"sum by (target_app) (rate(lastbeat_entry_bytes_total{{{only}}}{RATE}))", "{{target_app}}")],
              "Bps", to=[TO_OVERVIEW]),
    ])


def itself():
    process = f"{{{MONITOR}}} and on (job, instance) lastbeat_build_info"
    return dashboard("lastbeat-itself", TITLES["lastbeat-itself"], "lastbeat itself: reception, delivery of notifications, and cost.", [JOB_VARIABLE, MONITOR_VARIABLE], [
        stat("Version", "Version and revision in use.", f"lastbeat_build_info{{{MONITOR}}}", "none", legend="{{version}} {{revision}}", text="name", alert="LastbeatAbsent"),
        stat("Running for", "Time since the start.", f"time() - (process_start_time_seconds{process})", "s", legend="{{instance}}", decimals=0),
        stat("Rules in force", "Number of rules, without the stream's own.", f"max(lastbeat_rules{{{MONITOR}}})", "short"),
        stat("Last rules read", "Refused: a faulty set changed nothing, and the previous set stays in force.", f"min(lastbeat_rules_last_reload_successful{{{MONITOR}}})", "none",
             alert="LastbeatRulesRefused",
             mappings=[{"type": "value", "options": {"0": {"text": "refused", "color": "red"}, "1": {"text": "in force", "color": "green"}}}]),
        stat("Rules changed", "Time of the last reload.", f"max(lastbeat_rules_last_reload_timestamp_seconds{{{MONITOR}}}) * 1000", "dateTimeFromNow"),
        stat("State", "Written: a restart forgets nothing. From memory: a restart would forget.", f"min(lastbeat_store_writable{{{MONITOR}}})", "none",
             alert="LastbeatStateNotKept", mappings=[{"type": "value", "options": {"0": {"text": "from memory", "color": "red"}, "1": {"text": "written", "color": "green"}}}]),
        stat("Notifications waiting", "Not yet accepted by their notifier.", f"sum(lastbeat_notices_pending{{{MONITOR}}}) or vector(0)", "short", [("orange", 1), ("red", 10)],
             alert="LastbeatNoticesStuck"),
        stat("Series left out", "Series of single instances beyond LASTBEAT_MAX_SERIES. Sums by app stay exact.", f"max(lastbeat_series_suppressed{{{MONITOR}}})", "short",
             [("orange", 1)], alert="LastbeatSeriesLeftOut"),
        row("Log shippers"),
        timeline("State of the shippers", "One state of each at a time. Stalled: entries do not reach the sink. Unseen: the sink cannot be queried. Blind: lastbeat proves nothing at the moment.",
                 f"max by (downstream, state) (lastbeat_downstream_state{{{MONITOR}}}) > 0", "{{downstream}}: {{state}}", {}, alert="LastbeatDownstreamBroken"),
        graph("Delay to the sink", "Time from an entry's arrival here to its arrival in the sink, at most an interval of the queries too long; and what is allowed.",
              [(f"max by (downstream) (lastbeat_downstream_delay_seconds{{{MONITOR}}})", "{{downstream}}"),
               (f"max by (downstream) (lastbeat_downstream_max_delay_seconds{{{MONITOR}}})", "{{downstream}}: allowed")], "s", size=(6, 8)),
        graph("Canaries lost", "Canaries that the sink lacks though later ones arrived, and queries by outcome.",
              [(f"sum by (downstream) (increase(lastbeat_downstream_lost_total{{{MONITOR}}}{RATE}))", "{{downstream}}: lost"),
               (f"sum by (downstream, outcome) (increase(lastbeat_downstream_queries_total{{{MONITOR}}}{RATE}))", "{{downstream}}: {{outcome}}")], "short", size=(6, 8)),
        graph("Forwarded by lastbeat", "Entries that lastbeat ships itself, by outcome, and times that the archive deleted some before.",
              [(f"sum by (downstream, outcome) (rate(lastbeat_forward_entries_total{{{MONITOR}}}{RATE}))", "{{downstream}}: {{outcome}}"),
               (f"sum by (downstream) (increase(lastbeat_forward_overtaken_total{{{MONITOR}}}{RATE}))", "{{downstream}}: overtaken")], "cps",
              alert="LastbeatForwardOvertaken", size=(6, 8)),
        row("Archive"),
        graph("Archived", "Entries written to the archive per second, and those that it lost by reason: its queue was full, or the disk takes nothing.",
              [(f"sum(rate(lastbeat_archive_entries_total{{{MONITOR}}}{RATE}))", "written"),
               (f"sum by (reason) (rate(lastbeat_archive_lost_entries_total{{{MONITOR}}}{RATE}))", "lost: {{reason}}")], "short", size=(12, 8)),
        graph("Size of the archive", "Bytes of all segments. The oldest are deleted at [archive] max_size, max_age and min_free.",
              [(f"sum(lastbeat_archive_bytes{{{MONITOR}}})", "archive")], "bytes", size=(6, 8)),
        graph("Reach of the archive", "Time that it reaches back. 0: there is none.",
              [(f"max((time() - lastbeat_archive_oldest_timestamp_seconds{{{MONITOR}}}) * (lastbeat_archive_oldest_timestamp_seconds{{{MONITOR}}} > bool 0))", "reaches back")], "s", size=(6, 8)),
        row("Notifications"),
        graph("Deliveries", "Attempts by notifier and outcome.",
              [(f"sum by (notifier, outcome) (increase(lastbeat_notices_total{{{MONITOR}}}{RATE}))", "{{notifier}}: {{outcome}}")], "short", alert="LastbeatNoticesLost"),
        graph("Delay of notifications", "Time from the deadline to the receiver's 2xx. The goal is 1.5 s while everything works.",
              [(quantile(q, "notice_delay_seconds", "notifier"), "{{notifier}} " + n) for q, n in ((0.5, "half"), (0.95, "95%"))], "s", steps=[("red", 1.5)], lines=True),
        graph("Oldest notification waiting", "Age of the oldest one, by notifier.", [(f"max by (notifier) (lastbeat_notice_oldest_pending_seconds{{{MONITOR}}})", "{{notifier}}")], "s",
              steps=[("red", 300)], lines=True, alert="LastbeatNoticesStuck"),
        graph("Watchdog", "Pings to the external watchdogs.",
              [(f"sum by (way, outcome) (increase(lastbeat_watchdog_pings_total{{{MONITOR}}}{RATE}))", "{{way}}: {{outcome}}")], "short", alert="LastbeatWatchdogUnreached"),
        row("Reception"),
        timeline("State of the connection", "One state at a time. Stalled: connected, and nothing arrives. Backing off: no connection.",
                 f"max by (state) (lastbeat_nats_state{{{MONITOR}}}) > 0", "{{state}}", STATES, alert="LastbeatDisconnected", to=[TO_OVERVIEW], size=(8, 8)),
        graph("Reconnects and repairs", "New connections by the end of the previous one, and fresh subscriptions against a stall by their result.",
              [(f"sum by (reason) (increase(lastbeat_nats_reconnects_total{{{MONITOR}}}{RATE}))", "{{reason}}"),
               (f"sum by (outcome) (increase(lastbeat_nats_heal_attempts_total{{{MONITOR}}}{RATE}))", "heal: {{outcome}}")], "short", alert="LastbeatDisconnected"),
        graph("NATS round trip", "Round trip to the server.", [(f"max by (instance) (lastbeat_nats_rtt_seconds{{{MONITOR}}})", "{{instance}}")], "s"),
        graph("Dropped and rejected", "Messages dropped before evaluation count as blind. Rejected ones could not be read, as a whole or in part.",
              [(f"sum(rate(lastbeat_nats_dropped_messages_total{{{MONITOR}}}{RATE}))", "dropped"),
               (f"sum by (reason) (rate(lastbeat_entries_rejected_total{{{MONITOR}}}{RATE}))", "{{reason}}")], "cps", alert="LastbeatBlind"),
        graph("Inventory", "Polls by source and outcome. A failed poll means that nothing is known, never that no machine exists.",
              [(f"sum by (source, outcome) (increase(lastbeat_inventory_polls_total{{{MONITOR}}}{RATE}))", "{{source}}: {{outcome}}"),
               (f"sum(increase(lastbeat_inventory_unreadable_items_total{{{MONITOR}}}{RATE}))", "unreadable items")], "short", alert="LastbeatInventoryStale"),
        graph("Machines", "Machines in the inventory's last answer, by state.", [(f"max by (listed) (lastbeat_inventory_machines{{{MONITOR}}})", "{{listed}}")], "short"),
        row("Cost"),
        graph("Event loop", "Evaluation of all deadlines: its duration and its lateness.",
              [(quantile(0.99, "evaluation_seconds"), "took, 99%"), (quantile(0.99, "evaluation_lateness_seconds"), "late, 99%")], "s", alert="LastbeatLate"),
        graph("CPU", "Cores in use.", [(f"rate(process_cpu_seconds_total{{{MONITOR}}}{RATE}) and on (job, instance) lastbeat_build_info", "{{instance}}")], "percentunit"),
        graph("Memory", "Resident memory.", [(f"process_resident_memory_bytes{process}", "{{instance}}")], "bytes"),
        graph("State file", "Duration of a checkpoint, and errors by reason.",
              [(quantile(0.99, "store_checkpoint_seconds"), "checkpoint, 99%"), (f"sum by (reason) (increase(lastbeat_store_errors_total{{{MONITOR}}}{RATE}))", "{{reason}}")],
              "s", alert="LastbeatStateNotKept"),
        graph("Size of the state file", "Size with its write-ahead log.", [(f"max by (instance) (lastbeat_store_bytes{{{MONITOR}}})", "{{instance}}")], "bytes"),
        graph("HTTP", "Open files, tasks on the event loop's thread, and scrapes that it did not answer in time. A line that only grows is a leak.",
              [(f"process_open_fds{process}", "open files"), (f"max by (instance) (lastbeat_core_tasks{{{MONITOR}}})", "tasks"),
               (f"sum(increase(lastbeat_scrapes_incomplete_total{{{MONITOR}}}{RATE}))", "incomplete scrapes")], "short"),
    ])


def text(board):
    """Compact, and still one change a line: each key of a dashboard and of a panel on its own."""
    one = lambda value: json.dumps(value, ensure_ascii=False)
    lines = lambda pairs, pad: ",\n".join(f"{pad}{one(key)}: {value}" for key, value in pairs)
    panels = ",\n".join("    {\n" + lines(((k, one(v)) for k, v in p.items()), "      ") + "\n    }" for p in board["panels"])
    rows = [(key, one(value)) for key, value in board.items() if key != "panels"] + [("panels", f"[\n{panels}\n  ]")]
    return "{\n" + lines(rows, "  ") + "\n}\n"


def arguments():
    parser = argparse.ArgumentParser(description="Writes the dashboards and alerts.yml.")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent, metavar="FOLDER")
    parser.add_argument("--runbook", default=RUNBOOK, metavar="URL")
    return parser.parse_args()


if __name__ == "__main__":
    ARGS = arguments()
    for name, board in (("overview", overview()), ("app", app()), ("lastbeat", itself())):
        (ARGS.folder / f"{name}.json").write_text(text(board), encoding="utf-8")
    alerts = (pathlib.Path(__file__).parent / "alerts.yml").read_text(encoding="utf-8")
    alerts = re.sub(r"(runbook_url: )\S+(?=#)", lambda found: found[1] + ARGS.runbook, alerts)
    (ARGS.folder / "alerts.yml").write_text(alerts, encoding="utf-8")
