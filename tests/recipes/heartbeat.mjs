// A heartbeat for lastbeat: `import './heartbeat.mjs'`, or alone: `node heartbeat.mjs`.
import { randomInt } from 'node:crypto';

const every = Number(process.env.HEARTBEAT_EVERY ?? 30);
const alone = process.argv[1]?.endsWith('heartbeat.mjs');
let seq = 0;
let timer;

function wait(milliseconds) {
  timer = setTimeout(beat, milliseconds);
  if (!alone) timer.unref(); // keeps no program alive whose work is done
}

function beat() {
  console.log(`HEARTBEAT every=${every}s name=worker seq=${++seq}`);
  wait(every * 1000);
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.prependOnceListener(signal, () => {
    clearTimeout(timer);
    console.log('HEARTBEAT name=worker bye');
    if (process.listenerCount(signal) === 0) process.exit(0); // else the program's own handler ends it
  });
}

wait(randomInt(every * 1000)); // a fleet does not beat as one
