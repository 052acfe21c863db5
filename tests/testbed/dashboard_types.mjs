// Holds each dashboard against the types that Grafana publishes: as a literal of TypeScript, in which an unknown key and
// a wrong value of an enum are errors. Usage, in the folder of node_modules: node dashboard_types.mjs DASHBOARD.json ...
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const RAW = '@grafana/schema/dist/esm/raw';
// A panel's type, the folder of its options, and the name of their types.
const KINDS = {
  heatmap: ['heatmap', 'HeatmapPanelCfg'],
  stat: ['stat', 'StatPanelCfg'],
  'state-timeline': ['statetimeline', 'StateTimelinePanelCfg'],
  table: ['table', 'TablePanelCfg'],
  timeseries: ['timeseries', 'TimeSeriesPanelCfg'],
};
const WITH_FIELDS = ['state-timeline', 'timeseries'];
// What Prometheus' plugin adds to an annotation, and what the import dialogue takes away.
const ANNOTATION = ['expr', 'step', 'titleFormat', 'textFormat', 'useValueForTime'];
const without = (value, keys) => Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

let text = `import type { AnnotationQuery, Dashboard, Panel, RowPanel, VariableModel } from '${RAW}/dashboard/x/Dashboard_types.gen';\n`;
for (const [folder, name] of Object.values(KINDS)) {
  text += `import type * as ${name} from '${RAW}/composable/${folder}/panelcfg/x/${name}_types.gen';\n`;
}
// The published enums are nominal: their plain values are what stands in JSON.
text += `type Plain<T> = T extends string ? \`\${T}\` : T extends number ? T : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;\n`;

let count = 0;
const literal = (type, value) => {
  text += `export const v${count++}: Plain<${type}> = ${JSON.stringify(value, null, 1)};\n`;
};
for (const file of process.argv.slice(2)) {
  const { panels, templating, annotations, ...rest } = JSON.parse(fs.readFileSync(file, 'utf8'));
  text += `// ${path.basename(file)}\n`;
  literal(`Omit<Dashboard, 'panels' | 'templating' | 'annotations'>`, without(rest, ['__inputs', '__requires']));
  literal('AnnotationQuery[]', annotations.list.map((one) => without(one, ANNOTATION)));
  literal('VariableModel[]', templating.list);
  literal('(Panel | RowPanel)[]', panels);
  for (const panel of panels.filter(({ type }) => type !== 'row')) {
    if (!KINDS[panel.type]) throw new Error(`${file}: ${panel.title}: no types are known here for ${panel.type}`);
    const name = KINDS[panel.type][1];
    literal(`Partial<${name}.Options>`, panel.options);
    if (WITH_FIELDS.includes(panel.type)) literal(`Partial<${name}.FieldConfig>`, panel.fieldConfig.defaults.custom);
  }
}

const generated = `dashboards-${process.pid}.ts`;
fs.writeFileSync(generated, text);
const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022'];
try {
  execFileSync('node_modules/.bin/tsc', [...options, generated], { stdio: 'inherit' });
} catch {
  process.exitCode = 1; // tsc has said what is wrong
} finally {
  fs.rmSync(generated);
}
