// How long a pixel is, and what a length measured with it is worth (PS3.3 C.7.6.3, 10.7, C.8.5.5).

import { group, number, numbers, value, values } from './dataset.js';

const CENTIMETRES = 3;                   // Physical Units X/Y Direction

/** `spacing`: mm between rows and between columns; `note`: key of a text about it; `regions`: of ultrasound. */
export function calibration(dataset, frame) {
  const regions = values(dataset, '00186011').map(regionOf).filter(Boolean);
  if (regions.length) return { regions, aspect: 1 };
  const measures = group(dataset, frame, '00289110') ?? dataset;
  const patient = numbers(measures, '00280030', 2);
  const imager = numbers(dataset, '00181164', 2);
  const nominal = numbers(dataset, '00182010', 2);
  const [spacing, note] =
    usable(patient) ? [patient, projection(dataset, patient, imager)] :
    usable(imager) ? [imager, 'atDetector'] :
    usable(nominal) ? [nominal, 'atDetector'] : [undefined, undefined];
  return { spacing, note, regions: [], aspect: aspectOf(dataset, spacing) };
}

const usable = spacing => spacing?.every(one => one > 0);

function projection(dataset, patient, imager) {
  if (!imager) return undefined;
  const same = patient.every((one, at) => Math.abs(one - imager[at]) < 1e-4 * imager[at]);
  return same ? 'atDetector' : 'calibrated';
}

/** Height of a pixel in its widths. */
function aspectOf(dataset, spacing) {
  if (spacing) return spacing[0] / spacing[1];
  const ratio = numbers(dataset, '00280034', 2);
  return ratio && ratio[0] > 0 && ratio[1] > 0 ? ratio[0] / ratio[1] : 1;
}

function regionOf(item) {
  const [x0, y0, x1, y1] = ['00186018', '0018601A', '0018601C', '0018601E'].map(tag => number(item, tag));
  const [dx, dy] = [Math.abs(number(item, '0018602C')), Math.abs(number(item, '0018602E'))];
  const inCentimetres = value(item, '00186024') === CENTIMETRES && value(item, '00186026') === CENTIMETRES;
  return inCentimetres && dx > 0 && dy > 0 && [x0, y0, x1, y1].every(Number.isFinite)
    ? { x0, y0, x1, y1, spacing: [dy * 10, dx * 10] } : undefined;
}

/** The spacing that holds for a line between two points of the image; undefined where a length means nothing. */
export function spacingBetween(calibration, a, b) {
  if (!calibration.regions.length) return calibration.spacing;
  const inside = (region, point) => point.x >= region.x0 && point.x <= region.x1 && point.y >= region.y0 && point.y <= region.y1;
  return calibration.regions.find(region => inside(region, a) && inside(region, b))?.spacing;
}

/** Distance in mm, or in pixels where nothing says how long one is. */
export function distance(calibration, a, b) {
  const spacing = spacingBetween(calibration, a, b);
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  if (!spacing) return { length: Math.hypot(dx, dy * calibration.aspect), unit: 'px' };
  return { length: Math.hypot(dx * spacing[1], dy * spacing[0]), unit: 'mm' };
}

/** The angle at `corner` in degrees, on the patient and not on the pixels. */
export function angle(calibration, a, corner, b) {
  const [rows, columns] = spacingBetween(calibration, a, b) ?? [calibration.aspect, 1];
  const leg = point => ({ x: (point.x - corner.x) * columns, y: (point.y - corner.y) * rows });
  const [u, v] = [leg(a), leg(b)];
  const turned = Math.atan2(u.x * v.y - u.y * v.x, u.x * v.x + u.y * v.y);
  return Math.abs(turned) * 180 / Math.PI;
}
