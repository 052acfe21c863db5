// An organisation on a NATS server, for the pictures of the dashboards: heartbeats and output of 24 instances, of which
// one dies, one region is silent for a while, and one stops on purpose within so many seconds; then it goes on until it is
// killed. Usage: node dashboard_scene.mjs PORT SECONDS
import net from 'node:net';

const [port, seconds] = process.argv.slice(2).map(Number);
const EVERY_S = 5;
const APPS = ['api', 'checkout', 'search', 'web'];
const REGIONS = ['fra', 'iad', 'lhr'];
const instances = APPS.flatMap((app) => REGIONS.flatMap((region) => [1, 2].map((number) => ({ app, region, number }))))
  .map((one, index) => ({ ...one, index, id: `3d8d90${(index * 7919 + 4099).toString(16).padStart(4, '0')}`, seq: 0 }));

const socket = net.connect(port, '127.0.0.1');
socket.on('data', (data) => String(data).includes('PING') && socket.write('PONG\r\n'));
socket.write('CONNECT {"verbose":false}\r\n');

function say({ app, region, id }, message) {
  const payload = JSON.stringify({
    event: { provider: 'app' }, fly: { app: { instance: id, name: app }, region }, host: 'a1b2', log: { level: 'info' },
    message, timestamp: new Date(Date.now() - 20 - 60 * Math.random()).toISOString(),
  });
  socket.write(`PUB logs.${app}.${region}.${id} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
}

/** Whether the instance is silent, at this share of the run. */
function isSilent({ app, region, number }, share) {
  return (app === 'checkout' && region === 'iad' && number === 2 && share > 0.72)
    || (region === 'lhr' && share > 0.3 && share < 0.5)
    || (app === 'search' && region === 'fra' && number === 2 && share > 0.15);
}

const begun = Date.now();
const share = () => (Date.now() - begun) / 1000 / seconds;
let hasStopped = false;
let tick = 0;

function next() {
  tick += 1;
  for (const one of instances) {
    const isDue = tick % (EVERY_S * 10) === (one.index * 7) % (EVERY_S * 10);
    if (!isSilent(one, share())) {
      if (isDue) say(one, `HEARTBEAT every=${EVERY_S}s seq=${(one.seq += 1)}`);
      if (Math.random() < 0.1 + 0.1 * (one.index % 4)) say(one, `GET /${one.app}/${tick} 200 in ${1 + tick % 40} ms`);
    } else if (one.app === 'search' && !hasStopped) {
      hasStopped = true;
      say(one, 'HEARTBEAT bye');
    }
  }
}

// By the clock: a timer alone would slow the heartbeats down on a busy machine.
setInterval(() => {
  while (tick < (Date.now() - begun) / 100) next();
}, 100);
