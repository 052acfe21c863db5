// Shows what /api/v1/ tells. Text of the stream becomes text nodes and attributes only, never markup.
'use strict';

const NEWS_WITHIN_MS = 5000; // without news for longer, all that stands here is old, and looks it
const EVERY_MS = 2000;
const EVENTS_WITHIN_MS = 3000; // they bring a status each second; without one for longer we ask ourselves
const AROUND_EVERY_MS = 10000;
const DETAIL_EVERY_MS = 10000;
const FOLD_ABOVE = 2000; // instances: more of them are counted, not drawn
const DRAWN_CELLS = 250; // of the map at first: as many as are laid out within a frame
const STRIP_ABOVE = 60; // instances: more of them are counted by region above the map
const STRIP_APPS = 6;
const MARKS = {silent: '×', 'never-seen': '∅', late: '▲', unknown: '?', learning: '○', stopped: '–', live: '●'}; // the worst first
const BAD = ['silent', 'never-seen', 'late'];

const $ = (id) => document.getElementById(id);
const state = {
  status: null, open: [], silences: [], instances: new Map(), folded: false,
  news: 0, fresh: 0, listed: 0, around: 0, told: 0, listens: 0, skew: 0, isOpen: false, shown: null, detail: null,
  place: null, back: null, mute: null, drawing: null, detailed: 0, detailOf: '', changed: true, drawn: '', stale: null,
};

// ---- elements ----

/** An element; `on...` keys are listeners, other keys attributes, children texts or elements. */
function el(tag, attrs = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function attr(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Makes the children of `parent` those of `items`, in their order: what is there already stays and is updated. */
function keep(parent, items, key, make, update = () => {}) {
  const old = parent.kept ?? new Map();
  const kept = new Map();
  for (const item of items) kept.set(key(item), old.get(key(item)) ?? make(item));
  for (const [name, node] of old) if (!kept.has(name)) node.remove();
  let at = parent.firstElementChild;
  for (const item of items) {
    const node = kept.get(key(item));
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  parent.kept = kept;
}

// ---- time ----

const now = () => Date.now() + state.skew;
const ticking = new Map();

/** Text that is made anew each second, as long as it is shown. */
function tick(node, text) {
  ticking.set(node, text);
  put(node, text());
  return node;
}

function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor(s / 3600) % 24}h`;
}

const since = (at) => span(now() - Date.parse(at));
const seconds = (s) => (s < 60 ? `${Math.round(s * 10) / 10}s` : span(s * 1000));

// To make a format takes far longer than to use it.
const OF_TIME = {hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit'};
const OF_DAY = {month: 'short', day: 'numeric'};
const zone = {utc: localStorage.getItem('zone') === 'utc', suffix: ''};
let TIME;
let DAY;

/** All times of the page are of this zone from now on: the browser's own, or UTC, which is marked. */
function setZone(utc) {
  const more = utc ? {timeZone: 'UTC'} : {};
  [TIME, DAY] = [OF_TIME, OF_DAY].map((form) => new Intl.DateTimeFormat([], {...form, ...more}));
  Object.assign(zone, {utc, suffix: utc ? 'Z' : ''});
}
setZone(zone.utc);

function clock(at) {
  const date = new Date(at);
  const today = DAY.format(new Date()) === DAY.format(date);
  return (today ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`) + zone.suffix;
}

const when = (at) => el('time', {datetime: at, title: at}, clock(at));

// ---- asking ----

class Shut extends Error {}

/** What is cut on its way, or late, is a fault of the network and stays one. */
const noJson = (fault) => { if (!(fault instanceof SyntaxError)) throw fault; };

async function ask(path, method = 'GET', body = undefined, within = 10000) {
  const headers = body === undefined ? {} : {'content-type': 'application/json'};
  const answer = await fetch(path, {
    method, headers, body: body && JSON.stringify(body), cache: 'no-store', signal: AbortSignal.timeout(within),
  });
  const said = answer.status === 204 ? {} : await answer.json().catch(noJson);
  if (answer.ok && said) return said;
  const what = said ? [said.error, ...(said.faults ?? [])].join('; ') : `the answer to ${path} is no JSON (${answer.status})`;
  throw answer.status === 401 || answer.status === 403 ? new Shut(what) : new Error(what);
}

/** All instances, page by page. */
async function askInstances() {
  const all = new Map();
  let cursor = '';
  do {
    const page = await ask(`/api/v1/instances?limit=1000${cursor}`);
    for (const one of page.instances) all.set(keyOf(one), one);
    cursor = page.next ? `&cursor=${page.next}` : '';
  } while (cursor && all.size <= FOLD_ABOVE);
  return all;
}

const keyOf = (one) => JSON.stringify([one.app, one.region, one.instance]);
const placeOf = (one) => JSON.stringify([one.app, one.region]);
const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

/** How old the list of instances may be: the more there are, the older. */
const listEvery = () => (state.instances.size <= 300 ? EVERY_MS : state.instances.size <= 1000 ? 5000 : 10000);

