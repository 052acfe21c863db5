// Addresses within the page: #/ with a filter, #/incident/ID, #/instance/APP/REGION/ID, #/app/APP, #/region/REGION, #/rules,
// #/silences, #/history, #/tail, #/entries with a search.
'use strict';

const DETAIL_ASKED_EVERY_MS = 5000;
const DAY_MS = 86400e3;
const route = {view: 'overview', parts: [], asked: 0};

/** Another address without a step back to this one. */
function setAddress(hash) {
  if (location.hash !== hash) history.replaceState(null, '', hash);
}
const addressOf = (one) => `#/instance/${[one.app, one.region, one.instance].map(encodeURIComponent).join('/')}`;

function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [view, ...parts] = path.split('/').map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  const asked = new URLSearchParams(query);
  const pages = ['incident', 'app', 'rules', 'silences', 'history', 'tail', 'entries'];
  Object.assign(route, {view: pages.includes(view) ? view : 'overview', parts, asked: 0});
  if (route.view === 'overview' && view !== 'instance') {
    $('filter').value = view === 'region' ? parts[0] ?? '' : asked.get('q') ?? '';
    $('sort').value = ['name', 'size'].includes(asked.get('sort')) ? asked.get('sort') : 'worst';
    shownVerdicts.clear();
    for (const verdict of (asked.get('verdict') ?? '').split(',')) if (verdict in MARKS) shownVerdicts.add(verdict);
  }
  document.body.dataset.view = route.view;
  for (const node of document.querySelectorAll('[data-on]')) node.classList.toggle('away', !node.dataset.on.split(' ').includes(route.view));
  for (const node of document.querySelectorAll('#views a')) {
    if (node.dataset.view === route.view) node.setAttribute('aria-current', 'page');
    else node.removeAttribute('aria-current');
  }
  const hasDetail = ['incident', 'app'].includes(route.view);
  $('detail-part').hidden = !hasDetail;
  if (hasDetail) {
    put($('detail-title'), route.view === 'app' ? `App ${parts[0]}` : `Incident ${parts[0]}`);
    $('detail').replaceChildren(el('p', {class: 'note'}, 'Asking ...'));
    $('detail').known = null;
  }
  if (view === 'instance' && parts.length === 3) {
    const [app, region, instance] = parts;
    route.opens = {app, region, instance};
  } else if (!$('panel').hidden) closePanel();
  if (route.view === 'silences') fillPlan();
  if (route.view === 'entries') readSearch(asked);
  if (state.status) { showMap(); show(); }
}

/** What the address wants beside what is shown anyway; called whenever something new is drawn. */
function mindRoute() {
  if (route.opens) {
    const one = route.opens;
    route.opens = null;
    openPanel(one);
  }
  if (search.waits && route.view === 'entries') searchAnew();
  if (!['incident', 'app'].includes(route.view) || Date.now() - route.asked < DETAIL_ASKED_EVERY_MS) return;
  route.asked = Date.now();
  const [view, name] = [route.view, route.parts[0] ?? ''];
  const asked = view === 'incident' ? askIncident(name) : askApp(name);
  asked.then((nodes) => {
    if (route.view !== view || route.parts[0] !== name) return;
    // What is being read or chosen stays: a copy is made where something else is known; its age ticks by itself.
    const made = el('div', {}, ...nodes.filter(Boolean));
    const is = [...made.children].filter((part) => part.className !== 'since').map((part) => part.textContent).join();
    if ($('detail').known !== is || $('detail').of !== `${view} ${name}`) {
      $('detail').replaceChildren(made);
      for (const list of made.querySelectorAll('.lines')) list.scrollTop = list.scrollHeight;
    }
    Object.assign($('detail'), {known: is, of: `${view} ${name}`});
  }, (fault) => {
    if (!(fault instanceof Shut)) $('detail').replaceChildren(el('p', {role: 'alert'}, fault.message));
    trouble(fault);
  });
}

// ---- an incident ----

function memberLink(name) {
  const parts = name.split('/');
  if (parts.length !== 3) return el('span', {class: 'mono'}, name);
  const [app, region, instance] = parts;
  return el('span', {}, el('a', {class: 'mono', href: addressOf({app, region, instance})}, name), ' ', copyButton(instance));
}

