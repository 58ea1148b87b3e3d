// Reports as text: structured reports from their content tree (PS3.3 C.17.3), PDFs as something to open.

import { date, number, personName, text, time, value, values } from './dataset.js';
import { current, say } from './text.js';

const PDF = '1.2.840.10008.5.1.4.1.1.104.1';
const DEEPEST = 32;

export const element = (name, content, properties = {}) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content ?? ''].flat(Infinity));
  return made;
};

/** A document of the study as an element; `open` fetches a PDF and shows it. */
export function render(dataset, open) {
  const report = element('article', [], { className: 'report' });
  const isPdf = text(dataset, '00080016') === PDF;
  report.append(element('h3', title(dataset) || say('report')), stateOf(dataset));
  if (isPdf) {
    report.append(element('button', say('openPdf'), { type: 'button', className: 'open', onclick: () => open(dataset) }));
    return report;
  }
  const references = { count: 0 };
  report.append(...items(dataset, 0, references));
  if (references.count) report.append(element('p', say('references', { n: references.count }), { className: 'state' }));
  return report;
}

const meaning = item => text(item, '00080104') || text(item, '00080100');
const name = item => meaning(value(item, '0040A043'));
const title = dataset => name(dataset) || text(dataset, '00420010') || text(dataset, '0008103E');

function stateOf(dataset) {
  const states = [];
  const flag = text(dataset, '0040A493');
  if (flag) states.push(say(flag === 'VERIFIED' ? 'verified' : 'unverified'));
  if (text(dataset, '0040A491') === 'PARTIAL') states.push(say('partial'));
  const written = date(text(dataset, '00080023') || text(dataset, '0040A032').slice(0, 8));
  const by = personName(value(dataset, '0040A073'), '0040A075', current());
  return element('p', [written, by, ...states].filter(Boolean).join(' · '), { className: 'state' });
}

function items(parent, depth, references) {
  return depth > DEEPEST ? [] : values(parent, '0040A730').flatMap(item => shown(item, depth, references));
}

function shown(item, depth, references) {
  const type = text(item, '0040A040');
  const inner = items(item, depth + 1, references);
  if (type === 'CONTAINER') return [element('section', [...heading(item, depth), ...inner])];
  if (type === 'IMAGE' || type === 'COMPOSITE' || type === 'WAVEFORM') references.count++;
  const written = (VALUES[type] ?? (() => ''))(item);
  if (!written) return inner;
  const label = name(item);
  const line = element('p', [label ? element('b', `${label}${current() === 'zh' ? '：' : ': '}`) : '', written]);
  return inner.length ? [line, element('section', inner)] : [line];
}

const heading = (item, depth) => (name(item) ? [element(depth ? 'h4' : 'h3', name(item))] : []);

const VALUES = {
  TEXT: item => text(item, '0040A160'),
  CODE: item => meaning(value(item, '0040A168')),
  NUM: measured,
  DATE: item => date(text(item, '0040A121')),
  TIME: item => time(text(item, '0040A122')),
  DATETIME: item => text(item, '0040A120').replace(/^(\d{4})(\d{2})(\d{2})(\d{2})?(\d{2})?.*/, (_, y, m, d, h, min) => `${y}-${m}-${d}${h ? ` ${h}:${min ?? '00'}` : ''}`),
  PNAME: item => personName(item, '0040A123', current()),
};

function measured(item) {
  const found = value(item, '0040A300');
  const units = value(found, '004008EA');
  const unit = text(units, '00080100') === '1' ? '' : text(units, '00080100') || meaning(units);
  return found ? `${number(found, '0040A30A') ?? ''} ${unit}`.trim() : '';
}