/** Whether the list tells other verdicts than the counts do. */
function isOutdated(status) {
  const counts = new Map();
  for (const one of state.instances.values()) {
    const place = placeOf(one);
    if (!counts.has(place)) counts.set(place, {});
    counts.get(place)[one.verdict] = (counts.get(place)[one.verdict] ?? 0) + 1;
  }
  return status.apps.some((place) => {
    const listed = counts.get(placeOf(place)) ?? {};
    return Object.keys(MARKS).some((verdict) => (listed[verdict] ?? 0) !== (place.instances[verdict] ?? 0));
  }) || sum(status.instances) !== state.instances.size;
}

let turning = false;
let again = false;

/** One turn: asks for all there is. What keeps the page alive where events do not come, and beside them once a while. */
async function turn() {
  if (turning) { again = true; return; }
  turning = true;
  try {
    if (!state.isOpen) await knock();
    if (state.isOpen) {
      const asked = Date.now();
      const status = await ask('/api/v1/status');
      const folded = sum(status.instances) > FOLD_ABOVE;
      if (!folded && (state.folded || asked - state.listed > listEvery() || isOutdated(status))) {
        state.instances = await askInstances();
        state.listed = asked;
        state.changed = true;
      }
      if (folded !== state.folded) state.changed = true;
      state.folded = folded;
      await askAround();
      heard(status, (asked + Date.now()) / 2);
      draw();
    }
  } catch (fault) {
    trouble(fault);
  } finally {
    turning = false;
  }
  beat();
  if (again) { again = false; turn(); }
}

/** What events do not tell, or not always: incidents that a silence keeps from being told, and the silences. */
async function askAround() {
  const [open, silences] = await Promise.all([ask('/api/v1/incidents?state=open'), ask('/api/v1/silences'), askChain()]);
  state.open = open.incidents;
  state.silences = silences.silences;
  state.around = Date.now();
}

/** A fault of the network shows by itself, as age. */
function trouble(fault) {
  if (fault instanceof Shut) state.isOpen = false;
  else if (!(fault instanceof TypeError || fault.name === 'TimeoutError')) console.warn(String(fault));
}

/** What is drawn of a status; its stream and all ages are looked at each second anyway. */
const drawnOf = ({ready, reasons, apps, instances, rules, version, unrecognised_beats: near}) =>
  JSON.stringify([ready, reasons, apps, instances, rules, version, near]);

/** A status came, made at about this time of ours. Where it tells nothing new, nothing is touched. */
function heard(status, at = Date.now()) {
  sample(status, state.status);
  state.status = status;
  state.skew = Date.parse(status.now) - at;
  state.fresh = Date.now();
  if (state.changed || state.stale || drawnOf(status) !== state.drawn) draw();
  else if (!state.drawing) state.news = state.fresh;
}

/** Shows what is known, soon; it counts as news once it is shown. */
function draw() {
  state.drawing ??= setTimeout(() => {
    state.drawing = null;
    if (!state.isOpen || !state.status) return;
    if (!document.hidden) show();
    if (!state.news) performance.mark('shown');
    state.news = state.fresh;
    beat();
    askPast();
  }, 20);
}

// ---- events ----

let source = null;

/** Hears the events of /api/v1/events from now on. */
function listen() {
  source?.close();
  source = new EventSource('/api/v1/events');
  state.listens = Date.now();
  const on = (name, take) => source.addEventListener(name, (event) => {
    state.listens = Date.now();
    take(JSON.parse(event.data));
  });
  on('snapshot', ({status, incidents, instances}) => {
    state.open = incidents;
    state.folded = instances.folded;
    state.instances = new Map(instances.rows.map((one) => [keyOf(one), one]));
    state.changed = true;
    heard(status);
  });
  on('status', ({status}) => {
    heard(status);
    state.told = Date.now();
    // An incident that opened during a silence sends no event.
    if (status.open_incidents <= 100 && status.open_incidents !== state.open.length) lookAround(1000);
  });
  on('incident', ({incident}) => {
    ring(incident);
    state.open = state.open.filter((one) => one.id !== incident.id);
    if (incident.state !== 'closed') state.open.unshift(incident);
    draw();
  });
  on('instances', ({folded, changed, gone}) => {
    if (folded !== state.folded) state.instances.clear();
    state.changed = true;
    state.folded = folded;
    for (const one of gone) state.instances.delete(keyOf(one));
    for (const one of changed) state.instances.set(keyOf(one), one);
    draw();
  });
}

function lookAround(older) {
  if (turning || Date.now() - state.around < older) return;
  state.around = Date.now();
  askAround().then(draw, trouble);
}

/** Asks where no event comes, and for events where there is no connection that brings any. */
function mind() {
  const silent = Date.now() - state.told;
  if (silent > EVENTS_WITHIN_MS) turn();
  else lookAround(AROUND_EVERY_MS);
  const tried = Date.now() - state.listens;
  if (state.isOpen && state.status && !document.hidden) {
    askPast();
    mindRoute();
    if (state.shown && !state.place) mindDetail();
  }
  if (state.isOpen && (!source || tried > (source.readyState === EventSource.CLOSED ? 5000 : 30000))) listen();
}

/** Whether we may see, and if not, what opens. */
async function knock() {
  const door = await ask('/sign-in');
  state.isOpen = door.open;
  $('shown').hidden = !door.open || !state.status;
  $('gate').hidden = door.open;
  if (door.open) return;
  state.news = Date.now();
  $('enter').hidden = !door.sign_in;
  put($('gate-title'), door.sign_in ? 'Sign in' : 'This page is not open here');
  if (!door.sign_in) put($('gate-said'), door.what);
}

