// When the beats of one instance came: a strip of rows, and the intervals in words.
'use strict';

const ROWS = 4;
const ROW_SECONDS = [60, 300, 900, 3600, 10800]; // a row is the shortest of these whose rows reach back to what is known
const STRIP = {left: 44, width: 316, row: 26, bar: 18};

/** An element of a picture. */
function svg(tag, attrs, ...kids) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  node.append(...kids);
  return node;
}

/** Stretches without a beat for longer than allowed, [from, to, blind], in Unix seconds. */
function gapsOf(times, most, until) {
  const blind = (state.status.blind_intervals ?? []).map((one) => [Date.parse(one.from) / 1000, Date.parse(one.to) / 1000]);
  const covered = (from, to) => blind.reduce((all, [a, b]) => all + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);
  const gaps = [];
  for (let at = 0; at < times.length; at += 1) {
    const [from, to] = [times[at], times[at + 1] ?? until];
    const unseen = to - from > most ? covered(from, to) : 0;
    if (to - from > most) gaps.push([from, to, to - from - unseen <= most]);
  }
  return gaps;
}

/** The strip of a beat with its legend; null where no time is known. */
function strip(beat, known) {
  const times = beat.times ?? [];
  if (!times.length) return null;
  const until = now() / 1000;
  const from = Math.min(Date.parse(known) / 1000, times[0]);
  const row = ROW_SECONDS.find((length) => length * ROWS >= until - from) ?? ROW_SECONDS.at(-1);
  const begins = until - row * ROWS;
  const gaps = gapsOf(times, beat.max_gap_seconds ?? Infinity, beat.verdict === 'stopped' ? times.at(-1) : until);
  const lengths = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
  const words = [`${times.length} beat${times.length === 1 ? '' : 's'} known since ${clock(from * 1000)}`];
  if (lengths.length) {
    words.push(`interval ${seconds(lengths[lengths.length >> 1])} in the middle, ${seconds(lengths.at(-1))} at the longest`);
  }
  const told = gaps.slice(-5).reverse().map(([a, b, blind]) => el('li', {},
    el('b', {class: blind ? 'v-unknown' : 'v-silent'}, blind ? '?' : '×'),
    ` ${clock(a * 1000)} to ${b === until ? 'now' : clock(b * 1000)}: ${seconds(b - a)} without a beat${blind ? ', lastbeat was blind' : ''}`));
  const picture = svg('svg', {class: 'strip', viewBox: `0 0 ${STRIP.left + STRIP.width} ${STRIP.row * ROWS}`, role: 'img',
    'aria-label': `${words.join('; ')}; ${gaps.length} longer than allowed`});
  for (let at = 0; at < ROWS; at += 1) picture.append(...stripRow(at, begins + at * row, row, {times, gaps, from, until}));
  return el('div', {}, picture, el('p', {class: 'note small'}, words.join('; '), '.'), told.length ? el('ul', {class: 'gaps'}, ...told) : null);
}

function stripRow(at, begins, row, {times, gaps, from, until}) {
  const top = at * STRIP.row;
  const x = (time) => STRIP.left + STRIP.width * Math.min(1, Math.max(0, (time - begins) / row));
  const box = (a, b, kind) => svg('rect', {class: kind, x: x(a).toFixed(1), y: top + 1, width: Math.max(1, x(b) - x(a)).toFixed(1), height: STRIP.bar});
  const within = ([a, b]) => b > begins && a < begins + row;
  const label = new Date(begins * 1000).toLocaleTimeString([], {hourCycle: 'h23', hour: '2-digit', minute: '2-digit'});
  const parts = [svg('text', {x: 0, y: top + 14}, label), box(begins, begins + row, 'bed')];
  if (from > begins) parts.push(box(begins, Math.min(from, begins + row), 'unknown'));
  for (const [a, b, blind] of gaps.filter(within)) {
    parts.push(box(a, b, blind ? 'blind' : 'gap'));
    if (x(b) - x(a) > 9) parts.push(svg('text', {class: blind ? 'blind' : 'gap', x: (x(a) + x(b)) / 2 - 4, y: top + 14}, blind ? '?' : '×'));
  }
  const own = times.filter((time) => time >= begins && time < begins + row);
  parts.push(svg('path', {class: 'beats', d: own.map((time) => `M${x(time).toFixed(1)} ${top + 3}v${STRIP.bar - 4}`).join('')}));
  if (until > begins && until <= begins + row) parts.push(svg('path', {class: 'now', d: `M${x(until).toFixed(1)} ${top}v${STRIP.bar + 2}`}));
  return parts;
}
