// The DICOMweb requests of the page (PS3.18): nothing else is ever asked.

const JSON_TYPE = 'application/dicom+json';
const EXPLICIT = '1.2.840.10008.1.2.1';
const ACCEPT = {
  octets: `multipart/related; type="application/octet-stream"; transfer-syntax=${EXPLICIT}`,
  jpeg: 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50',
  rendered: 'image/png, image/jpeg;q=0.9',
};
const STUDY_FIELDS = ['00081030', '00080080', '00101010'];

/** An answer that is no success; `status` 0 where there was none at all. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class DicomWeb {
  constructor(root, study) {
    this.root = root;
    this.studyPath = `${root}/studies/${encodeURIComponent(study)}`;
    this.studyUid = study;
  }

  /** The study's attributes; undefined where it does not exist, or not for this reader. */
  async study(signal) {
    const query = new URLSearchParams({ StudyInstanceUID: this.studyUid, includefield: STUDY_FIELDS.join(',') });
    return (await this.#json(`${this.root}/studies?${query}`, signal))[0];
  }

  series(signal) {
    const fields = '0008103E,00200011,00180015,00201209';
    return this.#json(`${this.studyPath}/series?includefield=${fields}`, signal);
  }

  metadata(series, signal) {
    return this.#json(`${this.#seriesPath(series)}/metadata`, signal);
  }

  thumbnail(series) {
    return `${this.#seriesPath(series)}/thumbnail?viewport=160,160`;
  }

  /** A frame in one of the forms of ACCEPT: its bytes and what they are. */
  async frame(image, form, signal) {
    const path = `${this.#seriesPath(image.series)}/instances/${encodeURIComponent(image.instance)}/frames/${image.frame}`;
    const answer = await this.#get(form === 'rendered' ? `${path}/rendered` : path, ACCEPT[form], signal);
    return single(answer.headers.get('content-type') ?? '', new Uint8Array(await answer.arrayBuffer()));
  }

  /** The bytes of bulk data; only its path counts, for the host may be named otherwise than the page knows it. */
  async bulk(uri, signal) {
    const path = new URL(uri, location.href).pathname;
    const start = path.indexOf('/studies/');
    const answer = await this.#get(start < 0 ? path : this.root + path.slice(start), 'application/octet-stream, */*;q=0.5', signal);
    return single(answer.headers.get('content-type') ?? '', new Uint8Array(await answer.arrayBuffer())).bytes;
  }

  #seriesPath(series) {
    return `${this.studyPath}/series/${encodeURIComponent(series)}`;
  }

  async #json(url, signal) {
    const answer = await this.#get(url, JSON_TYPE, signal);
    return answer.status === 204 ? [] : answer.json();
  }

  async #get(url, accept, signal) {
    let answer;
    try {
      answer = await fetch(url, { headers: { Accept: accept }, signal, credentials: 'same-origin' });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new RequestError(0, error.message);
    }
    if (!answer.ok) throw new RequestError(answer.status, answer.statusText);
    return answer;
  }
}

/** The only part of a multipart answer (PS3.18 8.6.1), or the whole of another. */
export function single(contentType, body) {
  const boundary = /^multipart\/related/i.test(contentType) && /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (!boundary) return { type: contentType, bytes: body };
  const start = find(body, '\r\n\r\n', find(body, `--${boundary}`, 0));
  if (start < 0) throw new RequestError(0, 'an answer without a part');
  const head = new TextDecoder('latin1').decode(body.subarray(0, start));
  const end = findLast(body, `\r\n--${boundary}`, start + 2);
  if (end < 0) throw new RequestError(0, 'an incomplete answer');
  return { type: /^content-type:\s*(.*)$/im.exec(head)?.[1].trim() ?? '', bytes: body.subarray(start + 4, end) };
}

const matches = (body, wanted, at) => {
  for (let position = 0; position < wanted.length; position++) {
    if (body[at + position] !== wanted.charCodeAt(position)) return false;
  }
  return true;
};

function find(body, wanted, from) {
  for (let at = from; at >= 0 && at <= body.length - wanted.length; at++) if (matches(body, wanted, at)) return at;
  return -1;
}

function findLast(body, wanted, least) {
  for (let at = body.length - wanted.length; at >= least; at--) if (matches(body, wanted, at)) return at;
  return -1;
}
