// From values to gray (PS3.3 C.11.2): the windows there are, and the table from stored values to shades.

import { number } from './dataset.js';
import { meaning } from './pixels.js';

/** Windows that readers of CT choose from; keys of texts. */
export const CT_PRESETS = [
  { key: 'brain', center: 40, width: 80 },
  { key: 'stroke', center: 35, width: 40 },
  { key: 'lung', center: -600, width: 1500 },
  { key: 'mediastinum', center: 40, width: 400 },
  { key: 'abdomen', center: 50, width: 350 },
  { key: 'liver', center: 80, width: 160 },
  { key: 'bone', center: 450, width: 1800 },
  { key: 'vessels', center: 200, width: 700 },
];

const ENTRIES = 65536;                   // the largest table that is made; wider ranges are computed pixel by pixel

/** The first window of the image, else one that its values suggest; eight bits are shades already. */
export const defaultWindow = (image, frame) =>
  image.windows[0] ?? (frame.gray instanceof Uint8Array && number(image.dataset, '00280101') === 8 ? shades(image) : automatic(image, frame));

function shades(image) {
  const [low, high] = [image.intercept, 255 * image.slope + image.intercept];
  return { center: (low + high + 1) / 2, width: Math.abs(high - low) + 1, name: '' };
}

/** From the darkest to the brightest value, but for a thousandth at either end and for padding. */
export function automatic(image, frame) {
  const { gray, range: [least, most] } = frame;
  const padding = number(image.dataset, '00280120');
  const bins = new Uint32Array(1024);
  const scale = (bins.length - 1) / (most - least || 1);
  let total = 0;
  for (const one of gray) {
    if (one === padding) continue;
    bins[(one - least) * scale | 0]++;
    total++;
  }
  const at = share => {
    let left = total * share;
    const bin = bins.findIndex(count => (left -= count) <= 0);
    return meaning(image, frame, least + Math.max(bin, 0) / scale);
  };
  const [low, high] = [at(0.001), at(0.999)].sort((a, b) => a - b);
  return { center: (low + high) / 2, width: Math.max(high - low, 1), name: '' };
}

/** 0 to 255 of a value within a window, by the image's VOI LUT Function. */
export function shade(value, { center, width }, kind) {
  if (kind === 'SIGMOID') return 255 / (1 + Math.exp(-4 * (value - center) / width));
  if (kind === 'LINEAR_EXACT') return Math.min(Math.max((value - center) / width + 0.5, 0), 1) * 255;
  if (width <= 1) return value > center - 0.5 ? 255 : 0;
  return Math.min(Math.max((value - (center - 0.5)) / (width - 1) + 0.5, 0), 1) * 255;
}

/** Paint a gray frame into RGBA words. `inverted`: the reader's wish; MONOCHROME1 inverts by itself. */
export function paint(image, frame, window, inverted, words) {
  const { gray, range: [least, most] } = frame;
  const dark = inverted !== (image.photometric === 'MONOCHROME1');
  const wordOf = stored => {
    const level = Math.round(shade(meaning(image, frame, stored), window, image.voiFunction));
    return 0xff000000 | (dark ? 255 - level : level) * 0x010101;
  };
  if (most - least >= ENTRIES || gray instanceof Float32Array || gray instanceof Float64Array) {
    for (let at = 0; at < gray.length; at++) words[at] = wordOf(gray[at]);
    return;
  }
  const table = new Uint32Array(most - least + 1);
  for (let at = 0; at < table.length; at++) table[at] = wordOf(least + at);
  for (let at = 0; at < gray.length; at++) words[at] = table[gray[at] - least];
}
