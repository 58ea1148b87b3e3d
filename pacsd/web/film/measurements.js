// Distances, angles and values that the reader has put on images, and how they are drawn.

import { angle, distance } from './calibration.js';
import { meaning } from './pixels.js';
import { say } from './text.js';

const POINTS = { distance: 2, angle: 3, value: 1 };
const COLOUR = '#ffe14d';
const CHOSEN = '#6dff8b';

export class Measurements {
  #byImage = new Map();

  of(image) {
    return this.#byImage.get(image.key) ?? [];
  }

  add(image, kind, { x, y }) {
    const made = { kind, points: Array.from({ length: Math.min(POINTS[kind], 2) }, () => ({ x, y })) };
    this.#byImage.set(image.key, [...this.of(image), made]);
    return made;
  }

  remove(image, one) {
    this.#byImage.set(image.key, this.of(image).filter(other => other !== one));
  }

  clear(image) {
    this.#byImage.delete(image.key);
  }

  /** The handle within `radius` of a point of the screen: which measurement, and which of its points. */
  handleAt(image, matrix, at, radius) {
    let best;
    for (const one of this.of(image)) {
      one.points.forEach((point, position) => {
        const shown = matrix.transformPoint(point);
        const away = Math.hypot(shown.x - at.x, shown.y - at.y);
        if (away <= radius && away < (best?.away ?? Infinity)) best = { one, position, away };
      });
    }
    return best;
  }
}

/** What a measurement says, in words. */
export function words(one, image, frame) {
  const [a, b, c] = one.points;
  if (one.kind === 'value') return valueAt(image, frame, a) ?? '';
  if (one.kind === 'angle') return c ? `${angle(image.calibration, a, b, c).toFixed(1)}°` : '';
  const { length, unit } = distance(image.calibration, a, b);
  const note = unit === 'px' ? '' : image.calibration.note === 'atDetector' ? ` ${say('atDetectorShort')}` : '';
  return `${length.toFixed(length < 100 ? 1 : 0)} ${unit}${note}`;
}

/** The value of the pixel under a point of the image, as text; undefined outside, or where there is none. */
export function valueAt(image, frame, point) {
  const [column, row] = [Math.floor(point.x), Math.floor(point.y)];
  if (!frame || column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
  const at = row * image.columns + column;
  if (frame.rgba) return `R ${frame.rgba[4 * at]} G ${frame.rgba[4 * at + 1]} B ${frame.rgba[4 * at + 2]}`;
  if (!frame.gray) return undefined;
  const found = meaning(image, frame, frame.gray[at]);
  const units = frame.modality?.units && frame.modality.units !== 'US' ? frame.modality.units : image.units;
  return `${Number.isInteger(found) ? found : Number(found.toPrecision(5))}${units ? ` ${units}` : ''}`;
}

/** Draw all measurements of an image; `chosen` is the one in hand. */
export function draw(context, measurements, image, frame, matrix, chosen) {
  context.lineWidth = 1.6;
  context.font = '600 13px system-ui, sans-serif';
  for (const one of measurements.of(image)) {
    const shown = one.points.map(point => matrix.transformPoint(point));
    const colour = one === chosen ? CHOSEN : COLOUR;
    line(context, shown, colour);
    shown.forEach(point => handle(context, point, colour, one.kind === 'value'));
    label(context, words(one, image, frame), shown[one.kind === 'angle' ? 1 : shown.length - 1], colour);
  }
}

function line(context, points, colour) {
  context.beginPath();
  points.forEach((point, at) => (at ? context.lineTo(point.x, point.y) : context.moveTo(point.x, point.y)));
  twice(context, colour, () => context.stroke());
}

function handle(context, { x, y }, colour, crossed) {
  context.beginPath();
  if (crossed) {
    for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0], [0, -1]]) {
      context.moveTo(x + dx * 3, y + dy * 3);
      context.lineTo(x + dx * 11, y + dy * 11);
    }
  } else {
    context.arc(x, y, 5, 0, 2 * Math.PI);
  }
  twice(context, colour, () => context.stroke());
}

/** A dark edge first: lines must be seen on white as well. */
function twice(context, colour, stroke) {
  const width = context.lineWidth;
  Object.assign(context, { strokeStyle: 'rgba(0, 0, 0, .7)', lineWidth: width + 2 });
  stroke();
  Object.assign(context, { strokeStyle: colour, lineWidth: width });
  stroke();
}

function label(context, text, { x, y }, colour) {
  if (!text) return;
  const { width } = context.canvas.getBoundingClientRect();
  const wide = context.measureText(text).width;
  const [left, base] = [Math.max(4, Math.min(x + 12, width - wide - 6)), Math.max(16, y - 12)];
  Object.assign(context, { lineWidth: 3, strokeStyle: 'rgba(0, 0, 0, .8)', fillStyle: colour, lineJoin: 'round' });
  context.strokeText(text, left, base);
  context.fillText(text, left, base);
  context.lineWidth = 1.6;
}

const LOUPE = 58;

/** A part of the picture, twice as large, beside the finger that hides it. */
export function loupe(context, picture, at, ratio) {
  const { width } = context.canvas.getBoundingClientRect();
  const centre = { x: Math.min(Math.max(at.x, LOUPE + 4), width - LOUPE - 4), y: at.y > 2 * LOUPE + 50 ? at.y - LOUPE - 46 : at.y + LOUPE + 46 };
  const seen = LOUPE / 2;
  context.save();
  context.beginPath();
  context.arc(centre.x, centre.y, LOUPE, 0, 2 * Math.PI);
  context.clip();
  context.fillStyle = '#000';
  context.fill();
  context.drawImage(picture, (at.x - seen) * ratio, (at.y - seen) * ratio, 2 * seen * ratio, 2 * seen * ratio,
    centre.x - LOUPE, centre.y - LOUPE, 2 * LOUPE, 2 * LOUPE);
  context.restore();
  context.beginPath();
  context.arc(centre.x, centre.y, LOUPE, 0, 2 * Math.PI);
  twice(context, '#fff', () => context.stroke());
  handle(context, centre, COLOUR, true);
}
