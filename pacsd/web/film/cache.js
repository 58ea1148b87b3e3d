// Frames in memory: the one that is looked at first and alone, then its neighbours, as many as the memory is meant for.

import { decode, forms } from './pixels.js';

const ELSEWISE = [400, 404, 406, 415, 500, 501];          // answers after which another form is tried
const RETRY_MS = 3000;

export class FrameCache {
  #frames = new Map();                   // key -> frame
  #loading = new Map();                  // key -> { image, abort }
  #failed = new Map();                   // key -> { error, at }
  #focus = new Map();                    // owner -> { images, index }
  #forms = new Map();                    // series -> how many forms have been given up
  #size = 0;

  constructor(dicomWeb, { budget, concurrent, onChange }) {
    Object.assign(this, { dicomWeb, budget, concurrent, onChange });
  }

  get(image) {
    return this.#frames.get(image.key);
  }

  error(image) {
    return this.#failed.get(image.key)?.error;
  }

  get count() {
    return this.#frames.size;
  }

  get size() {
    return this.#size;
  }

  /** What an owner looks at now: loading turns to it at once. */
  focus(owner, images, index) {
    this.#focus.set(owner, { images, index });
    const wanted = images[index];
    if (wanted && Date.now() - (this.#failed.get(wanted.key)?.at ?? Infinity) > RETRY_MS) this.#failed.delete(wanted.key);
    this.#drop(wanted);
    this.#pump();
  }

  release(owner) {
    this.#focus.delete(owner);
    this.#drop();
  }

  /** Try again what did not come. */
  retry() {
    this.#failed.clear();
    this.#pump();
  }

  /** Stop everything: the page is being left. */
  close() {
    this.#focus.clear();
    this.#drop();
    this.#frames.clear();
    this.#size = 0;
  }

  /** End requests that nobody waits for, and the farthest one where all are busy and `wanted` waits. */
  #drop(wanted) {
    for (const [key, { image, abort }] of this.#loading) {
      if (this.#distance(image) === Infinity) this.#end(key, abort);
    }
    if (!wanted || this.#frames.has(wanted.key) || this.#loading.has(wanted.key) || this.#loading.size < this.concurrent) return;
    const [key, { abort }] = [...this.#loading].reduce((a, b) => (this.#distance(a[1].image) >= this.#distance(b[1].image) ? a : b));
    this.#end(key, abort);
  }

  #end(key, abort) {
    this.#loading.delete(key);
    abort.abort();
  }

  #distance(image) {
    let best = Infinity;
    for (const { images, index } of this.#focus.values()) {
      if (images[image.index] === image) best = Math.min(best, Math.abs(image.index - index));
    }
    return best;
  }

  #pump() {
    while (this.#loading.size < this.concurrent) {
      const image = this.#next();
      if (!image) return;
      this.#load(image);
    }
  }

  /** The nearest frame that is not here, as long as all that are nearer fit into the budget; while one that is looked
   *  at is on its way, no other takes from its line. */
  #next() {
    const focuses = [...this.#focus.values()];
    const awaited = focuses.some(({ images, index }) => this.#loading.has(images[index]?.key));
    const reach = Math.max(0, ...focuses.map(({ images }) => images.length));
    let planned = 0;
    for (let distance = 0; distance < reach; distance++) {
      for (const { images, index } of focuses) {
        for (const image of distance ? [images[index + distance], images[index - distance]] : [images[index]]) {
          if (!image) continue;
          if (distance && awaited) return undefined;
          planned += this.#frames.get(image.key)?.size ?? expected(image);
          if (distance && planned > this.budget) return undefined;
          if (!this.#frames.has(image.key) && !this.#loading.has(image.key) && !this.#failed.has(image.key)) return image;
        }
      }
    }
    return undefined;
  }

  async #load(image) {
    const abort = new AbortController();
    this.#loading.set(image.key, { image, abort });
    try {
      this.#keep(image, await this.#fetch(image, abort.signal));
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#failed.set(image.key, { error, at: Date.now() });
    }
    if (this.#loading.get(image.key)?.abort === abort) this.#loading.delete(image.key);
    await this.onChange(image);
    this.#pump();
  }

  async #fetch(image, signal) {
    const possible = forms(image);
    for (let given = this.#forms.get(image.series) ?? 0; ; given++) {
      try {
        const answer = await this.dicomWeb.frame(image, possible[given], signal);
        return await decode(image, answer, this.dicomWeb, signal);
      } catch (error) {
        const elsewise = error.status === undefined ? error.name !== 'AbortError' : ELSEWISE.includes(error.status);
        if (!elsewise || given + 1 >= possible.length) throw error;
        this.#forms.set(image.series, given + 1);
      }
    }
  }

  #keep(image, frame) {
    this.#frames.set(image.key, Object.assign(frame, { image }));
    this.#size += frame.size;
    if (this.#size <= this.budget) return;
    const farthest = [...this.#frames.values()].sort((a, b) => this.#distance(b.image) - this.#distance(a.image));
    for (const one of farthest) {
      if (this.#size <= this.budget || this.#distance(one.image) === 0) return;
      this.#frames.delete(one.image.key);
      this.#size -= one.size;
      one.picture?.close();
    }
  }
}

/** What a frame will take, before it is here. */
const expected = image => image.rows * image.columns * (image.samples === 3 || image.photometric === 'PALETTE COLOR' ? 4 : 2);
