// The last 93 days: for which share of them nothing was wrong with each app, and the incidents that are over.
'use strict';

const HISTORY_DAYS = 93;
const SHARES_EVERY_MS = 60000;
const PAST_EVERY_MS = 1900; // in a storm incidents open one after the other
const SHARES_SHOWN = 10;
const past = {open: null, cursor: '', asked: 0, tried: 0, all: false, apps: []};

/** Reads the newest of it where another set of incidents is open than when it was read. */
function askPast() {
  if (document.hidden || Date.now() - past.tried < PAST_EVERY_MS) return;
  past.tried = Date.now();
  const open = state.open.map((one) => one.id).sort().join();
  const isNew = open !== past.open;
  if (isNew) showHistory().catch((fault) => { past.open = null; trouble(fault); });
  if (isNew || Date.now() - past.asked > SHARES_EVERY_MS) {
    askShares().then(askForgotten).then(askRules).catch(trouble);
  }
  past.open = open;
}

async function askShares() {
  past.asked = Date.now();
  past.apps = (await ask('/api/v1/apps')).apps;
  past.apps.sort((a, b) => (a.live_ratio ?? 2) - (b.live_ratio ?? 2) || (a.app < b.app ? -1 : 1));
  showShares();
}

async function askForgotten() {
  const {forgotten} = await ask('/api/v1/forgotten');
  $('forgotten-part').hidden = !forgotten.length;
  const name = (one) => [one.app, one.region, one.instance].filter(Boolean).join('/') + (one.beat ? `, beat ${one.beat}` : '');
  keep($('forgotten'), forgotten, (one) => `${one.rule} ${name(one)} ${one.forgotten_at}`, (one) => el('li', {},
    when(one.forgotten_at), el('span', {class: 'grow'}, name(one)), el('span', {}, `rule "${one.rule}"`)));
}

/** Never rounded up: what is 100% had no incident. */
const percent = (ratio) => (ratio >= 1 ? '100%' : `${(Math.floor(ratio * 1e5) / 1e3).toFixed(3)}%`);

function showShares() {
  const known = past.apps.filter((one) => one.live_ratio !== null);
  const since = known.map((one) => one.since).sort()[0];
  $('shares-part').hidden = !known.length;
  if (since) put($('shares-since'), `since ${clock(since)} (${span(now() - Date.parse(since))})`);
  const shown = past.all ? known : known.slice(0, SHARES_SHOWN);
  keep($('shares'), shown, (one) => one.app, (one) => el('tr', {}, el('th', {scope: 'row', title: one.app}, one.app), el('td'), el('td'), el('td')),
    (row, one) => {
      const [, share, wrong, seen] = row.children;
      put(share, percent(one.live_ratio));
      share.className = one.live_ratio < 1 ? 'less' : '';
      put(wrong, one.incident_seconds ? seconds(one.incident_seconds) : 'none');
      put(seen, one.last_seen ? clock(one.last_seen) : '');
    });
  $('shares-more').hidden = past.all || known.length <= SHARES_SHOWN;
  put($('shares-more'), `All ${known.length} apps`);
}

async function showHistory(older = false) {
  const from = new Date(now() - HISTORY_DAYS * 86400e3).toISOString();
  const query = new URLSearchParams({state: 'closed', limit: 25, from});
  if (older && past.cursor) query.set('cursor', past.cursor);
  const page = await ask(`/api/v1/incidents?${query}`);
  past.cursor = page.next ?? '';
  $('more').hidden = !page.next;
  const list = older ? [...$('history').list, ...page.incidents] : page.incidents;
  $('history').list = list;
  $('history-none').hidden = list.length > 0;
  keep($('history'), list, (one) => one.id, (one) => el('li', {title: one.what}, when(one.opened_at),
    el('span', {class: 'grow'}, `${who(one)}: ${one.alarm}`),
    el('span', {}, one.closed_at ? `${one.reason} after ${span(Date.parse(one.closed_at) - Date.parse(one.since))}` : one.reason ?? '')));
}

$('more').addEventListener('click', () => showHistory(true).catch((fault) => console.warn(String(fault))));
$('shares-more').addEventListener('click', () => { past.all = true; showShares(); });
