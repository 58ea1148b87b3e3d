// From the bytes of a frame to samples (PS3.5 8, PS3.3 C.7.6.3): gray values as they are stored, colours as RGBA.

import { inlineBytes, number, text, value, values } from './dataset.js';

/** Forms to ask a frame in, the best first. JPEG is taken as it is only where it is surely what is stored. */
export function forms(image) {
  const lossy = values(image.dataset, '00282114').includes('ISO_10918_1') || image.photometric === 'YBR_FULL_422';
  const jpeg = lossy && image.samples === 3 && number(image.dataset, '00280100') === 8;
  return jpeg ? ['jpeg', 'rendered', 'octets'] : ['octets', 'rendered'];
}

/** A decoded frame: `gray` (stored values) or `rgba` or `picture` (an ImageBitmap); `size` in bytes of memory. */
export async function decode(image, answer, dicomWeb, signal) {
  if (/^image\//i.test(answer.type)) return picture(answer);
  if (image.photometric === 'PALETTE COLOR') {
    return coloured(image, palette(image, grayOf(image, answer.bytes), await tables(image.dataset, dicomWeb, signal)));
  }
  if (image.samples === 3) return coloured(image, colours(image, answer.bytes));
  const gray = grayOf(image, answer.bytes);
  return { gray, size: gray.byteLength, range: rangeOf(gray), modality: await modalityTable(image, dicomWeb, signal) };
}

async function picture({ bytes, type }) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type: type.split(';')[0] }), { colorSpaceConversion: 'none' });
  return { picture: bitmap, size: bitmap.width * bitmap.height * 4 };
}

const coloured = (image, rgba) => ({ rgba, size: rgba.byteLength });

/** Stored values of one sample a pixel, free of what else stands in their words. */
export function grayOf(image, bytes) {
  const { dataset } = image;
  const count = image.rows * image.columns;
  if (dataset['7FE00008']) return new Float32Array(aligned(bytes, 4 * count));
  if (dataset['7FE00009']) return new Float64Array(aligned(bytes, 8 * count));
  const allocated = number(dataset, '00280100') ?? 8;
  if (allocated === 1) return bits(bytes, count);
  const signed = number(dataset, '00280103') === 1;
  const kind = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] }[allocated];
  if (!kind) throw new Error(`${allocated} bits`);
  const samples = new kind[Number(signed)](aligned(bytes, count * allocated / 8));
  return trimmed(samples, allocated, number(dataset, '00280101') ?? allocated, number(dataset, '00280102'), signed);
}

function aligned(bytes, size) {
  if (bytes.byteLength < size) throw new Error('a frame shorter than its rows and columns');
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + size);
}

function bits(bytes, count) {
  if (bytes.byteLength * 8 < count) throw new Error('a frame shorter than its rows and columns');
  return Uint8Array.from({ length: count }, (_, at) => bytes[at >> 3] >> (at & 7) & 1);
}

function trimmed(samples, allocated, stored, high = stored - 1, signed) {
  if (stored >= allocated && high === allocated - 1) return samples;
  const left = 32 - high - 1;
  const right = 32 - stored;
  for (let at = 0; at < samples.length; at++) {
    samples[at] = signed ? samples[at] << left >> right : samples[at] << left >>> right;
  }
  return samples;
}

function rangeOf(samples) {
  let least = Infinity;
  let most = -Infinity;
  for (let at = 0; at < samples.length; at++) {          // by its number: an iterator takes several times as long
    const one = samples[at];
    if (one < least) least = one;
    if (one > most) most = one;
  }
  return least <= most ? [least, most] : [0, 0];
}

