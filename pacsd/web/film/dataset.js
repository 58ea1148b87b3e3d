// Reading data sets in the DICOM JSON model (PS3.18 F.2).

export const values = (dataset, tag) => dataset?.[tag]?.Value ?? [];
export const value = (dataset, tag, position = 0) => values(dataset, tag)[position];
export const text = (dataset, tag) => String(value(dataset, tag) ?? '').trim();

/** Numbers of an element; DS and IS may come as texts. Undefined where one of them is none. */
export function numbers(dataset, tag, count) {
  const found = values(dataset, tag).map(Number);
  return found.length && (!count || found.length === count) && found.every(Number.isFinite) ? found : undefined;
}

export const number = (dataset, tag) => numbers(dataset, tag)?.[0];

/** The item of a functional group that holds for one frame (PS3.3 C.7.6.16): its own, else the shared one. */
export function group(dataset, frame, tag) {
  const own = values(dataset, '52009230')[frame - 1];
  return value(own, tag) ?? value(value(dataset, '52009229'), tag);
}

/** A person's name as its bearer writes it, or in letters; components in the order of the language. */
export function personName(dataset, tag, language) {
  const name = value(dataset, tag);
  if (!name) return '';
  const written = language === 'zh' ? name.Ideographic || name.Alphabetic : name.Alphabetic || name.Ideographic;
  const joint = written === name.Ideographic ? '' : ' ';
  return (written ?? '').split('^').slice(0, 3).filter(Boolean).join(joint).trim();
}

/** 20260102 as 2026-01-02; anything else as it is. */
export const date = written => String(written ?? '').replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');

/** 081500.25 as 08:15. */
export const time = written => String(written ?? '').replace(/^(\d{2})(\d{2}).*$/, '$1:$2');

/** A value that stands in the JSON itself: numbers, or bytes in base64. Null where it has to be fetched. */
export function inlineBytes(element) {
  if (!element?.InlineBinary) return null;
  return Uint8Array.from(atob(element.InlineBinary), letter => letter.charCodeAt(0));
}
