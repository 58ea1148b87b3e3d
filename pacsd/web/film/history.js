// All studies that a link opens, the newest first; each leads to its film page.

import { date, personName, text } from './dataset.js';
import { choose as chooseLanguage, current, say } from './text.js';

const PAGE = 200;
const MOST = 1000;
const FIELDS = ['00081030', '00080080'];
const byId = id => document.getElementById(id);
const studies = [];
let wrong = '';
let more = true;

/** Page after page, as the server says that there are more (PS3.18 8.3.4), up to MOST: then the page says so. */
async function load() {
  while (more && !wrong && studies.length < MOST) await loadPage();
  studies.sort((one, other) => text(other, '00080020').localeCompare(text(one, '00080020')));
  show();
}

async function loadPage() {
  const query = new URLSearchParams({ includefield: FIELDS.join(','), limit: PAGE, offset: studies.length });
  try {
    const answer = await fetch(`${document.documentElement.dataset.dicomWeb}/studies?${query}`, {
      headers: { Accept: 'application/dicom+json' }, credentials: 'same-origin',
    });
    if (answer.status === 401 || answer.status === 403) wrong = 'over';
    else if (!answer.ok) wrong = 'failed';
    const found = !wrong && answer.status !== 204 ? await answer.json() : [];
    studies.push(...found);
    more = found.length > 0 && /additional results/.test(answer.headers.get('Warning') ?? '');
  } catch {
    wrong = 'offline';
  }
}

function show() {
  byId('language').textContent = say('language');
  byId('language').lang = current() === 'zh' ? 'en' : 'zh-CN';
  const names = new Set(studies.map(one => personName(one, '00100010', current())));
  byId('patient').textContent = names.size === 1 ? [...names][0] : '';
  byId('description').textContent = say('history');
  document.title = say('history');
  const said = wrong || (studies.length ? '' : 'empty');
  byId('studies').replaceChildren(...(said ? [note('over', said)] : studies.map(entry)), ...(more && !said ? [note('more', 'tooManyStudies')] : []));
}

function note(id, key) {
  return Object.assign(document.createElement('li'), { id, textContent: say(key, { n: studies.length }) });
}

function entry(study) {
  const link = Object.assign(document.createElement('a'), { href: `/film/${encodeURIComponent(text(study, '0020000D'))}` });
  const modalities = (study['00080061']?.Value ?? []).join(' ');
  const small = Object.assign(document.createElement('small'), {
    textContent: [text(study, '00080080'), modalities].filter(Boolean).join(' · '),
  });
  link.append([date(text(study, '00080020')), text(study, '00081030')].filter(Boolean).join(' ') || modalities, small);
  const item = document.createElement('li');
  item.append(link);
  return item;
}

chooseLanguage();
byId('language').onclick = () => {
  chooseLanguage(current() === 'zh' ? 'en' : 'zh');
  show();
};
load();