// ---- freshness ----

/** Each second: whether what is shown still holds, and all that ticks. Only what changed is touched. */
function beat() {
  const age = Date.now() - state.news;
  const stale = age > NEWS_WITHIN_MS || age < -NEWS_WITHIN_MS;
  if (stale !== state.stale) turnGrey(stale);
  if (stale) {
    const at = state.news ? `since ${clock(state.news)} (${span(age)})` : 'yet';
    put($('banner'), `NOT CONNECTED ${at}: ${state.news ? 'what stands below is old' : 'nothing is known'}`);
  }
  const open = state.isOpen && state.open.length ? `(${state.open.length}) ` : '';
  const title = `${stale ? 'NOT CONNECTED · ' : open}lastbeat`;
  if (document.title !== title) document.title = title;
  attr($('icon'), 'href', !stale && open ? '/alarm.svg' : '/icon.svg');
  if (document.hidden) return;
  if (stale || !state.isOpen) {
    chip($('stream'), 'none', 'stream: not known');
    put($('facts'), '');
  } else if (state.status) {
    showStream(state.status);
    drawSparks();
  }
  for (const [node, text] of ticking) {
    if (node.isConnected) put(node, text());
    else ticking.delete(node);
  }
}

function turnGrey(stale) {
  state.stale = stale;
  document.body.classList.toggle('stale', stale);
  $('banner').hidden = !stale;
  put($('link'), stale ? 'NOT CONNECTED' : 'connected');
}

function chip(node, verdict, text) {
  attr(node, 'class', `chip v-${verdict}`);
  put(node, text);
}

// ---- what is shown ----

function show() {
  const {status} = state;
  $('shown').hidden = false;
  $('gate').hidden = true;
  $('leave').hidden = !localStorage.getItem('signed-in');
  put($('about'), `lastbeat ${status.version}, ${status.rules} rule${status.rules === 1 ? '' : 's'}`);
  $('views').hidden = false;
  showHeadline();
  keep($('reasons'), status.ready ? [] : status.reasons, (one) => one.part + one.what,
    (one) => el('li', {}, `${one.part}: ${one.what}`));
  showIncidents();
  showSilences();
  showChain();
  showNear(status.unrecognised_beats);
  // Thousands of squares: not looked at where none of them can have changed.
  const drawn = drawnOf(status);
  if (state.changed || drawn !== state.drawn) showMap();
  Object.assign(state, {changed: false, drawn});
  mindRoute();
  // Below a focus nothing is made anew: the panel's list of a place stays as it was when it was opened.
  if (state.shown && !state.place) mindDetail();
}

function showStream({stream}) {
  if (!stream.last_entry) chip($('stream'), 'unknown', '? stream: no entry yet');
  else if (stream.stalled) chip($('stream'), 'silent', '× stream: stalled');
  else if (stream.blind) chip($('stream'), 'unknown', `? stream: blind (${stream.blind})`);
  else chip($('stream'), 'live', '● stream: live');
  const facts = [];
  if (stream.last_entry) facts.push(`last entry ${since(stream.last_entry)} ago`);
  if (sparks.rate !== null) facts.push(`${sparks.rate < 10 ? Math.round(sparks.rate * 10) / 10 : Math.round(sparks.rate).toLocaleString()} entries/s`);
  if (stream.last_entry) facts.push(`lag ${seconds(stream.lag_seconds)}`);
  if (stream.canary_seconds) facts.push(`canary ${seconds(stream.canary_seconds)}`);
  put($('facts'), facts.join(' · '));
}

/** Who an incident is about, by its scope. */
function who(one) {
  const place = [one.app, one.region, one.instance].filter(Boolean).join('/');
  const names = {
    stream: 'the whole stream', region: `region ${one.region}`, app: `app ${one.app}`,
    'app-region': `${one.app} in ${one.region}`, host: `host ${one.host}`, regions: `regions ${one.region}`, downstream: one.rule,
  };
  const name = names[one.scope] ?? (one.instance ? place : `${one.affected_total} instances of ${place}`);
  return one.beat ? `${name}, beat ${one.beat}` : name;
}

const SEVERITIES = {critical: '◆', error: '■', warning: '▲', info: '●'}; // the worst first
const SHOWN_INCIDENTS = 5;
const SHOWN_IN_STORM = 3;
const rank = (one) => Object.keys(SEVERITIES).indexOf(one.severity);
/** The worst first; of one severity the oldest. */
const worstFirst = (list) => [...list].sort((a, b) => rank(a) - rank(b) || (a.since < b.since ? -1 : 1));
const severity = (one) => el('span', {class: `sev s-${one.severity}`}, `${SEVERITIES[one.severity]} ${one.severity}`);
const acknowledged = ({acknowledged: word}) => (word ? `✓ ${word.author} works on it: ${word.note}` : '');
const linkTo = (one) => el('a', {href: `#/incident/${one.id}`}, who(one));

