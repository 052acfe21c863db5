// Draws the first screen of a dashboard with Grafana's UI library, from a live Prometheus. Usage, in a folder of
// node_modules: node dashboard_picture.mjs PROMETHEUS_URL DASHBOARD.json PICTURE.png day|night END [VARIABLE=VALUE ...]
// The range is from lastbeat's first sample to END, in seconds since 1970.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const { build } = createRequire(path.join(process.cwd(), 'package.json'))('esbuild');
const [prometheus, board, picture, mode, end, ...given] = process.argv.slice(2);
const SCREEN_ROWS = 23;
const ROW_PIXELS = 38;
const STEPS = 120;
const SCRAPE_S = 5;

async function query(kind, parameters) {
  const answer = await (await fetch(`${prometheus}/api/v1/${kind}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data.result;
}

const now = Number(end);
const [[, started]] = (await query('query', { query: 'min_over_time(timestamp(lastbeat_build_info)[1h:1s])', time: now })).map(({ value }) => value);
const step = Math.max(1, Math.ceil((now - started) / STEPS));
const [from, to] = [Math.ceil(started / step) * step, Math.floor(now / step) * step];
const times = Array.from({ length: (to - from) / step + 1 }, (_, index) => (from + index * step) * 1000);

const variables = { job: '.*', monitor: '.*', app: '.*', region: '.*', ...Object.fromEntries(given.map((one) => one.split('='))) };
const filled = (expr) => expr.replaceAll('$__rate_interval', `${4 * SCRAPE_S}s`).replace(/\$(\w+)/g, (whole, name) => variables[name] ?? whole);
const legend = (text, labels) => text.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '').trim();

async function series(targets) {
  const found = [];
  for (const target of targets) {
    for (const { metric, values } of await query('query_range', { query: filled(target.expr), start: from, end: to, step })) {
      const at = new Map(values.map(([time, value]) => [time * 1000, Number(value)]));
      const row = times.map((time) => (Number.isFinite(at.get(time)) ? at.get(time) : null));
      if (row.some((value) => value !== null)) found.push({ name: legend(target.legendFormat, metric), values: row });
    }
  }
  return found.sort((a, b) => a.name.localeCompare(b.name));
}

/** The columns that `organize` keeps, and a row for each set of labels, as `merge` makes them. */
async function table({ targets, transformations }) {
  const { indexByName, renameByName } = transformations.find(({ id }) => id === 'organize').options;
  const rows = new Map();
  for (const [index, target] of targets.entries()) {
    const value = targets.length === 1 ? 'Value' : `Value #${'ABCDEFGH'[index]}`;
    for (const { metric, value: [, number] } of await query('query', { query: filled(target.expr), time: to })) {
      const key = JSON.stringify(Object.entries(metric).sort());
      rows.set(key, { ...rows.get(key), ...metric, [value]: Number(number) });
    }
  }
  const raw = Object.keys(indexByName).sort((a, b) => indexByName[a] - indexByName[b]);
  return {
    columns: raw.map((name) => ({ name: renameByName[name], isNumber: name.startsWith('Value') })),
    rows: [...rows.values()].map((row) => raw.map((name) => row[name] ?? null)),
  };
}

const panels = [];
for (const panel of JSON.parse(fs.readFileSync(board, 'utf8')).panels) {
  const { y, h } = panel.gridPos;
  if (y + h > SCREEN_ROWS) continue;
  const answer = panel.type === 'row' ? {} : panel.type === 'table' ? await table(panel) : { series: await series(panel.targets) };
  panels.push({ ...panel, ...answer });
}
const empty = panels.filter(({ type, series }) => series?.length === 0 && type !== 'stat').map(({ title }) => title);
if (empty.length > 0) console.log(`${path.basename(board)}: no data: ${empty.join(', ')}`);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dashboard-'));
const scene = { mode: mode === 'night' ? 'dark' : 'light', from: times[0], to: times.at(-1), times, panels };
fs.writeFileSync(path.join(folder, 'scene.json'), JSON.stringify(scene));
await build({
  entryPoints: [fileURLToPath(import.meta.url.replace(/mjs$/, 'jsx'))],
  outfile: path.join(folder, 'drawing.js'),
  bundle: true,
  jsx: 'automatic',
  nodePaths: [path.join(process.cwd(), 'node_modules')],
  // The library's own bundle for `require`: its ES modules take the defaults of CommonJS packages in another way than esbuild.
  alias: { scene: path.join(folder, 'scene.json'), '@grafana/ui': path.join(process.cwd(), 'node_modules/@grafana/ui/dist/cjs/index.cjs') },
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.ttf': 'empty' },
  logLevel: 'error',
});
const style = '<style>@keyframes none {} *, *::before, *::after { animation: none !important; transition: none !important }</style>';
fs.writeFileSync(path.join(folder, 'index.html'), `<!doctype html><meta charset="utf-8">${style}<link rel="stylesheet" href="drawing.css"><body><div id="root"></div><script src="drawing.js"></script>`);
const rows = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
execFileSync('chromium', [
  '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--allow-file-access-from-files', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', `--user-data-dir=${path.join(folder, 'browser')}`,
  '--enable-logging=stderr', '--virtual-time-budget=10000', `--window-size=1440,${rows * ROW_PIXELS + 8}`, `--screenshot=${path.resolve(picture)}`,
  `file://${folder}/index.html`,
], { stdio: process.env.VERBOSE ? 'inherit' : 'ignore' });
fs.rmSync(folder, { recursive: true, force: true });
