// The headline in words, the health of the stream as small pictures, the time zone, and notifications of the browser.
'use strict';

const SAMPLES = 300; // one a status, which comes each second
const sparks = {rate: null, rates: [], lags: []};

/** Notes what a new status says of the stream; `before` is the one before it. */
function sample({now: at, stream}, before) {
  const passed = before ? (Date.parse(at) - Date.parse(before.now)) / 1000 : 0;
  if (before && passed <= 0) return;
  const came = before ? stream.entries - before.stream.entries : -1;
  // A restart counts from zero.
  if (came >= 0) {
    const rate = came / passed;
    sparks.rate = sparks.rate === null ? rate : sparks.rate + (rate - sparks.rate) / 3;
    sparks.rates.push(rate);
  }
  sparks.lags.push(stream.lag_seconds);
  for (const list of [sparks.rates, sparks.lags]) if (list.length > SAMPLES) list.shift();
}

function drawSparks() {
  drawSpark($('spark-rate'), sparks.rates, 1);
  drawSpark($('spark-lag'), sparks.lags, 1);
}

/** A line from the oldest to the newest, from zero to its highest, which is at least `least`. */
function drawSpark(canvas, list, least) {
  const {width, height} = canvas;
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, width, height);
  if (list.length < 2) return;
  const top = Math.max(least, ...list);
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.lineWidth = 1.5;
  pen.beginPath();
  list.forEach((value, at) => pen.lineTo(width - 1 - (list.length - 1 - at) * (width - 2) / Math.max(60, list.length - 1), height - 2 - (value / top) * (height - 4)));
  pen.stroke();
}

// ---- the headline ----

const WORDS = {
  HeartbeatFlapping: 'comes and goes', StreamFlapping: 'comes and goes', StreamLagging: 'is late', RegionLagging: 'is late',
  StreamBlind: 'is seen too rarely', LastbeatFull: 'is not watched whole', LogsTooFew: 'logs too little', StreamLossy: 'loses entries',
  StreamAuthFailed: 'is refused', LastbeatDrill: 'is a test', ArchiveStopped: 'is not archived', ShipperStalled: 'receives no logs',
  ShipperLoses: 'loses logs', ShipperLags: 'receives logs late', ShipperFlapping: 'comes and goes', DownstreamUnseen: 'cannot be queried',
};
const NAMED_INCIDENTS = 2;
const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? '' : 's'}`;

/** All of it in one sentence. */
function headline() {
  const {status, open} = state;
  if (open.length) {
    if (open.length > SHOWN_INCIDENTS) {
      const bad = BAD.reduce((all, verdict) => all + (status.instances[verdict] ?? 0), 0);
      return `${plural(open.length, 'incident')}: ${bad.toLocaleString()} of ${plural(sum(status.instances), 'instance')} are not live`;
    }
    const named = worstFirst(open).slice(0, NAMED_INCIDENTS).map((one) => {
      const several = !one.instance && one.scope === 'instance' && one.affected_total > 1;
      return `${who(one)} ${WORDS[one.alarm] ?? (several ? 'are silent' : 'is silent')}`;
    });
    const more = open.length - named.length;
    return `${plural(open.length, 'incident')}: ${named.join(', ')}${more ? ` and ${more} more` : ''}`;
  }
  if (!status.stream.last_entry) return 'No entry has arrived yet';
  const apps = new Set(status.apps.map((place) => place.app)).size;
  const {stopped = 0, live = 0, learning = 0} = status.instances;
  const total = sum(status.instances) - stopped;
  if (!total) return 'No instance is watched yet';
  const among = `${plural(total, 'instance')} in ${plural(apps, 'app')}`;
  if (live + learning === total) return total === 1 ? 'The one instance is live' : `All ${among} are live`;
  const others = Object.keys(MARKS).filter((verdict) => !['live', 'learning', 'stopped'].includes(verdict) && status.instances[verdict]);
  return `${live + learning} of ${among} are live, ${others.map((verdict) => `${status.instances[verdict]} ${verdict}`).join(', ')}`;
}

function showHeadline() {
  const {status, open} = state;
  const worst = open.length ? worstFirst(open)[0].severity : null;
  const kind = worst ? `s-${worst}` : status.ready ? 'v-live' : 'v-late';
  attr($('headline'), 'class', kind);
  const mark = worst ? SEVERITIES[worst] : status.ready ? '●' : '▲';
  put($('headline'), `${mark} ${headline()}${status.ready ? '' : '; lastbeat is not ready'}`);
}

/** What came so far, where no heartbeat did. */
function showReceived() {
  const {status} = state;
  const apps = new Set(status.apps.map((place) => place.app)).size;
  const near = status.unrecognised_beats.reduce((all, one) => all + one.count, 0);
  const like = near ? ` ${plural(near, 'entry')} looked like a heartbeat in a form that does not count; see below.`.replace('entrys', 'entries') : '';
  put($('received'), status.stream.entries
    ? `${status.stream.entries.toLocaleString()} entries from ${plural(apps, 'app')} came, and no heartbeat yet.${like}`
    : 'Nothing came yet: lastbeat waits for the first entry of the stream.');
}

// ---- copying ----

/** A button that copies a text; null where the browser does not let a page do that, as without https. */
function copyButton(text, label = 'Copy') {
  if (!navigator.clipboard) return null;
  return el('button', {type: 'button', class: 'copy', title: text, onclick: (event) => copy(event.currentTarget, text)}, label);
}

async function copy(button, text) {
  await navigator.clipboard.writeText(text).then(() => put(button, 'Copied'), () => put(button, 'Not copied'));
}

$('copy-recipe').hidden = !navigator.clipboard;
$('copy-recipe').addEventListener('click', (event) => copy(event.currentTarget, $('recipe').textContent));

// ---- the time zone ----

function showZone() {
  put($('zone'), zone.utc ? 'UTC' : 'Local time');
  for (const node of document.querySelectorAll('time[datetime]')) put(node, clock(node.dateTime));
}

$('zone').addEventListener('click', () => {
  setZone(!zone.utc);
  localStorage.setItem('zone', zone.utc ? 'utc' : 'local');
  showZone();
  if (state.status) show();
});
showZone();

// ---- notifications of the browser ----

const hears = () => 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem('bell') === 'yes';

function showBell() {
  $('bell').hidden = !('Notification' in window) || Notification.permission === 'denied' || hears();
}

/** Says that an incident opened, to a person who asked for it and looks elsewhere. */
function ring(incident) {
  const known = state.open.some((one) => one.id === incident.id);
  if (!known && incident.state === 'open' && document.hidden && hears()) {
    new Notification(`${who(incident)} ${WORDS[incident.alarm] ?? 'is silent'}`, {body: incident.what, tag: incident.id, icon: '/alarm.svg'});
  }
}

$('bell').addEventListener('click', async () => {
  if (await Notification.requestPermission() === 'granted') localStorage.setItem('bell', 'yes');
  showBell();
});
showBell();