function showIncidents() {
  put($('incidents-title'), `Open incidents (${state.open.length})`);
  $('incidents-part').hidden = !state.open.length;
  const sorted = worstFirst(state.open);
  const most = sorted.length > SHOWN_INCIDENTS ? SHOWN_IN_STORM : SHOWN_INCIDENTS;
  keep($('incidents'), sorted.slice(0, most), (one) => `${one.id} ${one.scope} ${one.affected_total} ${one.severity}`, (one) => {
    const rest = one.affected_total - one.affected.length;
    const names = one.affected.slice(0, 6).join(', ') + (rest > 0 || one.affected.length > 6 ? ', ...' : '');
    return el('li', {'data-incident': one.id, class: `s-${one.severity}`},
      el('h3', {}, linkTo(one)),
      el('p', {class: 'since'}, severity(one), tick(el('span'), () => ` for ${since(one.since)}`)),
      el('p', {}, `${one.alarm} · scope ${one.scope} · since `, when(one.since)),
      one.affected_total > 1 ? el('p', {class: 'small'}, `${one.affected_total} affected: ${names}`) : null,
      one.detail ? el('p', {class: 'small'}, one.detail) : null,
      one.last_beat ? el('p', {class: 'small'}, 'last beat: ', el('span', {class: 'mono'}, one.last_beat)) : null,
      el('p', {class: 'small'}, `rule "${one.rule}", allowed ${seconds(one.max_gap_seconds)}`),
      el('p', {class: 'small told'}),
      el('p', {class: 'small by'}),
      el('p', {class: 'buttons'},
        el('button', {type: 'button', onclick: () => askSilence(who(one), matchersOf(one))}, 'Silence'),
        el('button', {type: 'button', onclick: () => askSilence(who(one), null, one.id)}, 'Acknowledge'),
        runbook(one.runbook)));
  }, (node, one) => {
    const muted = silenceOf(one);
    node.classList.toggle('muted', Boolean(muted || one.acknowledged));
    const told = node.querySelector('.told');
    told.hidden = !muted;
    const by = node.querySelector('.by');
    by.hidden = !one.acknowledged;
    put(by, acknowledged(one));
    if (muted) put(told, `silenced until ${clock(ends(muted))}: ${muted.reason} (${muted.author || 'rules'})`);
  });
  // A storm does not bury the map: its cards are short, and the others are counted by app, and a line each where one asks for them.
  const more = sorted.slice(most);
  $('more-incidents').hidden = !more.length;
  $('incidents-part').classList.toggle('storm', more.length > 0);
  const counts = new Map();
  for (const one of more) counts.set(one.app || one.region || one.scope, (counts.get(one.app || one.region || one.scope) ?? 0) + 1);
  const names = [...counts].sort((a, b) => b[1] - a[1]);
  const named = names.slice(0, 6).map(([name, count]) => `${name} ${count}`).concat(names.length > 6 ? ['...'] : []);
  put($('more-summary'), `${more.length} more: ${named.join(', ')}`);
  keep($('more-list'), $('more-incidents').open ? more : [], (one) => `${one.id} ${one.severity} ${one.affected_total} ${Boolean(one.acknowledged)}`,
    (one) => el('li', {}, severity(one), el('span', {class: 'grow'}, linkTo(one), one.acknowledged ? ' ✓' : ''), tick(el('span'), () => since(one.since))));
}

$('more-incidents').addEventListener('toggle', draw);

/** A link, where it is one that a browser only opens. */
function runbook(address) {
  if (!address) return null;
  const url = URL.canParse(address) ? new URL(address) : null;
  const opens = url && ['http:', 'https:'].includes(url.protocol);
  return opens ? el('a', {href: url.href, rel: 'noreferrer noopener', target: '_blank'}, 'Runbook') : el('span', {}, address);
}

/** Entries that look like a heartbeat and do not count, with the remedy. */
function showNear(forms) {
  $('near-part').hidden = !forms.length;
  keep($('near'), forms, (one) => one.form,
    (one) => el('li', {'data-form': one.form}, el('span', {class: 'mono'}), el('span', {class: 'grow'}, one.hint)),
    (node, one) => put(node.firstChild, `${one.count} × ${one.form}, last by ${one.last.split('.').slice(1).join('/')}`));
}

// ---- silences ----

const PARTS = ['app', 'region', 'instance', 'host', 'rule'];
const quoted = (name) => name.replace(/[\\*?[\]{}!]/g, '\\$&');

/** Whom a silence of this concerns: all that is known of it, word by word. */
function matchersOf(one) {
  const found = PARTS.slice(0, 4).filter((part) => one[part]).map((part) => [part, quoted(one[part])]);
  return Object.fromEntries(found.length ? found : [['rule', quoted(one.rule)]]);
}

/** What the globs of a silence match: `*`, `?`, `{a,b}`, `[a-c]`, as the rules have them. */
function globs(glob) {
  const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const signs = {'?': '.', '{': '(?:', '}': ')', ',': '|'};
  let depth = 0;
  const made = glob.replace(/\\(.)|\*+|\[([!^]?)([^\]]+)\]|[?{},]|[^\\*?[{},]+/gs, (part, plain, not, set) => {
    if (plain) return escape(plain);
    if (set) return `[${not && '^'}${set.replace(/[\\^[]/g, '\\$&')}]`;
    if (part[0] === '*') return '.*';
    if (part === ',' && !depth) return ',';
    depth += {'{': 1, '}': -1}[part] ?? 0;
    return signs[part] ?? escape(part);
  });
  try {
    return new RegExp(`^(?:${made})$`, 's');
  } catch {
    return /^\b$/; // Nothing.
  }
}