/** Three samples a pixel, by colour or by pixel (Planar Configuration), as RGBA of 8 bits. */
function colours(image, bytes) {
  const { dataset, photometric } = image;
  const count = image.rows * image.columns;
  const allocated = number(dataset, '00280100') ?? 8;
  const shift = allocated === 16 ? Math.max(0, (number(dataset, '00280101') ?? 16) - 8) : 0;
  const halved = photometric === 'YBR_FULL_422' && bytes.byteLength < count * 3;
  if (halved) return subsampled(image, bytes);
  const raw = allocated === 16 ? new Uint16Array(aligned(bytes, count * 6)) : new Uint8Array(aligned(bytes, count * 3));
  const planar = number(dataset, '00280006') === 1;
  const [step, plane] = planar ? [1, count] : [3, 1];
  const convert = /^YBR_FULL/.test(photometric) ? fromYbr : put;
  const rgba = new Uint8ClampedArray(count * 4);
  for (let at = 0; at < count; at++) {
    convert(rgba, at * 4, raw[at * step] >> shift, raw[at * step + plane] >> shift, raw[at * step + 2 * plane] >> shift);
  }
  return rgba;
}

/** YBR_FULL_422 (PS3.3 C.7.6.3.1.2): two luminances share a pair of colour differences. */
function subsampled(image, bytes) {
  const count = image.rows * image.columns;
  const raw = new Uint8Array(aligned(bytes, count * 2));
  const rgba = new Uint8ClampedArray(count * 4);
  for (let pair = 0; pair < count / 2; pair++) {
    const [first, second, blue, red] = raw.subarray(pair * 4, pair * 4 + 4);
    fromYbr(rgba, pair * 8, first, blue, red);
    fromYbr(rgba, pair * 8 + 4, second, blue, red);
  }
  return rgba;
}

function put(rgba, at, red, green, blue) {
  rgba[at] = red;
  rgba[at + 1] = green;
  rgba[at + 2] = blue;
  rgba[at + 3] = 255;
}

function fromYbr(rgba, at, y, cb, cr) {
  put(rgba, at, y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128));
}

/** A lookup table of the data set (PS3.3 C.7.6.3.1.5, C.11.1): where it begins, and its entries. */
async function table(descriptor, element, signed, dicomWeb, signal) {
  if (!descriptor || !element) return undefined;
  const [length, start, bits] = descriptor;
  const entries = length || 65536;
  const bytes = element.BulkDataURI ? await dicomWeb.bulk(element.BulkDataURI, signal) : inlineBytes(element);
  const wide = bits > 8 && (!bytes || bytes.byteLength >= entries * 2);
  const data = element.Value?.map(Number) ?? (wide ? new Uint16Array(aligned(bytes, entries * 2)) : bytes);
  return { start: signed && start > 32767 ? start - 65536 : start, bits: bytes && !wide && !element.Value ? 8 : bits, data };
}

async function tables(dataset, dicomWeb, signal) {
  const signed = number(dataset, '00280103') === 1;
  const found = await Promise.all(['1', '2', '3'].map(n =>
    table(values(dataset, `0028110${n}`), dataset[`0028120${n}`], signed, dicomWeb, signal)));
  if (!found.every(one => one?.data)) throw new Error('a palette that cannot be read');
  return found;
}

function palette(image, indexes, [red, green, blue]) {
  const pick = ({ start, bits, data }, index) => data[Math.min(Math.max(index - start, 0), data.length - 1)] >> (bits > 8 ? 8 : 0);
  const rgba = new Uint8ClampedArray(indexes.length * 4);
  indexes.forEach((index, at) => put(rgba, at * 4, pick(red, index), pick(green, index), pick(blue, index)));
  return rgba;
}

/** Modality LUT Sequence, in the few images that have a table instead of a line. */
async function modalityTable(image, dicomWeb, signal) {
  const item = value(image.dataset, '00283000');
  if (!item || image.dataset['00281053']) return undefined;
  const signed = number(image.dataset, '00280103') === 1;
  const found = await table(values(item, '00283002'), item['00283006'], signed, dicomWeb, signal);
  return found && { ...found, units: text(item, '00283004') };
}

/** What a stored value means: HU and the like. */
export function meaning(image, frame, stored) {
  const { modality } = frame;
  if (!modality) return stored * image.slope + image.intercept;
  return modality.data[Math.min(Math.max(stored - modality.start, 0), modality.data.length - 1)];
}
