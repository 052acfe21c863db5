// The silence that each rule allows, the false alarms that lost heartbeats make of it, and how good the rules were.
'use strict';

async function askRules() {
  const {rules, thresholds} = await ask('/api/v1/rules');
  showWatched(rules?.rule ?? []);
  const rows = thresholds ?? [];
  $('rules-part').hidden = !rows.length;
  keep($('rules'), rows, (one) => one.rule, () => el('li', {}, el('span', {class: 'grow'}), el('span', {class: 'less'})),
    (row, one) => {
      const [what, noisy] = row.children;
      put(what, `${one.rule}: ${one.text}`);
      put(noisy, one.is_noisy ? 'more than one false alarm a week' : '');
    });
  const report = await ask('/api/v1/report');
  $('report-part').hidden = !report.rules.length;
  const within = (time) => (time ? `${seconds(time.p50_seconds)}, at worst ${seconds(time.worst_seconds)}` : 'unknown');
  keep($('report'), report.rules, (one) => one.rule, () => el('tr', {}, el('th', {scope: 'row'}), el('td'), el('td'), el('td'), el('td'), el('td')),
    (row, one) => {
      const cells = [one.rule, one.incidents, within(one.detection), within(one.delay), one.false_alarms, percent(one.query_accuracy)];
      cells.forEach((text, at) => put(row.children[at], String(text)));
    });
}

/** Which rule watches what; of several that match the first applies. */
function showWatched(rules) {
  const text = (value, any) => [value ?? []].flat().filter((one) => one !== '*').join(', ') || any;
  keep($('watched'), rules, (one) => one.name, () => el('tr', {}, el('th', {scope: 'row'}), el('td'), el('td'), el('td'), el('td')),
    (row, one) => {
      const what = one.min_rate ? `at least ${one.min_rate} of entries` : one.watch === 'logs' ? 'logs' : `heartbeats${one.beat && one.beat !== '*' ? ` ${one.beat}` : ''}`;
      const by = one.by && one.by !== 'instance' ? ` by ${one.by}` : '';
      const where = `${text(one.app, 'every app')} in ${text(one.region, 'every region')}${one.host ? `, host ${text(one.host, 'any')}` : ''}`;
      const cells = [one.name, `${what} of ${where}${by}`, one.min_rate ? '' : one.max_gap ?? '', one.severity ?? '', text(one.notify, 'all notifiers')];
      cells.forEach((cell, at) => put(row.children[at], String(cell)));
    });
}