/** Whether a list of globs matches a name: those that begin with `!` take out. */
function matches(list, name) {
  const outs = list.filter((glob) => glob[0] === '!');
  const ins = list.filter((glob) => glob[0] !== '!');
  return !outs.some((glob) => globs(glob.slice(1)).test(name)) && (!ins.length || ins.some((glob) => globs(glob).test(name)));
}

/** The silence of an incident. One by labels or notifiers is never claimed: the page does not know those. */
const silenceOf = (one) => state.silences.find((silence) => silence.holds
  && PARTS.every((part) => matches(silence[part], one[part] ?? ''))
  && (!silence.severity.length || silence.severity.includes(one.severity))
  && !silence.notifier.length && !Object.keys(silence.labels).length);
const ends = (silence) => silence.windows[0]?.until ?? '';

function showSilences() {
  $('silences-part').hidden = !state.silences.length && route.view !== 'silences';
  $('silences-none').hidden = state.silences.length > 0;
  keep($('silences'), state.silences, (one) => `${one.id} ${one.holds} ${ends(one)}`, (one) => {
    const labels = Object.entries(one.labels).map(([name, list]) => `label ${name} ${list.join(', ')}`);
    const whom = [...PARTS, 'severity', 'notifier'].filter((part) => one[part].length)
      .map((part) => `${part} ${one[part].join(', ')}`).concat(labels).join(', ');
    const end = el('button', {type: 'button', onclick: () => endSilence(one.id)}, 'End');
    return el('li', {}, el('span', {class: 'grow'}, `${whom || 'everyone'}: ${one.reason} (${one.author || 'rules'})`),
      el('span', {}, one.holds ? 'until ' : 'next ends ', ends(one) ? when(ends(one)) : 'never'), one.from_rules ? null : end);
  });
}

async function endSilence(id) {
  put($('silences-said'), '');
  try {
    await ask(`/api/v1/silences/${encodeURIComponent(id)}`, 'DELETE');
  } catch (fault) {
    put($('silences-said'), fault.message);
  }
  turn();
}

/** Asks for a silence with these matchers or, with the number of an incident, for a word that somebody works on it. */
function askSilence(name, matchers, incident = null) {
  Object.assign(state, {mute: matchers, acknowledges: incident});
  $('mute-for').hidden = $('mute-length').hidden = Boolean(incident);
  put($('mute-title'), incident ? 'Acknowledge' : 'Silence');
  put($('mute-what'), incident ? 'No reminders are sent, until the severity rises.' : 'Alerts are still evaluated, but send no notifications.');
  put($('mute-why'), incident ? 'What you know or do' : 'Why');
  put($('mute-go'), incident ? 'Acknowledge it' : 'Silence it');
  put($('mute-who'), name);
  put($('mute-said'), '');
  $('mute-reason').value = '';
  $('mute-author').value = localStorage.getItem('author') ?? '';
  $('mute').showModal();
  $('mute-reason').focus();
}

$('mute-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const author = $('mute-author').value;
  try {
    const [duration, reason] = [$('mute-length').value, $('mute-reason').value];
    if (state.acknowledges) await ask(`/api/v1/incidents/${state.acknowledges}/acknowledge`, 'POST', {note: reason, author});
    else await ask('/api/v1/silences', 'POST', {...state.mute, duration, reason, author});
    localStorage.setItem('author', author);
    $('mute').close();
    route.asked = 0;
    turn();
  } catch (fault) {
    put($('mute-said'), fault.message);
  }
});
$('mute-close').addEventListener('click', () => $('mute').close());

// ---- the map ----

const shownVerdicts = new Set();
let drawnCells = DRAWN_CELLS;

/** Whether each word of the filter is in one of the names, or is the verdict. */
const fits = (words, names, verdict) => words.every((word) => word === verdict || names.some((name) => name.toLowerCase().includes(word)));

/** Apps with their places, as far as the filter lets them: by default what is in trouble first, then by name. */
function rows() {
  const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = Object.keys(MARKS).filter((verdict) => !shownVerdicts.size || shownVerdicts.has(verdict));
  const apps = new Map();
  const shown = {instances: 0, strip: new Map()};
  const order = [...BAD, 'unknown', 'live'];
  const add = (place, count) => {
    shown.instances += count;
    if (!apps.has(place.app)) apps.set(place.app, {app: place.app, bad: 0, size: 0, places: new Map()});
    const row = apps.get(place.app);
    row.size += count;
    if (!row.places.has(place.region)) row.places.set(place.region, {app: place.app, region: place.region, instances: {}, members: []});
    return row;
  };
  const count = (place, verdict, number) => {
    const row = add(place, number);
    if (BAD.includes(verdict)) row.bad += number;
    const {instances} = row.places.get(place.region);
    instances[verdict] = (instances[verdict] ?? 0) + number;
    for (const kind of ['region', 'app']) {
      const key = kind + place[kind];
      if (!shown.strip.has(key)) shown.strip.set(key, {kind, name: place[kind], size: 0, bad: 0, worst: 'live'});
      const one = shown.strip.get(key);
      one.size += number;
      if (BAD.includes(verdict)) one.bad += number;
      if (order.includes(verdict) && order.indexOf(verdict) < order.indexOf(one.worst)) one.worst = verdict;
    }
  };
  if (state.folded) {
    for (const place of state.status.apps) {
      for (const verdict of verdicts) {
        const number = place.instances[verdict] ?? 0;
        if (number && fits(words, [place.app, place.region], verdict)) count(place, verdict, number);
      }
    }
  } else {
    for (const one of state.instances.values()) {
      if (!verdicts.includes(one.verdict) || !fits(words, [one.app, one.region, one.instance], one.verdict)) continue;
      count(one, one.verdict, 1);
      apps.get(one.app).places.get(one.region).members.push(one);
    }
  }
  const byName = (a, b) => (a.app < b.app ? -1 : 1);
  const orders = {name: byName, size: (a, b) => b.size - a.size || byName(a, b), worst: (a, b) => (b.bad > 0) - (a.bad > 0) || byName(a, b)};
  shown.rows = [...apps.values()].sort(orders[$('sort').value] ?? orders.worst);
  return shown;
}

