// The live tail: entries of /api/logs as they pass. What they say becomes text nodes, whatever is in it.
'use strict';

const LINES = 1000; // kept, and as many wait to be shown
const LINE_CHARS = 4000;
const SHOW_EVERY_MS = 150;
const TAIL_PARTS = ['app', 'region', 'instance', 'q'];

const tail = {source: null, waiting: [], paused: false, meanwhile: 0, lost: 0, skipped: 0, timer: null, typed: null};

// ---- colours ----

/** The nearest of the eight colours that a line is shown in. */
function nearest(red, green, blue) {
  const most = Math.max(red, green, blue);
  return most < 64 ? 0 : (red > most / 2) + 2 * (green > most / 2) + 4 * (blue > most / 2);
}

function colourOf(number) {
  if (number < 16 || number > 231) return number > 231 ? 7 : number % 8;
  return nearest(...[36, 6, 1].map((by) => (Math.floor((number - 16) / by) % 6) * 51));
}

/** Takes the numbers of one SGR sequence into a style. Backgrounds are left out: nothing is to be unreadable. */
function sgr(style, numbers) {
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at];
    if (code === 38 || code === 48) {
      const is256 = numbers[at + 1] === 5;
      const [red, green, blue] = numbers.slice(at + 2);
      const colour = is256 ? colourOf(red ?? 0) : nearest(red ?? 0, green ?? 0, blue ?? 0);
      if (code === 38) style.f = colour;
      at += is256 ? 2 : 4;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style.f = code % 10;
    else if (code === 39) delete style.f;
    else if (code === 0) ['f', 'bold', 'under'].forEach((key) => delete style[key]);
    else if (code === 1 || code === 4) style[code === 1 ? 'bold' : 'under'] = '';
    else if (code === 22 || code === 24) delete style[code === 22 ? 'bold' : 'under'];
  }
}

