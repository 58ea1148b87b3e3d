// One window on a stack of images: what it shows, and what the reader does to it.

import { number } from './dataset.js';
import { listen } from './gestures.js';
import { Measurements, draw, loupe, valueAt } from './measurements.js';
import { say } from './text.js';
import { View } from './transform.js';
import { defaultWindow, paint } from './windowing.js';

const CORNERS = ['north-west', 'north-east', 'south-west', 'south-east'];
const SIDES = ['top', 'bottom', 'left', 'right'];
const MEASURING = ['distance', 'angle', 'value'];
const NEAR = { touch: 26, pen: 18, mouse: 10 };          // screen pixels around a handle

export class Pane {
  #picture = document.createElement('canvas');
  #painted = '';
  #queued = false;
  #laid;                                 // size of the element, as it was laid out last
  #drawn = false;                        // an image stands on the canvas
  #marked = false;                       // something stands on the overlay
  #hand;                                 // the measurement in hand: { one, position, fresh }
  #pointer;                              // where the finger is while it measures
  #travelled = 0;

  constructor(app, place) {
    this.app = app;
    this.view = new View();
    this.measurements = new Measurements();
    this.images = [];
    this.index = 0;
    this.window = undefined;             // undefined: what each image itself asks for
    this.element = document.createElement('section');
    Object.assign(this.element, { className: 'pane', tabIndex: 0 });
    this.element.setAttribute('role', 'img');
    this.place = place;
    this.canvas = document.createElement('canvas');
    this.overlay = document.createElement('canvas');
    this.element.append(this.canvas, this.overlay);
    this.texts = Object.fromEntries([...CORNERS, ...SIDES, 'message'].map(name => [name, this.#text(name)]));
    listen(this.element, this.#handlers());
    new ResizeObserver(([{ contentRect }]) => {
      this.#laid = contentRect;
      this.draw();
    }).observe(this.element);
  }

  get image() {
    return this.images[this.index];
  }

  get frame() {
    return this.image && this.app.cache.get(this.image);
  }

  /** Show a stack, beginning in its middle, where most of the body is. */
  open(series, images) {
    this.app.cache.release(this);
    Object.assign(this, { series, images, window: undefined, index: Math.floor((images.length - 1) / 2) });
    this.view.reset();
    this.show(this.index);
  }

  show(index) {
    this.index = Math.min(Math.max(index, 0), Math.max(this.images.length - 1, 0));
    if (this.images.length) this.app.cache.focus(this, this.images, this.index);
    this.draw();
    this.app.moved(this);
  }

  close() {
    this.app.cache.release(this);
    this.element.remove();
  }

  /** The window in use: the reader's, else the image's own. */
  currentWindow() {
    const { frame } = this;
    return frame?.gray ? this.window ?? defaultWindow(this.image, frame) : undefined;
  }

  setWindow(window) {
    this.window = window;
    this.draw();
  }

  /** Say something in place of an image; a button may go with it. */
  say(message, ...buttons) {
    this.texts.message.replaceChildren(message, ...buttons);
  }

  /** Draw at the next turn of the screen, however often it is asked for. */
  draw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#drawNow();
    });
  }

  /** Canvases are touched only where something is to be seen on them: each costs its memory, and time at each turn. */
  #drawNow() {
    const size = this.#laid ?? this.#size();
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const { image, frame } = this;
    if (frame) this.#show(image, frame, size, ratio);
    else if (this.#drawn) this.#blank(image, size, ratio);
    this.#mark(image, frame, size, ratio);
    this.#write(image, frame);
  }

  #show(image, frame, size, ratio) {
    const { canvas } = this;
    const context = canvas.getContext('2d', { alpha: false });
    this.#paint(image, frame);
    if (!fits(canvas, size, ratio)) fit(canvas, size, ratio);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillRect(0, 0, canvas.width, canvas.height);
    const { a, b, c, d, e, f } = this.view.matrix(image, size);
    context.setTransform(a * ratio, b * ratio, c * ratio, d * ratio, e * ratio, f * ratio);
    context.imageSmoothingEnabled = this.view.scale(image, size) < 6;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#picture, 0, 0, image.columns, image.rows);
    this.#drawn = true;
  }

