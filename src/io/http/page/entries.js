// Entries by date: of the archive (/api/v1/entries), and the last ones of an instance.
'use strict';

const SEARCH_WITHIN_MS = 15000; // a search ends after 10 s with the page that it has
const AROUND_MS = 5 * 60e3;
const PAGE_ENTRIES = 200;
const MOST_DOWNLOADED = 100000;
const SEARCH_PARTS = ['app', 'region', 'instance', 'q', 'regex', 'level'];
const search = {asked: 0, cursor: '', found: 0};

// ---- an address ----

const entriesOf = (query) => `#/entries?${new URLSearchParams(query)}`;
const isoTime = (ms) => new Date(ms).toISOString().replace(/\.\d+/, '');

/** The entries around an incident, of what it is about. */
function aroundOf(one) {
  const query = {since: isoTime(Date.parse(one.since) - AROUND_MS), until: isoTime(Date.parse(one.opened_at) + AROUND_MS)};
  for (const part of ['app', 'region', 'instance']) if (one[part] && one.scope !== 'regions') query[part] = quoted(one[part]);
  return entriesOf(query);
}

/** Fills the form from the address and searches; an address that asks nothing is of the last quarter of an hour. */
function readSearch(asked) {
  for (const part of SEARCH_PARTS) $(`find-${part}`).value = asked.get(part) ?? '';
  const field = (name, otherwise) => {
    const ms = Date.parse(asked.get(name));
    $(`find-${name}`).value = ms ? fieldTime(ms, 19) : otherwise;
  };
  field('since', [...asked].length ? '' : fieldTime(now() - 15 * 60e3, 19));
  field('until', '');
  if (state.isOpen) searchAnew();
  else search.waits = true;
}

/** What the form asks for, as the API has it. */
function searchQuery() {
  const query = new URLSearchParams();
  for (const part of SEARCH_PARTS) if ($(`find-${part}`).value.trim()) query.set(part, $(`find-${part}`).value.trim());
  for (const part of ['since', 'until']) if ($(`find-${part}`).value) query.set(part, isoTime(Date.parse(timeOf($(`find-${part}`).value))));
  return query;
}

// ---- searching ----

/** Shows entries from the first that matches on. */
function searchAnew() {
  search.waits = false;
  Object.assign(search, {cursor: '', found: 0, query: searchQuery()});
  $('found').replaceChildren();
  searchOn();
}

/** One page of entries after the cursor; pages without any are passed over until `isAsked` is no longer true. */
async function nextPage(query, cursor, limit, isAsked) {
  for (;;) {
    const asked = new URLSearchParams(query);
    asked.set('limit', limit);
    if (cursor) asked.set('cursor', cursor);
    const page = await ask(`/api/v1/entries?${asked}`, 'GET', undefined, SEARCH_WITHIN_MS);
    if (page.entries.length || page.done || !page.next || !isAsked()) return page;
    cursor = page.next;
  }
}

async function searchOn() {
  search.asked += 1;
  const turn = search.asked;
  const isAsked = () => turn === search.asked && route.view === 'entries';
  $('found-more').hidden = true;
  put($('found-said'), 'searching ...');
  try {
    const page = await nextPage(search.query, search.cursor, PAGE_ENTRIES, isAsked);
    if (turn !== search.asked) return;
    search.cursor = page.next ?? '';
    search.found += page.entries.length;
    $('found').append(...page.entries.map((one) => entryLine(one.at, one.subject, one.message)));
    const said = [search.found ? plural(search.found, 'line') : 'Nothing matches', page.done ? 'no more' : 'there are more'];
    if (page.damaged) said.push(`${plural(page.damaged, 'damaged part')} left out`);
    put($('found-said'), said.join(' · '));
    $('found-more').hidden = page.done || !page.next;
  } catch (fault) {
    if (turn !== search.asked) return;
    put($('found-said'), fault.message);
    if (fault instanceof Shut) trouble(fault);
  }
}

