// The page of one study: what its parts do together.

import { FrameCache } from './cache.js';
import { date, inlineBytes, personName, text } from './dataset.js';
import { DicomWeb } from './dicomweb.js';
import { noteOf } from './sheets.js';
import * as sheets from './sheets.js';
import { words } from './measurements.js';
import { Pane } from './pane.js';
import { MOST_IMAGES, describe, first, isDocument, isImage, ordered, stackOf } from './series.js';
import { choose as chooseLanguage, current, say } from './text.js';
import { TOOLS, build } from './toolbar.js';
import { CT_PRESETS, paint, defaultWindow } from './windowing.js';

const MIB = 2 ** 20;
const FRAME_MS = 100;                    // of cine, where the images name no rate
const STATUS_MS = 2500;
const WATCH_MS = 4000;                   // so soon a page learns that its link is over
const PATIENCE_MS = 50;                  // for the first answers, before what stands around the images is built
const byId = id => document.getElementById(id);
const { study: studyUid, dicomWeb: root } = document.documentElement.dataset;
const ofLink = document.documentElement.dataset.link === 'true';

class Film {
  panes = [];
  series = [];
  tool = 'scroll';
  #stacks = new Map();                   // series UID -> promise of its images and documents
  #leaving = new AbortController();
  #statusTimer;
  #cine;
  #watching;

