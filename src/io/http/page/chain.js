// Log shippers: the stream, the shipper and the sink as a chain, with the link that is broken.
'use strict';

const DELAYS = 300; // samples, one each time that they are asked for
const chain = {all: [], delays: new Map()};

async function askChain() {
  ({downstreams: chain.all, refill: chain.refill} = await ask('/api/v1/downstream'));
  for (const one of chain.all) {
    const list = chain.delays.get(one.name) ?? [];
    chain.delays.set(one.name, list);
    if (one.delay_seconds !== null) list.push(one.delay_seconds);
    if (list.length > DELAYS) list.shift();
  }
}

// Of the five parts of a chain: the stream, its subscription, the shipper, the way to the sink, the sink.
const HOPS = {subscription: 1, gone: 2, sink: 3, store: 4};
const CHAIN = ['stream', 'subscription', 'shipper', 'delivery', 'sink'];

/** The verdict of each part: what lies behind a broken one is not known. */
function partsOf(one) {
  const broken = {stalled: HOPS[one.hop] ?? 3, losing: 3, lagging: 3, unseen: 4, blind: 0}[one.state] ?? 5;
  const kind = {stalled: 'silent', losing: 'silent', lagging: 'late'}[one.state] ?? 'unknown';
  return CHAIN.map((name, at) => [name, at < broken ? 'live' : at === broken ? kind : ['losing', 'lagging'].includes(one.state) ? 'live' : 'unknown']);
}

const CHAIN_WORDS = {
  ok: 'arrives', lagging: 'arrives late', losing: 'loses entries', stalled: 'receives nothing', unseen: 'cannot be queried', blind: 'not known: lastbeat does not see the stream',
};
const HOP_WORDS = {
  subscription: 'the shipper receives nothing from the stream', gone: 'the shipper is gone', sink: 'the shipper does not deliver to the sink',
  store: 'the sink accepts entries and does not have them',
};

function showChain() {
  $('chain-part').hidden = !chain.all.length;
  keep($('chain'), chain.all, (one) => one.name, (one) => el('li', {'data-downstream': one.name}, el('b', {}, one.name), el('ol', {class: 'chain'}),
    el('canvas', {width: 110, height: 26, role: 'img', 'aria-label': `Delay of ${one.name}, since this page is open`}), el('span', {class: 'grow'}),
    el('button', {type: 'button', onclick: (event) => refill(event.target, one.name)}, 'Refill')), (node, one) => {
    const [, list, canvas, said, button] = node.children;
    const run = chain.refill?.downstream === one.name ? chain.refill : null;
    button.hidden = !one.missing || run?.state === 'running';
    keep(list, partsOf(one), ([name]) => name, () => el('li', {}), (part, [name, verdict]) => {
      attr(part, 'class', `v-${verdict}`);
      put(part, `${MARKS[verdict]} ${name}`);
    });
    drawSpark(canvas, chain.delays.get(one.name), one.max_delay_seconds);
    const hop = one.state === 'stalled' && HOP_WORDS[one.hop];
    const words = [`${CHAIN_WORDS[one.state] ?? one.state}${hop ? `: ${hop}` : ''}, since ${clock(one.since)}`,
      one.delay_seconds === null ? null : `delay ${seconds(one.delay_seconds)} of ${seconds(one.max_delay_seconds)}`,
      one.lost ? `${one.lost} of ${one.found + one.lost} canaries lost` : null, one.last_found && one.state === 'stalled' ? `last found ${clock(one.last_found)}` : null, one.fault,
      run && `refill ${run.state}: ${Math.floor(run.share * 100)}%${run.fault ? `, ${run.fault}` : ''}`];
    put(said, words.filter(Boolean).join(' · '));
  });
}

/** Ships what the sink lacks from the archive again. */
const refill = (button, name) => ask(`/api/v1/downstream/${encodeURIComponent(name)}/refill`, 'POST', {}).then(turn, (fault) => put(button, fault.message));