function showMap() {
  const {status, instances, folded} = state;
  const total = sum(status.instances);
  const beats = folded || [...instances.values()].some(hasBeats);
  $('empty').hidden = beats;
  if (!beats) showReceived();
  $('map-part').hidden = total === 0;
  $('folded').hidden = !folded;
  if (folded) put($('folded'), `${plural(total, 'instance')}, counted by app and region. Choose one to see its instances.`);
  keep($('legend'), Object.keys(MARKS), (verdict) => verdict,
    (verdict) => el('li', {}, el('button', {type: 'button', onclick: () => chooseVerdict(verdict)}, el('b', {class: `v-${verdict}`}, MARKS[verdict]), el('span'))),
    (node, verdict) => {
      put(node.firstChild.lastChild, ` ${verdict} ${(status.instances[verdict] ?? 0).toLocaleString()}`);
      attr(node.firstChild, 'aria-pressed', String(shownVerdicts.has(verdict)));
      node.classList.toggle('note', !status.instances[verdict]);
    });
  const focused = document.activeElement;
  const shown = rows();
  $('nothing').hidden = total === 0 || shown.instances === total;
  put($('nothing-said'), shown.instances ? `${shown.instances} of ${total} instances are shown.` : `Nothing matches: none of ${total} instances.`);
  const regions = [...new Set(shown.rows.flatMap((row) => [...row.places.keys()]))].sort();
  $('map').hidden = !shown.instances;
  showStrip(shown, total);
  // Rows beyond are made where one asks for them: to lay out thousands of cells takes longer than a frame.
  const drawn = shown.rows.slice(0, Math.max(5, Math.floor(drawnCells / (regions.length + 1))));
  const more = shown.rows.length - drawn.length;
  $('map-more').hidden = !more;
  put($('map-more'), `Show more of ${shown.rows.length} apps`);
  keep($('regions'), ['', ...regions], (name) => name, (name) => el('th', {scope: 'col'}, name || 'app'));
  keep($('apps'), drawn, (row) => row.app, (row) => el('tr', {}), (node, row) => {
    node.classList.toggle('bad', row.bad > 0);
    const cells = ['', ...regions].map((region) => ({region, row, place: row.places.get(region)}));
    keep(node, cells, (cell) => cell.region, makeCell, showCell);
  });
  // A row that moved has lost the focus within.
  if (focused?.isConnected && focused !== document.activeElement && $('map').contains(focused)) focused.focus({preventScroll: true});
  if (!$('map').querySelector('button[tabindex="0"]')) $('map').querySelector('button')?.setAttribute('tabindex', '0');
}

/** The map in a few words, for where it does not fit: each region, and the apps in most trouble, with how much of each is. */
function showStrip({strip}, total) {
  const [regions, apps] = ['region', 'app'].map((kind) => [...strip.values()].filter((one) => one.kind === kind));
  regions.sort((a, b) => (a.name < b.name ? -1 : 1));
  apps.sort((a, b) => b.bad - a.bad);
  const shown = total > STRIP_ABOVE ? [...regions, ...apps.filter((one) => one.bad).slice(0, STRIP_APPS)] : [];
  keep($('strip'), shown, (one) => one.kind + one.name,
    (one) => el('li', {'data-kind': one.kind}, el('a', {href: `#/${one.kind}/${encodeURIComponent(one.name)}`}, el('b'), ` ${one.name} `, el('span'))),
    ({firstChild: link}, one) => {
      attr(link.firstChild, 'class', `v-${one.worst}`);
      put(link.firstChild, MARKS[one.worst]);
      put(link.lastChild, one.bad ? `${one.bad} of ${one.size}` : String(one.size));
    });
}

$('map-more').addEventListener('click', () => {
  drawnCells += DRAWN_CELLS;
  showMap();
});

function makeCell({region, row}) {
  if (!region) return el('th', {scope: 'row', title: row.app}, el('a', {href: `#/app/${encodeURIComponent(row.app)}`}, row.app));
  return el('td', {'data-region': region}, el('div', {class: 'squares'}));
}

const hasBeats = (one) => Boolean(one.last_beat || one.beats?.length);