/** Control characters as pictures of them; what turns the order of letters around is shown as unknown. */
const visible = (text) => text
  .replace(/[\0-\x08\x0b-\x1f\x7f]/g, (c) => String.fromCharCode(c === '\x7f' ? 0x2421 : 0x2400 + c.charCodeAt(0)))
  .replace(/[\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');

/** A text with terminal colours as nodes; other terminal sequences are left out. */
function coloured(text) {
  const style = {};
  const nodes = [];
  const sequence = /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/g;
  let from = 0;
  const add = (piece) => {
    if (!piece) return;
    const kinds = Object.entries(style).map(([key, value]) => `sgr-${key}${value}`);
    nodes.push(kinds.length ? el('span', {class: kinds.join(' ')}, visible(piece)) : document.createTextNode(visible(piece)));
  };
  for (const found of text.matchAll(sequence)) {
    add(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[1] !== undefined) sgr(style, found[1].split(/[;:]/).map(Number));
  }
  add(text.slice(from));
  return nodes;
}

// ---- lines ----

/** What an entry's payload says: its message and level where it is the platform's JSON, else all of it. */
function saidIn(payload) {
  try {
    const entry = JSON.parse(payload);
    if (typeof entry?.message === 'string') return [entry.message, String(entry.log?.level ?? '')];
  } catch { /* It is plain text. */ }
  return [payload, ''];
}

/** An entry as a line: its arrival, where it is from, its level, and its message. */
function entryLine(at, subject, payload) {
  const [said, level] = saidIn(payload);
  const cut = said.length > LINE_CHARS ? `${said.slice(0, LINE_CHARS)} … (${said.length} characters)` : said;
  const name = subject.split('.').slice(1).join('/');
  const date = new Date(at);
  const bad = /^(err|fatal|crit|alert|emerg|panic)/i.test(level);
  return el('div', {class: bad ? 'bad' : null}, el('time', {datetime: date.toISOString(), title: date.toISOString()},
    clock(date)), name && el('b', {}, visible(name)),
  level && level !== 'info' ? el('i', {}, visible(level)) : null, el('span', {}, ...coloured(cut)));
}

function tailLine(data) {
  const frame = JSON.parse(data);
  return entryLine(frame.timestamp, String(frame.subject ?? ''), String(frame.message));
}

function addLines(nodes) {
  const list = $('tail-lines');
  const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
  list.append(...nodes);
  const most = list.children.length - LINES;
  for (let at = 0; at < most; at += 1) list.firstElementChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

/** A line of our own between those of the stream. */
const remark = (text) => addLines([el('div', {class: 'remark'}, text)]);

function showTail() {
  tail.timer = null;
  if (!tail.paused && !document.hidden && tail.waiting.length) addLines(tail.waiting.splice(0).map(tailLine));
  sayTail();
}

function sayTail() {
  const words = [];
  if (!tail.source) words.push('stopped');
  else words.push({0: tail.opened ? 'NOT CONNECTED, trying again' : 'connecting', 1: tail.paused ? 'paused' : 'following', 2: 'NOT CONNECTED'}[tail.source.readyState]);
  if (tail.paused) words.push(`${tail.meanwhile} came meanwhile`);
  if (tail.lost) words.push(`${tail.lost} lost: this reader was too slow`);
  if (tail.skipped) words.push(`${tail.skipped} not shown: they came faster than a page shows, set a filter`);
  put($('tail-said'), words.join(' · '));
  put($('tail-pause'), tail.paused ? 'Go on' : 'Pause');
  put($('tail-go'), tail.source ? 'Stop' : 'Follow');
  $('tail-pause').disabled = !tail.source;
}

function soon() {
  tail.timer ??= setTimeout(showTail, SHOW_EVERY_MS);
}

/** Frames of entries wait unread: a thousand of them are read at most, however many come. */
function heardTail({data}) {
  if (data.includes('"type":"log"')) {
    tail.waiting.push(data);
    if (tail.paused) tail.meanwhile += 1;
    if (tail.waiting.length > LINES) {
      tail.waiting.shift();
      if (!tail.paused) tail.skipped += 1;
    }
  } else {
    const frame = JSON.parse(data);
    tail.lost += frame.lost ?? 0;
    remark(visible(String(frame.message)));
  }
  soon();
}

function follow() {
  tail.source?.close();
  const query = new URLSearchParams({subject: 1});
  for (const part of TAIL_PARTS) if ($(`tail-${part}`).value.trim()) query.set(part, $(`tail-${part}`).value.trim());
  tail.source = new EventSource(`/api/logs?${query}`);
  tail.source.addEventListener('message', heardTail);
  for (const event of ['open', 'error']) tail.source.addEventListener(event, sayTail);
  // It is said to follow once its request stands: what passes from then on is shown.
  const source = tail.source;
  source.addEventListener('open', () => {
    if (source !== tail.source) return;
    tail.opened = true;
    remark(`following ${wanted || 'everything'}`);
    sayTail();
  }, {once: true});
  query.delete('subject');
  const wanted = [...query].map(([part, value]) => `${part === 'q' ? 'text' : part} ${value}`).join(', ');
  Object.assign(tail, {waiting: [], meanwhile: 0, lost: 0, skipped: 0, opened: false});
  sayTail();
}

function unfollow() {
  tail.source?.close();
  Object.assign(tail, {source: null, paused: false, waiting: []});
  sayTail();
}

/** Follows one instance. */
function followOne({app, region, instance}) {
  for (const [part, value] of Object.entries({app, region, instance})) $(`tail-${part}`).value = quoted(value);
  $('tail-q').value = '';
  tail.paused = false;
  follow();
  $('tail-part').scrollIntoView();
  $('tail-title').focus();
}

$('tail-form').addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(tail.typed);
  if (tail.source) unfollow();
  else follow();
});
$('tail-form').addEventListener('input', () => {
  clearTimeout(tail.typed);
  if (tail.source) tail.typed = setTimeout(follow, 500);
});
$('tail-pause').addEventListener('click', () => {
  tail.paused = !tail.paused;
  tail.meanwhile = 0;
  showTail();
});
$('tail-clear').addEventListener('click', () => {
  $('tail-lines').replaceChildren();
  Object.assign(tail, {waiting: [], meanwhile: 0, lost: 0, skipped: 0});
  sayTail();
});
document.addEventListener('visibilitychange', () => document.hidden || soon());