/** All that matches, as the lines of the archive: arrival, subject, payload. */
async function download() {
  const button = $('find-download');
  const query = searchQuery();
  const lines = [];
  let cursor = '';
  button.disabled = true;
  try {
    do {
      const page = await nextPage(query, cursor, 1000, () => true);
      for (const one of page.entries) lines.push(`${one.at} ${one.subject} ${one.message.replace(/\r?\n/g, '\\n')}\n`);
      put($('found-said'), `${plural(lines.length, 'line')} read`);
      cursor = page.done ? '' : page.next;
    } while (cursor && lines.length < MOST_DOWNLOADED);
    const link = el('a', {href: URL.createObjectURL(new Blob(lines, {type: 'text/plain'})), download: `entries-${isoTime(now()).replace(/:/g, '')}.log`});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
    put($('found-said'), `${plural(lines.length, 'line')} downloaded${cursor ? '; there are more: set a later start' : ''}`);
  } catch (fault) {
    put($('found-said'), fault.message);
  }
  button.disabled = false;
}

$('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const hash = entriesOf(searchQuery());
  if (hash === location.hash) searchAnew();
  else location.hash = hash;
});
$('found-more').addEventListener('click', searchOn);
$('find-download').addEventListener('click', download);
$('find-link').hidden = !navigator.clipboard;
$('find-link').addEventListener('click', (event) => {
  setAddress(entriesOf(searchQuery()));
  copy(event.currentTarget, location.href);
});

// ---- last words ----

/** Shows the last entries of the instance in the panel: above all else where something is wrong with it. */
function showWords(one) {
  const words = one?.last_words ?? [];
  const part = $('words-part');
  part.hidden = !words.length;
  if (!words.length) return;
  const isFirst = BAD.includes(one.verdict);
  if (isFirst !== (part.nextElementSibling === $('panel-body'))) $('panel-body')[isFirst ? 'before' : 'after'](part);
  const list = $('words');
  const isNew = list.of !== state.shown;
  const follows = isNew || list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
  list.of = state.shown;
  keep(list, words, (word) => state.shown + word.at + word.message, (word) => entryLine(word.at, '', word.message));
  if (follows) list.scrollTop = list.scrollHeight;
  const name = ['app', 'region', 'instance'].map((key) => [key, quoted(one[key])]);
  attr($('words-more'), 'href', entriesOf([...name, ['since', isoTime(Date.parse(words.at(-1).at) - 3600e3)]]));
}

/** The last words of the first instances of an incident. */
async function wordsOf(one, names) {
  const known = names.filter((name) => name.split('/').length === 3).slice(0, 3);
  const of = one.id + one.state;
  if (one.state === 'open' || search.wordsOf !== of) search.words = await Promise.all(known.map((name) => lastWords(one, ...name.split('/'))));
  search.wordsOf = of;
  return known.flatMap((name, at) => {
    const [words, [app, region, instance]] = [search.words[at], name.split('/')];
    return words?.length ? [
      el('h3', {}, 'Last words of ', el('a', {href: addressOf({app, region, instance})}, instance)),
      el('div', {class: 'lines', role: 'group', tabindex: '0', 'aria-label': `Last words of ${instance}`},
        ...words.slice(-10).map((word) => entryLine(word.at, '', word.message))),
    ] : [];
  });
}

/** What the instance said before the incident opened, as it is kept in any case; of one that is over else from the archive. */
async function lastWords(one, app, region, instance) {
  const detail = await ask(`/api/v1/instances/${[app, region, instance].map(encodeURIComponent).join('/')}`).catch(() => null);
  const words = detail?.last_words ?? [];
  if (one.state === 'open') return words;
  const before = words.filter((word) => Date.parse(word.at) < Date.parse(one.opened_at));
  if (before.length) return before;
  const query = {app: quoted(app), region: quoted(region), instance: quoted(instance), since: isoTime(Date.parse(one.since) - 60e3), until: one.opened_at};
  return nextPage(query, '', 1000, () => true).then(({entries}) => entries, () => []);
}