function showCell(cell, {region, place}) {
  if (!region) return;
  const squares = cell.firstChild;
  const members = place?.members ?? [];
  cell.classList.toggle('none', !place);
  squares.classList.toggle('many', members.length > 6);
  const counts = Object.keys(MARKS).filter((verdict) => place?.instances[verdict]);
  const folds = state.folded && place ? [place] : [];
  keep(squares, state.folded ? folds : members, state.folded ? placeOf : keyOf, makeSquare, (node, one) => {
    node.about = one;
    if (state.folded) {
      keep(node, counts, (verdict) => verdict, (verdict) => el('span', {class: `v-${verdict}`}),
        (mark, verdict) => put(mark, `${MARKS[verdict]} ${one.instances[verdict]} ${verdict}`));
      return;
    }
    attr(node, 'class', `sq v-${one.verdict}`);
    attr(node, 'aria-label', `${one.app} ${one.region} ${one.instance}: ${one.verdict}`);
    attr(node, 'title', `${one.instance}: ${one.verdict}`);
    attr(node, 'aria-pressed', String(state.shown === keyOf(one)));
    put(node, MARKS[one.verdict] ?? '?');
  });
}

function makeSquare(one) {
  return el('button', {type: 'button', tabindex: '-1', class: 'fold', onclick: (event) => openPanel(event.currentTarget.about)});
}

/** Arrows go from square to square; only one of them is in the order of Tab. */
$('map').addEventListener('keydown', (event) => {
  const here = event.target.closest('button');
  if (!here) return;
  const all = [...$('map').querySelectorAll('button')];
  const at = all.indexOf(here);
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  let next = {Home: all[0], End: all.at(-1)}[event.key] ?? (step && all[at + step]);
  const down = {ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling'}[event.key];
  if (down) {
    const column = here.closest('td').cellIndex;
    for (let row = here.closest('tr')[down]; row && !next; row = row[down]) {
      next = row.cells[column]?.querySelector('button') ?? row.querySelector('button');
    }
  }
  if (!next) return;
  event.preventDefault();
  next.focus();
});
$('map').addEventListener('focusin', (event) => {
  if (event.target.tagName !== 'BUTTON') return;
  $('map').querySelectorAll('button[tabindex="0"]').forEach((node) => node.setAttribute('tabindex', '-1'));
  event.target.setAttribute('tabindex', '0');
});

/** The filter stands in the address, so that it can be sent to somebody. */
function filtered() {
  const query = new URLSearchParams();
  if ($('filter').value.trim()) query.set('q', $('filter').value.trim());
  if (shownVerdicts.size) query.set('verdict', [...shownVerdicts].join());
  if ($('sort').value !== 'worst') query.set('sort', $('sort').value);
  setAddress(String(query) ? `#/?${query}` : '#/');
  if (state.status) showMap();
}

function chooseVerdict(verdict) {
  if (!shownVerdicts.delete(verdict)) shownVerdicts.add(verdict);
  filtered();
}
$('filter').addEventListener('input', filtered);
$('sort').addEventListener('change', filtered);
$('nothing-clear').addEventListener('click', () => {
  $('filter').value = '';
  shownVerdicts.clear();
  filtered();
  $('filter').focus();
});

// ---- the panel ----

async function openPanel(one) {
  state.shown = one.instance === undefined ? placeOf(one) : keyOf(one);
  state.back ??= document.activeElement;
  state.place = one.instance === undefined ? one : null;
  state.detail = null;
  if (state.place) await listPlace(one);
  if (!state.place) setAddress(addressOf(one));
  showPanel();
  $('panel-title').focus();
  askDetail();
}

/** Asks for the instance in the panel where it beat since, and beside that once a while. */
function mindDetail() {
  const one = state.instances.get(state.shown);
  const told = one ? [one.verdict, one.last_beat, one.due, one.rule].join() : '';
  if (told === state.detailOf && Date.now() - state.detailed < DETAIL_EVERY_MS) return;
  state.detailOf = told;
  askDetail();
}

/** All that is known of the instance in the panel. */
async function askDetail() {
  const shown = state.shown;
  if (!shown || state.place) return;
  state.detailed = Date.now();
  try {
    const path = JSON.parse(shown).map(encodeURIComponent).join('/');
    const answer = await fetch(`/api/v1/instances/${path}`, {cache: 'no-store', signal: AbortSignal.timeout(4000)});
    if (state.shown !== shown) return;
    if (answer.ok) state.detail = await answer.json();
    else if (answer.status === 404) {
      state.detail = null;
      state.instances.delete(shown);
      state.changed = true;
    }
    showPanel();
  } catch (fault) {
    trouble(fault);
  }
}

/** The instances of one place, where they are too many to be listed all. */
async function listPlace({app, region}) {
  const query = new URLSearchParams({app, region, limit: 500});
  try {
    const page = await ask(`/api/v1/instances?${query}`);
    const order = Object.keys(MARKS);
    state.listedPlace = page.instances.sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
    for (const one of page.instances) state.instances.set(keyOf(one), one);
  } catch (fault) {
    state.listedPlace = [];
    trouble(fault);
  }
}

function closePanel() {
  if ($('panel').hidden) return;
  state.shown = state.place = state.detail = null;
  $('panel').hidden = true;
  document.body.classList.remove('paneled');
  if (location.hash.startsWith('#/instance/')) setAddress('#/');
  if (state.back?.isConnected) state.back.focus();
  state.back = null;
  if (state.status) showMap();
}

function showPanel() {
  if (!state.shown) return;
  const body = $('panel-body');
  const [app, region, instance] = JSON.parse(state.shown);
  $('panel').hidden = false;
  document.body.classList.add('paneled');
  put($('panel-title'), [app, region, instance].filter((part) => part !== undefined).join('/'));
  $('panel-mute').hidden = $('panel-tail').hidden = Boolean(state.place);
  body.replaceChildren(...(state.place ? placeDetail() : instanceDetail(state.detail ?? state.instances.get(state.shown))));
  showWords(state.detail);
  for (const node of document.querySelectorAll('.sq')) attr(node, 'aria-pressed', String(keyOf(node.about) === state.shown));
}

function placeDetail() {
  const line = (one) => el('li', {}, el('button', {type: 'button', onclick: () => openPanel(one)},
    el('span', {class: `v-${one.verdict}`}, `${MARKS[one.verdict]} ${one.verdict}`), el('span', {class: 'mono'}, one.instance),
    tick(el('span', {class: 'note'}), () => since(one.last_seen))));
  const list = state.listedPlace ?? [];
  return [el('p', {class: 'note'}, `${list.length} instances${list.length === 500 ? ', the first by name' : ''}`),
    el('ul', {class: 'rows'}, ...list.map(line))];
}

function pairs(...list) {
  const kids = list.filter((pair) => pair && pair[1]).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]);
  return el('dl', {}, ...kids);
}

