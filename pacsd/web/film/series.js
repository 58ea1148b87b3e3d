// A series as a stack of images: what each needs to be shown, in the order in which one looks through them.

import { group, number, numbers, text, value, values } from './dataset.js';
import { calibration } from './calibration.js';

const REPORTS = ['SR', 'DOC', 'KO'];
const WITHOUT_IMAGES = ['PR', 'RTSTRUCT', 'RTPLAN', 'RTRECORD', 'REG', 'FID', 'ANN', 'AU', 'ECG', 'EPS', 'HD', 'RESP', 'EEG', 'RWV', 'PLAN', 'SEG', 'ASMT', 'TEXTUREMAP'];
export const MOST_IMAGES = 20_000;
const PDF = '1.2.840.10008.5.1.4.1.1.104.1';

/** A series of the study as QIDO-RS tells it. */
export function describe(found) {
  const modality = text(found, '00080060');
  return {
    uid: text(found, '0020000E'),
    number: number(found, '00200011') ?? Infinity,
    modality,
    description: text(found, '0008103E'),
    bodyPart: text(found, '00180015'),
    count: number(found, '00201209') ?? 0,
    kind: REPORTS.includes(modality) ? 'report' : WITHOUT_IMAGES.includes(modality) ? 'other' : 'image',
  };
}

/** Series by their number; the one to open first is the one with most images. */
export const ordered = series => [...series].sort((a, b) => a.number - b.number || (a.uid < b.uid ? -1 : 1));
export const first = series =>
  series.filter(one => one.kind === 'image').reduce((best, one) => (one.count > (best?.count ?? -1) ? one : best), undefined);

export const isImage = dataset => number(dataset, '00280010') > 0 && number(dataset, '00280011') > 0;
export const isDocument = dataset =>
  Boolean(dataset['0040A730'] || dataset['0040A043'] && text(dataset, '0040A040') || text(dataset, '00080016') === PDF);

/** Every frame of every image of a series, up to a number beyond which a data set lies or a phone gives up. */
export function stackOf(datasets) {
  const images = [];
  for (const dataset of datasets.filter(isImage)) images.push(...frames(dataset, MOST_IMAGES - images.length));
  return inOrder(images).map((image, index) => Object.assign(image, { index }));
}

function frames(dataset, most) {
  const count = Math.min(Math.max(1, number(dataset, '00280008') ?? 1), most);
  return Array.from({ length: count }, (_, position) => new StackImage(dataset, position + 1));
}

/** A frame, with what its place in the stack is told by; the rest is read from its data set when it is asked for. */
class StackImage {
  constructor(dataset, frame) {
    this.dataset = dataset;
    this.frame = frame;
    this.instance = text(dataset, '00080018');
    this.key = `${this.instance}/${frame}`;
    this.position = numbers(plane(this), '00200032', 3);
    this.orientation = numbers(planeOrientation(this), '00200037', 6);
    this.instanceNumber = number(dataset, '00200013') ?? 0;
  }
}

const groupOr = tag => ({ dataset, frame }) => group(dataset, frame, tag) ?? dataset;
const pixels = groupOr('00289145');      // Pixel Value Transformation
const voi = groupOr('00289132');         // Frame VOI LUT
const plane = groupOr('00209113');       // Plane Position
const planeOrientation = groupOr('00209116');
const measures = groupOr('00289110');    // Pixel Measures

const READ = {
  series: ({ dataset }) => text(dataset, '0020000E'),
  modality: ({ dataset }) => text(dataset, '00080060'),
  rows: ({ dataset }) => number(dataset, '00280010'),
  columns: ({ dataset }) => number(dataset, '00280011'),
  samples: ({ dataset }) => number(dataset, '00280002') ?? 1,
  photometric: ({ dataset }) => text(dataset, '00280004') || 'MONOCHROME2',
  slope: image => number(pixels(image), '00281053') || 1,
  intercept: image => number(pixels(image), '00281052') ?? 0,
  units: image => unitsOf(image.dataset, pixels(image)),
  windows: image => windowsOf(voi(image)),
  voiFunction: image => text(voi(image), '00281056') || 'LINEAR',
  thickness: image => number(measures(image), '00180050'),
  calibration: ({ dataset, frame }) => calibration(dataset, frame),
  frameTime: ({ dataset }) => frameTime(dataset),
};

for (const [name, read] of Object.entries(READ)) {
  Object.defineProperty(StackImage.prototype, name, {
    get() {
      const value = read(this);
      Object.defineProperty(this, name, { value });      // of this image, from now on
      return value;
    },
  });
}

function unitsOf(dataset, pixels) {
  const type = text(pixels, '00281054');
  if (text(dataset, '00080060') === 'CT') return type && type !== 'US' ? type : pixels['00281052'] || pixels['00281053'] ? 'HU' : '';
  if (text(dataset, '00080060') === 'PT') return text(dataset, '00541001');
  return type === 'US' ? '' : type;
}

function windowsOf(voi) {
  const centers = values(voi, '00281050').map(Number);
  const widths = values(voi, '00281051').map(Number);
  const names = values(voi, '00281055');
  return centers
    .map((center, position) => ({ center, width: widths[position], name: names[position] ?? '' }))
    .filter(one => Number.isFinite(one.center) && one.width > 0);
}

/** Milliseconds from frame to frame, where the images say so (PS3.3 C.7.6.5). */
function frameTime(dataset) {
  const rate = number(dataset, '00082144') ?? number(dataset, '00180040');
  return number(dataset, '00181063') || (rate ? 1000 / rate : undefined);
}

/** By place where all are parallel and none is at the same place twice, running as the numbers do; else by number. */
function inOrder(images) {
  const byNumber = [...images].sort((a, b) => a.instanceNumber - b.instanceNumber || a.frame - b.frame);
  const normal = commonNormal(byNumber);
  if (!normal) return byNumber;
  const places = new Map(byNumber.map(image => [image, dot(image.position, normal)]));
  const byPlace = [...byNumber].sort((a, b) => places.get(a) - places.get(b));
  const apart = byPlace.every((image, position) => !position || places.get(image) - places.get(byPlace[position - 1]) > 1e-3);
  if (!apart) return byNumber;
  const rising = places.get(byNumber.at(-1)) >= places.get(byNumber[0]);
  return rising ? byPlace : byPlace.reverse();
}

function commonNormal(images) {
  if (images.length < 2 || !images.every(image => image.position && image.orientation)) return undefined;
  const wanted = images[0].orientation;
  const parallel = images.every(image => image.orientation.every((cosine, at) => Math.abs(cosine - wanted[at]) < 1e-3));
  return parallel ? cross(wanted.slice(0, 3), wanted.slice(3)) : undefined;
}

export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