async function askIncident(id) {
  const one = await ask(`/api/v1/incidents/${encodeURIComponent(id)}`);
  const open = one.state === 'open';
  put($('detail-title'), `${who(one)} ${open ? '' : '(over)'}`.trim());
  const names = new Set((one.members ?? []).map((member) => member.target).concat(one.affected));
  const shown = [...names].slice(0, 100);
  const timeline = (one.timeline ?? []).map((step) => el('li', {}, when(step.at), el('span', {class: 'grow'}, step.what)));
  const muted = open && silenceOf(one);
  const words = await wordsOf(one, one.instance ? [[one.app, one.region, one.instance].join('/')] : shown);
  return [
    el('p', {class: 'since'}, severity(one), open ? tick(el('span'), () => ` for ${since(one.since)}`) : ` over, ${one.reason}`),
    el('p', {}, one.what),
    ...words,
    one.acknowledged ? el('p', {class: 'note'}, acknowledged(one), ', since ', when(one.acknowledged.at)) : null,
    muted ? el('p', {class: 'note'}, `silenced until ${clock(ends(muted))}: ${muted.reason} (${muted.author || 'rules'})`) : null,
    el('p', {class: 'buttons'},
      open ? el('button', {type: 'button', class: 'main', onclick: () => askSilence(who(one), matchersOf(one))}, 'Silence') : null,
      open ? el('button', {type: 'button', onclick: () => askSilence(who(one), null, one.id)}, 'Acknowledge') : null,
      runbook(one.runbook), copyButton(location.href, 'Copy the link'), el('a', {href: aroundOf(one)}, 'Entries around it'),
      one.app ? el('a', {href: `#/app/${encodeURIComponent(one.app)}`}, `app ${one.app}`) : null),
    pairs(['instance', one.instance && memberLink([one.app, one.region, one.instance].join('/'))], ['alert', one.alarm], ['scope', one.scope], ['rule', one.rule], ['last sign of life', when(one.since)], ['limit', seconds(one.max_gap_seconds)],
      ['deadline', when(one.due)], ['opened', when(one.opened_at)], ['closed', one.closed_at && when(one.closed_at)],
      ['last notification', one.told ? when(one.told.at) : 'none was sent'], ['id', el('span', {}, el('span', {class: 'mono'}, one.id), ' ', copyButton(one.id))]),
    el('h3', {}, 'Timeline'),
    timeline.length ? el('ol', {class: 'rows'}, ...timeline) : el('p', {class: 'note'}, 'Nothing is recorded of it yet.'),
    shown.length ? el('h3', {}, `Members (${one.affected_total || names.size})`) : null,
    shown.length ? el('ul', {class: 'rows'}, ...shown.map((name) => el('li', {}, memberLink(name)))) : null,
    names.size > shown.length ? el('p', {class: 'note'}, `and ${names.size - shown.length} more`) : null,
    one.last_beat ? el('h3', {}, 'Last heartbeat') : null,
    one.last_beat ? el('p', {class: 'mono said'}, one.last_beat) : null,
  ];
}

// ---- an app ----

async function askApp(app) {
  const query = new URLSearchParams({app, limit: 500});
  const [page, past, apps] = await Promise.all([ask(`/api/v1/instances?${query}`),
    ask(`/api/v1/incidents?${new URLSearchParams({app: quoted(app), limit: 200, from: new Date(now() - HISTORY_DAYS * DAY_MS).toISOString()})}`),
    ask('/api/v1/apps')]);
  const [share, loss] = [apps.apps, state.status.losses].map((list) => list.find((one) => one.app === app));
  const order = Object.keys(MARKS);
  const list = page.instances.sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || (a.region < b.region ? -1 : 1));
  const regions = new Map();
  for (const place of state.status.apps) if (place.app === app) regions.set(place.region, place.instances);
  const counts = (all) => order.filter((verdict) => all[verdict]).map((verdict) => el('span', {class: `v-${verdict}`}, `${MARKS[verdict]} ${all[verdict]} ${verdict} `));
  const row = (one) => {
    const beat = one.beats[0];
    return el('tr', {}, el('th', {scope: 'row'}, el('a', {class: 'mono', href: addressOf(one)}, one.instance)), el('td', {}, one.region),
      el('td', {class: `v-${one.verdict}`}, `${MARKS[one.verdict]} ${one.verdict}`), el('td', {}, beat ? when(beat.last_seen) : 'none'),
      el('td', {}, beat ? interval(beat) : ''), el('td', {}, beat?.rule ?? ''));
  };
  return [
    el('ul', {class: 'rows'}, ...[...regions].map(([region, all]) => el('li', {}, el('a', {href: `#/region/${encodeURIComponent(region)}`}, region), el('span', {class: 'grow'}, ...counts(all))))),
    el('h3', {}, 'The last 93 days'),
    days(past.incidents, share),
    share?.live_ratio !== null && share ? el('p', {class: 'note'}, `${percent(share.live_ratio)} of the time without an open incident`) : null,
    loss ? el('p', {class: 'note'}, `${percent(loss.lost_ratio)} of its heartbeats were lost in the last day, by seq=`) : null,
    el('h3', {}, `Instances (${page.total})`),
    el('div', {class: 'scroll', role: 'region', 'aria-label': 'Instances of the app', tabindex: '0'}, el('table', {class: 'shares'},
      el('thead', {}, el('tr', {}, ...['instance', 'region', 'verdict', 'last heartbeat', 'interval and limit', 'rule'].map((name) => el('th', {scope: 'col'}, name)))),
      el('tbody', {}, ...list.map(row)))),
    el('h3', {}, 'Incidents'),
    past.incidents.length ? el('ul', {class: 'rows'}, ...past.incidents.slice(0, 25).map((one) => el('li', {}, when(one.opened_at), severity(one), el('span', {class: 'grow'}, linkTo(one)),
      el('span', {}, one.closed_at ? `${one.reason} after ${span(Date.parse(one.closed_at) - Date.parse(one.since))}` : 'open')))) : el('p', {class: 'note'}, 'None in 93 days.'),
  ];
}