const ago = (at) => el('span', {title: at}, tick(el('span'), () => `${since(at)} ago`), ` (${clock(at)})`);

function fires(beat) {
  if (beat.verdict === 'silent' || beat.verdict === 'never-seen') return 'over: its alert fires';
  if (!beat.due) return null;
  const {stalled, blind} = state.status.stream;
  if (stalled || blind) return 'not while lastbeat sees nothing';
  return tick(el('span', {title: beat.due}), () => {
    const left = Date.parse(beat.due) - now();
    return left > 0 ? `fires in ${span(left + 999)}` : 'due now';
  });
}

function instanceDetail(one) {
  if (!one) return [el('p', {}, 'It is not known any more.')];
  const beats = (one.beats ?? []).flatMap((beat) => [
    el('h3', {}, beat.beat ? `Heartbeat ${beat.beat}` : 'Heartbeat'),
    pairs(['verdict', el('span', {class: `v-${beat.verdict}`}, `${MARKS[beat.verdict]} ${beat.verdict}`)],
      ['last beat', ago(beat.last_seen)], ['due', fires(beat)],
      ['declared', beat.every_seconds && `every ${seconds(beat.every_seconds)}`],
      ['usual', beat.usual_seconds && `up to ${seconds(beat.usual_seconds)}`],
      ['allowed', beat.max_gap_seconds && seconds(beat.max_gap_seconds)],
      ['rule', beat.rule ?? 'none watches it'],
      ['last text', beat.text && el('span', {class: 'mono said'}, beat.text)]),
    strip(beat, one.known_since),
  ]).filter(Boolean);
  return [
    el('p', {class: `chip v-${one.verdict}`}, `${MARKS[one.verdict]} ${one.verdict}`),
    el('p', {class: 'buttons'}, copyButton(one.instance, 'Copy the id'), el('a', {href: `#/app/${encodeURIComponent(one.app)}`}, `app ${one.app}`)),
    pairs(['why', one.reason], ['since', one.reason_since && when(one.reason_since)], ['last entry', ago(one.last_seen)]),
    ...(beats.length || hasBeats(one) ? beats : [el('p', {class: 'note'}, 'It never said a heartbeat.')]),
  ];
}

$('panel-mute').addEventListener('click', () => {
  const [app, region, instance] = JSON.parse(state.shown);
  askSilence([app, region, instance].join('/'), matchersOf({app, region, instance}));
});
$('panel-tail').addEventListener('click', () => {
  const [app, region, instance] = JSON.parse(state.shown);
  if (innerWidth < 1200) closePanel();
  followOne({app, region, instance});
});
$('panel-close').addEventListener('click', closePanel);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !$('mute').open) closePanel();
});

// ---- signing in and out ----

$('enter').addEventListener('submit', async (event) => {
  event.preventDefault();
  put($('gate-said'), '');
  try {
    await ask('/sign-in', 'POST', {token: $('token').value});
    $('token').value = '';
    localStorage.setItem('signed-in', 'yes');
    turn();
  } catch (fault) {
    put($('gate-said'), fault.message);
  }
});

$('leave').addEventListener('click', async () => {
  await ask('/sign-out', 'POST', {}).catch(() => {});
  localStorage.removeItem('signed-in');
  location.reload();
});

// ---- from now on ----

document.addEventListener('visibilitychange', () => {
  beat();
  if (document.hidden) return;
  if (state.status) draw();
  mind();
});
addEventListener('online', mind);
// All scripts are there by then.
addEventListener('DOMContentLoaded', () => {
  readRoute();
  setInterval(beat, 1000);
  setInterval(mind, EVERY_MS);
  turn().then(() => state.isOpen && listen());
});
