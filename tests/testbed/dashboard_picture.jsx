// Draws the panels of a dashboard with Grafana's UI library; dashboard_picture.mjs bundles it with the answers of a
// Prometheus in `scene`. The library has no heat map, so that one is drawn here.
import { createTheme, dateTime, FieldType, getDisplayProcessor } from '@grafana/data';
import { BigValue, GlobalStyles, PanelChrome, Table, ThemeContext, TimeSeries } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import scene from 'scene';
import 'uplot/dist/uPlot.min.css';

const CELL = 30;
const SPACE = 8;
const WIDTH = 1440 - 2 * SPACE;
const TIME_ZONE = 'utc';
const theme = createTheme({ colors: { mode: scene.mode } });
const [from, to] = [dateTime(scene.from), dateTime(scene.to)];
const timeRange = { from, to, raw: { from, to } };

/** The settings of one field: the panel's defaults, then the overrides of its name. */
function settings(panel, name) {
  const { defaults, overrides } = panel.fieldConfig;
  const steps = defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  const config = { ...defaults, custom: { ...defaults.custom }, links: [], thresholds: { ...defaults.thresholds, steps } };
  for (const { matcher, properties } of overrides) {
    if (matcher.options !== name) continue;
    for (const { id, value } of properties) {
      if (id.startsWith('custom.')) config.custom[id.slice('custom.'.length)] = value;
      else if (id !== 'links') config[id] = value;
    }
  }
  return config;
}

function field(panel, name, type, values, index = 0) {
  const known = values.filter((value) => typeof value === 'number');
  const [min, max] = [Math.min(...known), Math.max(...known)];
  const made = { name, type, values, config: { ...settings(panel, name), displayNameFromDS: name }, state: { seriesIndex: index, displayName: name, range: { min, max, delta: max - min } } };
  made.display = getDisplayProcessor({ field: made, theme, timeZone: TIME_ZONE });
  return made;
}

const times = (values) => ({ name: 'Time', type: FieldType.time, values, config: {} });

function series(panel) {
  return panel.series.map(({ name, values }, index) => ({ fields: [times(scene.times), field(panel, name, FieldType.number, values, index)], length: values.length }));
}

function Stat({ panel, width, height }) {
  const [first] = series(panel);
  const shown = first?.fields[1];
  const last = shown?.values.findLast((value) => value !== null);
  const value = shown ? shown.display(last) : { text: panel.fieldConfig.defaults.noValue ?? 'No data', numeric: NaN };
  const { colorMode, graphMode, justifyMode } = panel.options;
  const line = graphMode === 'none' || !shown ? undefined : { y: shown, x: first.fields[0] };
  return <BigValue {...{ width, height, theme, colorMode, graphMode, justifyMode }} value={value} sparkline={line} />;
}

function Lines({ panel, width, height }) {
  return <TimeSeries frames={series(panel)} {...{ width, height, timeRange }} timeZone={TIME_ZONE} legend={panel.options.legend} />;
}

function Rows({ panel, width, height }) {
  if (panel.rows.length === 0) return <Message text={panel.fieldConfig.defaults.noValue ?? 'No data'} height={height} />;
  const fields = panel.columns.map(({ name, isNumber }, index) =>
    field(panel, name, isNumber ? FieldType.number : FieldType.string, panel.rows.map((row) => row[index])));
  fields.forEach((one) => { one.config.custom.filterable = false; });
  return <Table data={{ fields, length: panel.rows.length }} {...{ width, height }} cellHeight="sm" initialSortBy={panel.options.sortBy} />;
}

/** A cell for each bucket and step, darker for fewer; the buckets' ends to the left. */
function Heat({ panel, width, height }) {
  const [left, bottom] = [72, 20];
  const all = panel.series.map(({ name, values }) => ({ top: name === '+Inf' ? Infinity : Number(name), values })).sort((a, b) => a.top - b.top);
  const own = all.map(({ top, values }, index) => ({ top, values: values.map((value, at) => Math.max(0, (value ?? 0) - (all[index - 1]?.values[at] ?? 0))) }));
  const used = own.flatMap(({ values }, index) => (values.some((value) => value > 0.01) ? [index] : []));
  const buckets = own.slice(Math.max(0, used[0] - 1), used.at(-1) + 2);
  const most = Math.max(...buckets.flatMap(({ values }) => values));
  const [wide, high] = [(width - left) / scene.times.length, (height - bottom) / buckets.length];
  const label = getDisplayProcessor({ field: { type: FieldType.number, config: { unit: panel.options.yAxis.unit } }, theme });
  const words = (value) => (Number.isFinite(value) ? `${label(value).text}${label(value).suffix ?? ''}` : 'more');
  const labels = scene.times.filter((at) => at % 120_000 === 0);
  const x = (at) => left + ((at - scene.from) / (scene.to - scene.from)) * (width - left);
  const text = { fill: theme.colors.text.primary, fontSize: 12, dominantBaseline: 'hanging' };
  return (
    <svg width={width} height={height}>
      {buckets.map(({ top, values }, row) => (
        <g key={top}>
          <text x={left - 8} y={height - bottom - (row + 1) * high} textAnchor="end" {...text}>{words(top)}</text>
          {values.map((value, at) => value > 0.01 && (
            <rect key={at} x={left + at * wide} y={height - bottom - (row + 1) * high} width={wide - 1} height={high - 1}
              fill={theme.visualization.getColorByName('orange')} opacity={0.15 + 0.85 * Math.sqrt(value / most)} />
          ))}
        </g>
      ))}
      {labels.map((at) => <text key={at} x={x(at)} y={height - 12} textAnchor="middle" {...text}>{new Date(at).toISOString().slice(11, 16)}</text>)}
    </svg>
  );
}

function Message({ text, height }) {
  return <div style={{ height, display: 'flex', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary }}>{text}</div>;
}

const KINDS = { stat: Stat, timeseries: Lines, table: Rows, heatmap: Heat };

function Panel({ panel }) {
  const { x, y, w, h } = panel.gridPos;
  const unit = (WIDTH + SPACE) / 24;
  const [width, height] = [w * unit - SPACE, h * (CELL + SPACE) - SPACE];
  const style = { position: 'absolute', left: SPACE + x * unit, top: SPACE + y * (CELL + SPACE), width, height };
  if (panel.type === 'row') return <h6 style={{ ...style, margin: 0, lineHeight: `${CELL}px` }}>{panel.title}</h6>;
  const Kind = KINDS[panel.type];
  return (
    <div style={style}>
      <PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
        {(width, height) => (Kind === Rows || panel.series.length > 0 || Kind === Stat
          ? <Kind {...{ panel, width, height }} /> : <Message text="No data" height={height} />)}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles hackNoBackdropBlur={true} />
    {scene.panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
  </ThemeContext.Provider>,
);
