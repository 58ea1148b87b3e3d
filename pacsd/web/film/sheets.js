// What slides up from the bottom: series, windows, report, study, layout.

import { date, personName, text, time, value } from './dataset.js';
import { element, render } from './report.js';
import { age, current, say } from './text.js';
import { CT_PRESETS, automatic } from './windowing.js';

/** Open a sheet; it closes by its button, Escape, or a touch beside it. */
export function sheet(title, content, className = '') {
  document.querySelector('dialog')?.remove();
  const close = element('button', say('close'), { type: 'button' });
  const head = element('div', [element('h2', title), close], { className: 'title' });
  const made = element('dialog', [head, element('div', content, { className: `body ${className}` })]);
  made.setAttribute('aria-label', title);
  close.onclick = () => made.close();
  made.onclick = event => { if (event.target === made) made.close(); };
  made.onclose = () => made.remove();
  document.body.append(made);
  made.showModal();
  return made;
}

function choices(entries) {
  const list = element('ul', entries.map(entry => element('li', entry)), { className: 'choices' });
  return list;
}

function choice(label, detail, action, chosen) {
  const made = element('button', [label, detail ? element('small', detail) : ''], { type: 'button', onclick: action });
  if (chosen) made.setAttribute('aria-current', 'true');
  return made;
}

/** Window presets: those of the image, those of CT, and what the values themselves give. */
export function presets(pane) {
  const { image, frame } = pane;
  const own = image.windows.filter(different).map((one, at) => ({ ...one, label: one.name || (at ? `${say('original')} ${at + 1}` : say('original')) }));
  const ct = image.units === 'HU' ? CT_PRESETS.map(one => ({ ...one, label: say(one.key) })) : [];
  const least = frame.range.map(stored => stored * image.slope + image.intercept).sort((a, b) => a - b);
  const full = { center: (least[0] + least[1]) / 2, width: Math.max(least[1] - least[0], 1), label: say('full') };
  const all = [...own, ...ct, { ...automatic(image, frame), label: say('automatic') }, full];
  const now = pane.currentWindow();
  const made = sheet(say('presets'), choices(all.map(({ label, center, width }) =>
    choice(label, `${Math.round(center)} / ${Math.round(width)}`, () => {
      pane.setWindow({ center, width, name: label });
      made.close();
    }, now.center === center && now.width === width))));
}

const different = (one, at, all) => all.findIndex(({ center, width }) => center === one.center && width === one.width) === at;

export function layouts(app) {
  const made = sheet(say('layout'), choices([1, 2, 4].map(count => choice(say('panes', { n: count }), '', () => {
    app.arrange(count);
    made.close();
  }, app.panes.length === count))));
}

/** Series with a picture each; choosing one opens it in the pane at work. */
export function seriesList(app) {
  const entries = app.series.map(one => {
    const picture = element('span', one.modality, { className: 'picture' });
    const words = [`${one.number === Infinity ? '' : `${one.number}. `}${one.description || one.bodyPart || one.modality}`];
    const detail = one.kind === 'image' ? say('images', { n: one.count }) : one.kind === 'report' ? say('report') : say('notHere');
    const label = element('span', [...words, element('small', `${one.modality} · ${detail}`)], { className: 'words' });
    const button = choice([picture, label], '', () => {
      made.close();
      if (one.kind === 'report') app.act('report');
      else app.open(app.active, one);
    }, app.active.series === one);
    button.disabled = one.kind === 'other';
    if (one.kind === 'image') whenSeen(picture, () => app.thumbnail(one, picture));
    return button;
  });
  const made = sheet(say('series'), choices(entries), 'series');
}

function whenSeen(target, action) {
  const observer = new IntersectionObserver(found => {
    if (!found.some(one => one.isIntersecting)) return;
    observer.disconnect();
    action();
  });
  observer.observe(target);
}

/** The reports of the study; `failed` says why one could not be had, which is not the same as there being none. */
export function report(app, documents, failed) {
  const content = documents.map(one => render(one, app.openPdf));
  if (failed) content.push(element('p', failed, { className: 'state' }));
  else if (!documents.length) content.push(element('p', say('noReport')));
  sheet(say('report'), content);
}

/** Who was examined, when, and how. */
export function information(app) {
  const { study, active: { image } } = app;
  const sex = { M: say('male'), F: say('female'), O: say('other') }[text(study, '00100040')] ?? text(study, '00100040');
  const rows = [
    ['patient', personName(study, '00100010', current())],
    ['patientId', text(study, '00100020')],
    ['sex', sex],
    ['age', age(text(image?.dataset, '00101010'))],
    ['birth', date(text(study, '00100030'))],
    ['studyDate', `${date(text(study, '00080020'))} ${time(text(study, '00080030'))}`.trim()],
    ['description', text(study, '00081030')],
    ['accession', text(study, '00080050')],
    ['modality', (study?.['00080061']?.Value ?? []).join(', ')],
    ['institution', text(image?.dataset, '00080080') || String(value(study, '00080080') ?? '')],
  ].filter(row => row[1]);
  const notes = [image && noteOf(image), say('forReference')].filter(Boolean);
  const list = element('dl', rows.flatMap(([key, found]) => [element('dt', say(key)), element('dd', found)]));
  sheet(say('info'), [list, ...notes.map(note => element('p', note))]);
}

export function noteOf(image) {
  const { calibration } = image;
  if (calibration.note) return say(calibration.note);
  return calibration.spacing || calibration.regions.length ? '' : say('noSpacing');
}
