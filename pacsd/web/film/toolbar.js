// The row of tools at the bottom: what a finger does, and what is done at once.

import { say } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = {                          // paths in a square of 24
  scroll: 'M5 4h14v4H5z M5 11h14v4H5z M8 19l4 3 4-3',
  window: 'M12 3a9 9 0 1 0 0 18z M12 3a9 9 0 0 1 0 18 M12 8h7 M12 12h9 M12 16h7',
  pan: 'M12 3v18 M3 12h18 M9 6l3-3 3 3 M9 18l3 3 3-3 M6 9l-3 3 3 3 M18 9l3 3-3 3',
  distance: 'M3 16 16 3l5 5L8 21z M7 12l2 2 M10 9l3 3 M13 6l2 2',
  angle: 'M4 20 16 4 M4 20h17 M10 12a10 10 0 0 1 4 8',
  value: 'M12 2v7 M12 15v7 M2 12h7 M15 12h7 M12 12h.01',
  presets: 'M4 6h9 M17 6h3 M15 4v4 M4 12h3 M11 12h9 M9 10v4 M4 18h11 M19 18h1 M17 16v4',
  series: 'M3 3h8v8H3z M13 3h8v8h-8z M3 13h8v8H3z M13 13h8v8h-8z',
  report: 'M6 2h9l4 4v16H6z M15 2v4h4 M9 11h7 M9 15h7 M9 19h4',
  cine: 'M7 4v16l13-8z',
  stop: 'M6 5h4v14H6z M14 5h4v14h-4z',
  rotate: 'M19 12a7 7 0 1 1-2-5 M19 3v5h-5',
  flipH: 'M12 3v18 M9 7 3 17h6z M15 7l6 10h-6z',
  flipV: 'M3 12h18 M7 9 17 3v6z M7 15l10 6v-6z',
  invert: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18 M12 3v18 M12 6h5 M12 9h8 M12 12h9 M12 15h8 M12 18h5',
  layout: 'M3 4h18v16H3z M12 4v16 M3 12h18',
  reset: 'M5 12a7 7 0 1 0 2-5 M5 3v5h5',
  download: 'M12 3v12 M7 11l5 5 5-5 M4 20h16',
  erase: 'M9 20h11 M4 14 14 4l6 6-10 10H9z M9 9l6 6',
};
export const TOOLS = ['scroll', 'window', 'pan', 'distance', 'angle', 'value'];
const ORDER = [                          // what most want most is seen without moving the bar
  'scroll', 'window', 'presets', 'series', 'report', 'cine', '', 'distance', 'angle', 'value', 'erase', '',
  'pan', 'rotate', 'flipH', 'flipV', 'invert', 'layout', 'reset',
  ...(document.documentElement.dataset.download === 'true' ? ['', 'download'] : []),
];
const ACTIONS = ORDER.filter(name => name && !TOOLS.includes(name));
const SWITCHES = ['cine', 'invert'];

/** Fill the bar; `app.choose(tool)` and `app.act(action)` are called. Returns a function that shows the state. */
export function build(bar, app) {
  const buttons = {};
  const action = name => (TOOLS.includes(name) ? () => app.choose(name) : () => app.act(name));
  bar.replaceChildren(...ORDER.map(name =>
    (name ? buttons[name] = button(name, action(name)) : document.createElement('hr'))));
  bar.onkeydown = event => step(event, [...bar.querySelectorAll('button')]);
  return state => {
    set(bar, 'aria-label', say('toolbar'));
    for (const name of TOOLS) label(buttons[name], name === 'value' && state.ct ? 'ctValue' : name, name);
    for (const name of ACTIONS) label(buttons[name], name === 'cine' && state.cine ? 'stop' : name);
    for (const name of TOOLS) set(buttons[name], 'aria-pressed', String(state.tool === name));
    for (const name of SWITCHES) set(buttons[name], 'aria-pressed', String(Boolean(state[name])));
    buttons.cine.disabled = !state.many;
    buttons.report.disabled = !state.report;
    buttons.presets.disabled = !state.gray;
  };
}

function button(name, action) {
  const made = document.createElement('button');
  Object.assign(made, { type: 'button', onclick: action });
  made.dataset.name = name;
  const icon = document.createElementNS(SVG, 'svg');
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  icon.append(document.createElementNS(SVG, 'path'));
  made.append(icon, document.createElement('span'));
  return made;
}

function label(made, key, icon = key) {
  set(made.querySelector('path'), 'd', ICONS[icon]);
  const words = made.querySelector('span');
  if (words.textContent !== say(key)) words.textContent = say(key);
}

/** Set an attribute only to another value: the same one again has the browser lay out the whole bar anew. */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Arrow keys walk along the bar (WAI-ARIA toolbar). */
function step(event, buttons) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = buttons.indexOf(document.activeElement);
  if (!by || at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  buttons[(at + by + buttons.length) % buttons.length].focus();
}