/** The usual interval within what is allowed, as a bar. */
function interval(beat) {
  const usual = beat.every_seconds ?? beat.usual_seconds;
  if (!usual || !beat.max_gap_seconds) return usual ? seconds(usual) : 'not known yet';
  const share = Math.min(1, usual / beat.max_gap_seconds);
  const bar = svg('svg', {class: 'bar', viewBox: '0 0 80 10', role: 'img', 'aria-label': `${seconds(usual)} of ${seconds(beat.max_gap_seconds)}`},
    svg('rect', {class: 'bed', width: 80, height: 10}), svg('rect', {class: 'fill', width: (share * 80).toFixed(1), height: 10}));
  return el('span', {}, bar, ` ${seconds(usual)} of ${seconds(beat.max_gap_seconds)}`);
}

/** A bar for each day: how much of it an incident of the app was open. */
function days(incidents, share) {
  const today = Math.floor(now() / DAY_MS);
  const known = share?.since ? Date.parse(share.since) : now();
  const bars = [];
  let bad = 0;
  for (let at = 0; at < HISTORY_DAYS; at += 1) {
    const from = (today - HISTORY_DAYS + 1 + at) * DAY_MS;
    const until = Math.min(from + DAY_MS, now());
    const open = incidents.reduce((all, one) => all + Math.max(0, Math.min(until, one.closed_at ? Date.parse(one.closed_at) : now()) - Math.max(from, Date.parse(one.since))), 0);
    const kind = open > 0 ? 'wrong' : until > known ? 'well' : 'bed';
    if (open > 0) bad += 1;
    const height = open > 0 ? Math.max(8, Math.min(1, open / (until - from)) * 34) : 34;
    if (kind === 'wrong') bars.push(svg('rect', {class: until > known ? 'well' : 'bed', x: at * 6, y: 0, width: 4, height: 34}));
    bars.push(svg('rect', {class: kind, x: at * 6, y: 34 - height, width: 4, height}));
  }
  return svg('svg', {class: 'days', viewBox: `0 0 ${HISTORY_DAYS * 6} 34`, role: 'img', 'aria-label': `${bad} of the last ${HISTORY_DAYS} days had an incident of this app`}, ...bars);
}

// ---- planning a silence ----

/** A moment as a field of the form has it, in the zone of the page. */
function fieldTime(ms, chars = 16) {
  const offset = zone.utc ? 0 : new Date(ms).getTimezoneOffset() * 60000;
  return new Date(ms - offset).toISOString().slice(0, chars);
}
const timeOf = (text) => new Date(zone.utc ? `${text}Z` : text).toISOString();

function fillPlan() {
  if (!$('plan-from').value) $('plan-from').value = fieldTime(now());
  if (!$('plan-until').value) $('plan-until').value = fieldTime(now() + 2 * 3600e3);
  $('plan-author').value ||= localStorage.getItem('author') ?? '';
}

$('plan').addEventListener('submit', async (event) => {
  event.preventDefault();
  const [reason, author] = [$('plan-reason').value, $('plan-author').value];
  const matchers = ['app', 'region', 'instance'].map((part) => [part, $(`plan-${part}`).value.trim()]).filter(([, value]) => value);
  try {
    if (!matchers.length) throw new Error('Name an app, a region or an instance; * is every app.');
    const [from, until] = [timeOf($('plan-from').value), timeOf($('plan-until').value)];
    await ask('/api/v1/silences', 'POST', {...Object.fromEntries(matchers), starts_at: from, ends_at: until, reason, author});
    localStorage.setItem('author', author);
    $('plan-reason').value = '';
    put($('plan-said'), '');
    turn();
  } catch (fault) {
    put($('plan-said'), fault.message);
  }
});

addEventListener('hashchange', () => {
  readRoute();
  scrollTo(0, 0);
  if (!$('detail-part').hidden) $('detail-title').focus({preventScroll: true});
});
