// Where a point of the image stands on the screen, and which side of the patient an edge is.

const LETTERS = [['L', 'R'], ['P', 'A'], ['H', 'F']];

/** Turned by quarters, mirrored, enlarged and moved; `zoom` 1 shows the whole image. */
export class View {
  constructor() {
    this.reset();
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0, y: 0, quarters: 0, mirrored: false, inverted: false });
  }

  rotate() {
    this.quarters = (this.quarters + 1) % 4;
  }

  /** Mirror as the reader sees it: left and right, or top and bottom. */
  flip(vertically) {
    this.mirrored = !this.mirrored;
    this.quarters = vertically ? (6 - this.quarters) % 4 : (4 - this.quarters) % 4;
  }

  /** Screen pixels for a pixel's width; `aspect` is its height in widths. */
  scale(image, size) {
    const [width, height] = [image.columns, image.rows * image.calibration.aspect];
    const [across, down] = this.quarters % 2 ? [height, width] : [width, height];
    return Math.min(size.width / across, size.height / down) * this.zoom;
  }

  /** From image coordinates, where pixel (0, 0) reaches from 0 to 1, to the screen's. */
  matrix(image, size) {
    const scale = this.scale(image, size);
    return new DOMMatrix()
      .translateSelf(size.width / 2 + this.x, size.height / 2 + this.y)
      .rotateSelf(this.quarters * 90)
      .scaleSelf(this.mirrored ? -scale : scale, scale * image.calibration.aspect)
      .translateSelf(-image.columns / 2, -image.rows / 2);
  }

  /** Enlarge about a point of the screen, which stays where it is. */
  zoomAt(factor, point, size) {
    const zoom = Math.min(Math.max(this.zoom * factor, 0.25), 32);
    const done = zoom / this.zoom;
    this.x = point.x - size.width / 2 - (point.x - size.width / 2 - this.x) * done;
    this.y = point.y - size.height / 2 - (point.y - size.height / 2 - this.y) * done;
    this.zoom = zoom;
  }

  /** Letters at the edges: right, left, bottom, top (PS3.3 C.7.6.1.1.1). */
  sides(image) {
    if (!image.orientation) return undefined;
    const row = image.orientation.slice(0, 3);
    const column = image.orientation.slice(3);
    const turned = this.matrix(image, { width: 1, height: 1 });
    const inverse = turned.inverse();
    const towards = (x, y) => {
      const along = [inverse.a * x + inverse.c * y, (inverse.b * x + inverse.d * y) * image.calibration.aspect];
      const length = Math.hypot(...along) || 1;
      return letters(row.map((cosine, axis) => (cosine * along[0] + column[axis] * along[1]) / length));
    };
    return { right: towards(1, 0), left: towards(-1, 0), bottom: towards(0, 1), top: towards(0, -1) };
  }
}

/** The one or two directions of the patient that a vector points to most. */
function letters(vector) {
  return vector
    .map((part, axis) => ({ size: Math.abs(part), letter: LETTERS[axis][part > 0 ? 0 : 1] }))
    .filter(one => one.size > 0.3)
    .sort((a, b) => b.size - a.size)
    .slice(0, 2)
    .map(one => one.letter)
    .join('');
}