  /** The image before stays until the next one comes, but not one of another series, and none out of shape. */
  #blank(image, size, ratio) {
    const same = image && this.element.dataset.series === this.series?.uid;
    if (same && fits(this.canvas, size, ratio)) return;
    fit(this.canvas, size, ratio);
    this.#drawn = false;
  }

  #mark(image, frame, size, ratio) {
    const marks = Boolean(frame && (this.#pointer || this.measurements.of(image).length));
    if (!marks && !this.#marked) return;
    this.#marked = marks;
    fit(this.overlay, size, ratio);
    if (!marks) return;
    const lines = this.overlay.getContext('2d');
    lines.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(lines, this.measurements, image, frame, this.view.matrix(image, size), this.#hand?.one);
    if (this.#pointer) loupe(lines, this.canvas, this.#pointer, ratio);
  }

  /** The image in the window's shades, painted anew only when something about it has changed. */
  #paint(image, frame) {
    const window = this.currentWindow();
    const wanted = [image.key, window?.center, window?.width, this.view.inverted].join(' ');
    if (wanted === this.#painted) return;
    this.#painted = wanted;
    Object.assign(this.#picture, { width: image.columns, height: image.rows });
    const context = this.#picture.getContext('2d');
    if (frame.gray) {
      const data = context.createImageData(image.columns, image.rows);
      paint(image, frame, window, this.view.inverted, new Uint32Array(data.data.buffer));
      context.putImageData(data, 0, 0);
      return;
    }
    if (this.view.inverted) context.filter = 'invert(1)';
    if (frame.picture) return void context.drawImage(frame.picture, 0, 0, image.columns, image.rows);
    const plain = new OffscreenCanvas(image.columns, image.rows);
    plain.getContext('2d').putImageData(new ImageData(frame.rgba, image.columns, image.rows), 0, 0);
    context.drawImage(plain, 0, 0);
  }

  #write(image, frame) {
    const window = this.currentWindow();
    const { texts, series, images } = this;
    const many = images.length > 1;
    const place = image?.position && many ? `\n${placeOf(image)}` : '';
    texts['north-west'].textContent = series ? [series.modality, series.description].filter(Boolean).join(' ') : '';
    texts['north-east'].textContent = image ? `${this.index + 1}/${images.length}${place}` : '';
    texts['south-west'].textContent = window ? say('wl', { center: rounded(window.center), width: rounded(window.width) }) : '';
    texts['south-east'].textContent = frame ? `${Math.round(this.view.zoom * 100)}%` : '';
    const sides = frame && this.view.sides(image);
    SIDES.forEach(side => { texts[side].textContent = sides?.[side] ?? ''; });
    const error = image && !frame && this.app.cache.error(image);
    if (image) this.say(frame ? '' : error ? this.#reason(error) : say('loading'));
    if (error && !frame) texts.message.append(this.app.retryButton());
    this.#tell(image, frame, window);
  }

  #reason(error) {
    if (error.status === 0) return say('offline');
    return [404, 406, 501, undefined].includes(error.status) ? say('cannotShow') : `${say('failed')} (${error.status})`;
  }

  /** What is shown, for those who cannot see it, and for programs. */
  #tell(image, frame, window) {
    const { dataset } = this.element;
    dataset.series = this.series?.uid ?? '';
    dataset.index = this.index;
    dataset.count = this.images.length;
    dataset.shown = frame ? image.key : '';
    dataset.center = window ? window.center : '';
    dataset.width = window ? window.width : '';
    dataset.zoom = this.view.zoom;
    const label = [say('pane', { n: this.place + 1 }), this.series?.description, image && `${this.index + 1}/${this.images.length}`];
    this.element.setAttribute('aria-label', label.filter(Boolean).join(' '));
  }

  #text(name) {
    const made = document.createElement(name === 'message' ? 'div' : 'span');
    made.className = CORNERS.includes(name) ? `corner ${name}` : name === 'message' ? name : `side ${name}`;
    this.element.append(made);
    return made;
  }

  #size() {
    return this.element.getBoundingClientRect();
  }

  toImage(point) {
    return this.view.matrix(this.image, this.#size()).inverse().transformPoint(point);
  }

  #handlers() {
    return {
      start: (point, event) => {
        this.app.activate(this);
        this.#travelled = 0;
        if (this.image && event.button === 0 && MEASURING.includes(this.app.tool)) this.#measure(point, event);
      },
      move: (point, from, event) => this.#drag(point, from, event),
      end: () => this.#release(),
      cancel: () => {
        if (this.#hand?.fresh && this.image) this.measurements.remove(this.image, this.#hand.one);
        this.#release();
      },
      pinch: (factor, centre, moved) => {
        this.view.x += moved.x;
        this.view.y += moved.y;
        this.view.zoomAt(factor, centre, this.#size());
        this.draw();
      },
      wheel: steps => {
        this.app.activate(this);
        this.show(this.index + steps);
      },
      zoom: (factor, point) => {
        this.view.zoomAt(factor, point, this.#size());
        this.draw();
      },
      twice: () => {
        if (MEASURING.includes(this.app.tool)) return;
        Object.assign(this.view, { zoom: 1, x: 0, y: 0 });
        this.draw();
      },
      hover: (point, event) => {
        if (event.pointerType === 'mouse' && this.image) this.#value(point);
      },
    };
  }

  #drag(point, from, event) {
    const [dx, dy] = [point.x - from.x, point.y - from.y];
    if (!this.image) return;
    if (this.#hand) return void this.#adjust(point, event);
    const tool = event.buttons & 2 ? 'window' : event.buttons & 4 ? 'pan' : this.app.tool;
    if (tool === 'window') this.#shift(dx, dy);
    else if (tool === 'pan' || this.images.length === 1) this.#move(dx, dy);
    else if (tool === 'scroll') this.#scroll(dy);
  }

  #move(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.draw();
  }

  /** A finger's way over the pane goes through the stack once, but never faster than an image every 3 pixels. */
  #scroll(dy) {
    const step = Math.min(Math.max(this.#size().height * 0.8 / this.images.length, 3), 22);
    this.#travelled += dy;
    const steps = Math.trunc(this.#travelled / step);
    if (!steps) return;
    this.#travelled -= steps * step;
    this.show(this.index + steps);
  }

  /** Sideways widens, downwards darkens, each in proportion to the window there is. */
  #shift(dx, dy) {
    const window = this.currentWindow();
    if (!window) return;
    const least = Math.abs(this.image.slope) < 1 ? Math.abs(this.image.slope) : 1;
    const width = Math.max(window.width * Math.exp(dx / 180), least);
    this.setWindow({ center: window.center + dy * Math.max(window.width, least) / 300, width, name: '' });
  }

  #measure(point, event) {
    const { image, app: { tool } } = this;
    const matrix = this.view.matrix(image, this.#size());
    const found = this.measurements.handleAt(image, matrix, point, NEAR[event.pointerType] ?? NEAR.mouse);
    const open = this.measurements.of(image).find(one => one.kind === 'angle' && one.points.length === 2);
    if (tool === 'angle' && open) {
      open.points.push(this.toImage(point));
      this.#hand = { one: open, position: 2 };
    } else if (found && tool !== 'value') {
      this.#hand = found;
    } else {
      if (tool === 'value') this.measurements.of(image).filter(one => one.kind === 'value').forEach(one => this.measurements.remove(image, one));
      const one = this.measurements.add(image, tool, this.toImage(point));
      this.#hand = { one, position: one.points.length - 1, fresh: true };
    }
    this.#adjust(point, event);
  }

  #adjust(point, event) {
    const { x, y } = this.toImage(point);
    this.#hand.one.points[this.#hand.position] = { x, y };
    this.#pointer = event.pointerType === 'mouse' ? undefined : point;
    if (this.#hand.one.kind === 'value') this.#value(point);
    this.draw();
  }

  #release() {
    const hand = this.#hand;
    this.#hand = this.#pointer = undefined;
    if (hand && this.image) this.#tidy(hand.one);
    this.draw();
  }

  /** A measurement without length was a slip of the finger. */
  #tidy(one) {
    const matrix = this.view.matrix(this.image, this.#size());
    const [a, b] = one.points.map(point => matrix.transformPoint(point));
    if (b && Math.hypot(a.x - b.x, a.y - b.y) < 4) this.measurements.remove(this.image, one);
    this.app.measured(this, one);
  }

  #value(point) {
    const { x, y } = this.toImage(point);
    const found = valueAt(this.image, this.frame, { x, y });
    this.element.dataset.value = found ?? '';
    this.app.valued(this, found, { x, y });
  }
}

const pixels = (size, ratio) => ({ width: Math.round(size.width * ratio), height: Math.round(size.height * ratio) });

function fits(canvas, size, ratio) {
  const { width, height } = pixels(size, ratio);
  return canvas.width === width && canvas.height === height;
}

/** As many pixels as the screen has there, all of them empty. */
const fit = (canvas, size, ratio) => Object.assign(canvas, pixels(size, ratio));

const rounded = value => (Math.abs(value) < 10 && !Number.isInteger(value) ? Number(value.toPrecision(3)) : Math.round(value));

/** Where a slice lies, by the axis that its normal is nearest to. */
function placeOf(image) {
  const thickness = number(image.dataset, '00180050') ?? image.thickness;
  const along = image.position[axisOf(image)];
  return [`${along.toFixed(1)} mm`, thickness && `${say('thickness')} ${thickness} mm`].filter(Boolean).join('\n');
}

function axisOf(image) {
  const [a, b, c, d, e, f] = image.orientation ?? [1, 0, 0, 0, 1, 0];
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d].map(Math.abs);
  return normal.indexOf(Math.max(...normal));
}