  constructor() {
    chooseLanguage();
    this.dicomWeb = new DicomWeb(root, studyUid);
    this.cache = new FrameCache(this.dicomWeb, { ...means(), onChange: image => this.#arrived(image) });
  }

  /** What is seen before there are images. It takes its time, for which the first requests are not to wait. */
  #furnish() {
    if (this.active) return;
    this.showTools = build(byId('toolbar'), this);
    this.arrange(1);
    this.active.say(say('loading'));
    this.#listen();
    this.#label();
    if (ofLink) this.#watch();
  }

  /** Open the largest series of the study. */
  async start() {
    this.active?.say(say('loading'));
    const asked = this.#ask();
    setTimeout(() => this.#furnish(), PATIENCE_MS);
    try {
      const [study, series] = await asked.finally(() => this.#furnish());
      if (!study) return this.active.say(say('notFound'));
      this.study = study;
      this.series = series;
      this.#label();
      const best = first(this.series);
      if (best) await this.open(this.active, best);
      else this.active.say(say('noImages'));
      if (!best && this.#mayReport) await this.#showReport();
    } catch (error) {
      this.#failed(this.active, error, () => this.start());
    }
    return undefined;
  }

  /** Ask for the study and its series at once, and for the images of the largest as soon as it is known. */
  #ask() {
    const series = this.dicomWeb.series(this.#signal).then(found => ordered(found.map(describe)));
    const asked = Promise.all([this.dicomWeb.study(this.#signal), series]);
    series.then(found => first(found) && this.#stack(first(found))).catch(() => {});      // told where it is awaited
    return asked;
  }

  /** Open a series in a pane. */
  async open(pane, series) {
    this.#stop();
    pane.wanted = series;
    if (!this.#stacks.has(series.uid)) pane.say(say('loading'));
    try {
      const { images } = await this.#stack(series);
      if (pane.wanted !== series) return;
      pane.open(series, images);
      if (!images.length) pane.say(say('cannotShow'));
      if (images.length === MOST_IMAGES) this.#say(say('tooMany', { n: MOST_IMAGES }));
      this.moved(pane);
    } catch (error) {
      this.#failed(pane, error, () => this.open(pane, series));
    }
  }

  /** So many panes; further ones take the series that come next. */
  arrange(count) {
    this.#stop();
    while (this.panes.length > count) this.panes.pop().close();
    const shown = new Set(this.panes.map(pane => pane.series));
    while (this.panes.length < count) {
      const pane = new Pane(this, this.panes.length);
      this.panes.push(pane);
      byId('panes').append(pane.element);
      const next = this.series.find(one => one.kind === 'image' && !shown.has(one));
      if (next) this.open(pane, next);
      else if (this.series.length) pane.say(say('chooseSeries'));
      shown.add(next);
    }
    byId('panes').dataset.layout = count;
    this.activate(this.panes.includes(this.active) ? this.active : this.panes[0]);
  }

  activate(pane) {
    this.active = pane;
    this.panes.forEach(one => one.element.classList.toggle('active', one === pane));
    this.moved(pane);
  }

  choose(tool) {
    this.tool = tool;
    this.#update();
    const hint = { distance: 'measureHint', angle: 'angleHint', value: 'valueHint' }[tool];
    const note = hint === 'valueHint' || !this.active.image ? '' : noteOf(this.active.image);
    this.#say(hint ? [say(hint), note].filter(Boolean).join('\n') : '');
  }

  act(action) {
    const pane = this.active;
    const { view } = pane;
    const actions = {
      presets: () => pane.frame?.gray && sheets.presets(pane),
      series: () => sheets.seriesList(this),
      report: () => this.#showReport(),
      cine: () => (this.#cine ? this.#stop() : this.#play()),
      rotate: () => view.rotate(),
      flipH: () => view.flip(false),
      flipV: () => view.flip(true),
      invert: () => { view.inverted = !view.inverted; },
      layout: () => sheets.layouts(this),
      reset: () => { view.reset(); pane.window = undefined; },
      download: () => this.#download(),
      erase: () => pane.image && pane.measurements.clear(pane.image),
    };
    actions[action]();
    pane.draw();
    this.#update();
  }

  /** A pane has gone to another image. */
  moved(pane) {
    if (pane !== this.active) return;
    const slider = byId('slider');
    const { images, index } = pane;
    Object.assign(slider, { max: Math.max(images.length, 1), value: index + 1, disabled: images.length < 2 });
    byId('counter').value = images.length ? `${index + 1} / ${images.length}` : '';
    this.#update();
  }

  measured(pane, one) {
    const found = pane.frame && words(one, pane.image, pane.frame);
    if (found && one.kind !== 'value') this.#say(found);
  }

  valued(pane, found, { x, y }) {
    this.#say(found === undefined ? '' : `${found}  (${Math.floor(x)}, ${Math.floor(y)})`);
  }

  retryButton() {
    return Object.assign(document.createElement('button'), { type: 'button', textContent: say('retry'), onclick: () => this.cache.retry() });
  }

  /** A small picture of a series: the server's, else one of our own making from its middle image. */
  thumbnail(series, place) {
    const picture = Object.assign(new Image(), { alt: '', decoding: 'async' });
    picture.onload = () => place.replaceChildren(picture);
    picture.onerror = () => this.#ownThumbnail(series, place);
    picture.src = this.dicomWeb.thumbnail(series.uid);
  }

  openPdf = async dataset => {
    try {
      const document = dataset['00420011'];
      const bytes = inlineBytes(document) ?? await this.dicomWeb.bulk(document.BulkDataURI, this.#signal);
      const link = window.document.createElement('a');
      link.href = URL.createObjectURL(new Blob([bytes], { type: 'application/pdf' }));
      Object.assign(link, { target: '_blank', rel: 'noopener', download: `${text(dataset, '00080018')}.pdf` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      this.#say(`${say('failed')} ${error.status || ''}`);
    }
  };

  get #signal() {
    return this.#leaving.signal;
  }

  get #mayReport() {
    return this.series.some(one => one.kind === 'report' || one.modality === 'OT');
  }

  #stack(series) {
    if (!this.#stacks.has(series.uid)) {
      const found = this.dicomWeb.metadata(series.uid, this.#signal).then(datasets => ({
        images: stackOf(datasets),
        documents: datasets.filter(one => !isImage(one) && isDocument(one)),
      }));
      found.catch(() => this.#stacks.delete(series.uid));
      this.#stacks.set(series.uid, found);
    }
    return this.#stacks.get(series.uid);
  }

  async #ownThumbnail(series, place) {
    const { images } = await this.#stack(series).catch(() => ({ images: [] }));
    const image = images[Math.floor((images.length - 1) / 2)];
    if (!image) return;
    const owner = {};
    const show = () => {
      const frame = this.cache.get(image);
      if (!frame && !this.cache.error(image) && place.isConnected) return void setTimeout(show, 100);
      this.cache.release(owner);
      if (frame) place.replaceChildren(miniature(image, frame));
    };
    this.cache.focus(owner, Object.assign([], { length: images.length, [image.index]: image }), image.index);
    show();
  }

  async #showReport() {
    const candidates = this.series.filter(one => one.kind === 'report' || one.modality === 'OT');
    const found = await Promise.allSettled(candidates.map(one => this.#stack(one)));
    if (this.#signal.aborted) return;
    const failed = found.find(one => one.status === 'rejected')?.reason;
    sheets.report(this, found.flatMap(one => one.value?.documents ?? []), failed && reasonOf(failed));
  }

  #play() {
    const pane = this.active;
    const every = pane.image?.frameTime ?? FRAME_MS;
    let due = performance.now();
    const turn = now => {
      this.#cine = requestAnimationFrame(turn);
      if (now < due || !pane.frame && !this.cache.error(pane.image)) return;
      due = Math.max(due + every, now);
      pane.show((pane.index + 1) % pane.images.length);
    };
    this.#cine = requestAnimationFrame(turn);
  }

  #stop() {
    cancelAnimationFrame(this.#cine);
    this.#cine = undefined;
    this.#update();
  }

  /** A frame has come, or will not. What is shown is drawn before more is asked for: the promise is over then. */
  #arrived(image) {
    document.documentElement.dataset.loaded = this.cache.count;
    const shown = this.panes.filter(pane => pane.image === image);
    shown.forEach(pane => pane.draw());
    if (this.active?.image === image) this.#update();
    return shown.length && !document.hidden ? drawn() : undefined;
  }

  #failed(pane, error, again) {
    if (error.name === 'AbortError') return;
    if (ofLink && isOver(error)) return void this.#over();
    const button = Object.assign(this.retryButton(), { onclick: again });
    pane.say(reasonOf(error), button);
  }

  /** Whoever looks by a link learns soon when that is over, and then has nothing more on the screen. */
  #watch() {
    const look = async () => {
      if (document.hidden || this.#signal.aborted) return;
      try {
        if (!await this.dicomWeb.study(this.#signal)) this.#over();
      } catch (error) {
        if (isOver(error)) this.#over();
      }
    };
    this.#watching = setInterval(look, WATCH_MS);
    document.addEventListener('visibilitychange', look);
  }

  #over() {
    clearInterval(this.#watching);
    this.#stop();
    this.#leaving.abort();
    this.cache.close();
    const said = Object.assign(document.createElement('p'), { id: 'over', textContent: say('over') });
    said.setAttribute('role', 'alert');
    document.title = say('page');
    document.body.replaceChildren(said);
  }

  #download() {
    const link = document.createElement('a');
    link.href = `${this.dicomWeb.studyPath}?${new URLSearchParams({ accept: 'application/zip' })}`;
    link.download = '';
    link.click();
  }

  #say(message) {
    clearTimeout(this.#statusTimer);
    byId('status').textContent = message;
    if (message) this.#statusTimer = setTimeout(() => { byId('status').textContent = ''; }, STATUS_MS);
  }

  #label() {
    const name = personName(this.study, '00100010', current());
    document.title = [name, say('page')].filter(Boolean).join(' · ');
    byId('language').textContent = say('language');
    byId('language').lang = current() === 'zh' ? 'en' : 'zh-CN';
    byId('slider').setAttribute('aria-label', say('slice'));
    byId('patient').textContent = name || say('page');
    byId('description').textContent = [date(text(this.study, '00080020')), text(this.study, '00081030')].filter(Boolean).join(' ');
    this.panes.forEach(pane => pane.draw());
    this.#update();
  }

  #update() {
    const { image, frame, images, view } = this.active ?? {};
    this.showTools?.({
      tool: this.tool, cine: this.#cine, invert: view?.inverted, many: images?.length > 1, gray: frame?.gray,
      report: this.#mayReport, ct: image?.units === 'HU',
    });
  }

  #listen() {
    byId('slider').oninput = event => this.active.show(event.target.valueAsNumber - 1);
    byId('info').onclick = () => this.study && sheets.information(this);
    byId('language').onclick = () => {
      chooseLanguage(current() === 'zh' ? 'en' : 'zh');
      this.#label();
    };
    document.addEventListener('keydown', event => this.#key(event));
    window.addEventListener('online', () => this.cache.retry());
    window.addEventListener('pagehide', event => {
      this.#stop();
      if (event.persisted) return;
      this.#leaving.abort();
      this.cache.close();
    });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (event.target.id === 'slider') return;
    const pane = this.active;
    const page = Math.max(1, Math.round(pane.images.length / 10));
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const tools = { s: 'scroll', w: 'window', m: 'pan', d: 'distance', a: 'angle', c: 'value' };
    const actions = { r: 'rotate', h: 'flipH', v: 'flipV', i: 'invert', 0: 'reset', x: 'erase', l: 'layout', p: 'presets' };
    const box = pane.element.getBoundingClientRect();
    const zoom = { '+': 1.25, '=': 1.25, '-': 0.8 }[event.key];
    const preset = CT_PRESETS[Number(event.key) - 1];
    if (event.key in steps) pane.show(Math.min(Math.max(pane.index + steps[event.key], 0), pane.images.length - 1));
    else if (event.key in tools && TOOLS.includes(tools[event.key])) this.choose(tools[event.key]);
    else if (event.key in actions) this.act(actions[event.key]);
    else if (event.key === ' ' && event.target.tagName !== 'BUTTON') { if (pane.images.length > 1) this.act('cine'); }
    else if (zoom) { pane.view.zoomAt(zoom, { x: box.width / 2, y: box.height / 2 }, box); pane.draw(); }
    else if (preset && pane.image?.units === 'HU') pane.setWindow({ ...preset, name: '' });
    else return;
    event.preventDefault();
  }
}

/** The screen has been drawn with what was to be drawn; a page that was hidden meanwhile is not waited for. */
const drawn = () => new Promise(done => {
  const end = () => {
    document.removeEventListener('visibilitychange', end);
    done();
  };
  requestAnimationFrame(() => setTimeout(end));
  document.addEventListener('visibilitychange', end);
});

const isOver = ({ status }) => status === 401 || status === 403;

function reasonOf({ status, message }) {
  return status === 404 ? say('notFound') : status === 0 ? say('offline') : `${say('failed')} (${status ?? message})`;
}

/** How much memory and how many requests at once this device and its line are good for. */
function means() {
  const gigabytes = navigator.deviceMemory ?? 4;
  const saving = navigator.connection?.saveData;
  return { budget: (saving ? 24 : Math.min(Math.max(gigabytes * 48, 64), 384)) * MIB, concurrent: saving ? 2 : 6 };
}

function miniature(image, frame) {
  const whole = Object.assign(document.createElement('canvas'), { width: image.columns, height: image.rows });
  const context = whole.getContext('2d');
  if (frame.picture) context.drawImage(frame.picture, 0, 0, image.columns, image.rows);
  else {
    const data = context.createImageData(image.columns, image.rows);
    if (frame.rgba) data.data.set(frame.rgba);
    else paint(image, frame, defaultWindow(image, frame), false, new Uint32Array(data.data.buffer));
    context.putImageData(data, 0, 0);
  }
  const small = Object.assign(document.createElement('canvas'), { width: 160, height: 160 * image.rows * image.calibration.aspect / image.columns });
  small.getContext('2d').drawImage(whole, 0, 0, small.width, small.height);
  return small;
}

new Film().start();
