"""The first object of a study, written with everything above it in one statement.

To place it level by level takes nine round trips, after the disk. Where studies are small a sender would wait mostly
for these. Here PostgreSQL writes all levels at once, beside the disk. What is not plain goes that longer way
(`placement.py`): a study that is there, a patient of whom something was stated or who was merged, an instance that was
rejected or is kept elsewhere.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pacsd.index.connect import Connection
from pacsd.index.described import Above
from pacsd.index.direct import Direct
from pacsd.index.loose import FIELDS, Ready, row_of
from pacsd.index.names import name_grams
from pacsd.index.placement import (
    SERIES_FIELDS,
    STUDY_FIELDS,
    STUDY_RECEIVED,
    patient_key,
    series_values,
    study_values,
)
from pacsd.index.records import Arrival
from pacsd.index.rows import column_names

_OF_PATIENT = (("patient_id", "text"), ("assigning_authority", "text"), ("unidentified", "text"))
_OF_INSTANCE = tuple(field for field in FIELDS if field[0] not in ("n", "series"))
_KEPT = tuple(name for name, _ in _OF_INSTANCE if name != "hash")
_TYPES = (*(kind for _, kind in (*_OF_PATIENT, *STUDY_FIELDS, *SERIES_FIELDS, *_OF_INSTANCE)), "text[]")

_NAMES = slice(column_names("study").index("patient_alphabetic"), column_names("study").index("patient_pinyin") + 1)
_STUDIES_REMEMBERED = 10_000


def _rows() -> dict[str, str]:
    """What the statement is given, as a row for each level; its values are numbered throughout."""
    numbers = iter(range(1, len(_TYPES) + 1))
    levels = {"patient": _OF_PATIENT, "study": STUDY_FIELDS, "series": SERIES_FIELDS, "instance": _OF_INSTANCE}
    rows = {
        level: "select " + ", ".join(f"${next(numbers)}::{kind} as {name}" for name, kind in fields)
        for level, fields in levels.items()
    }
    return {**rows, "grams": f"${next(numbers)}::text[]"}


def _statement() -> str:
    row = _rows()
    study = ", ".join(name for name, _ in STUDY_FIELDS)
    series = ", ".join(name for name, _ in SERIES_FIELDS)
    kept = ", ".join(_KEPT)
    return f"""
with asked as materialized ({row["patient"]}),
given as materialized ({row["instance"]}),
found as materialized (select p.pk, p.overlay
    from patient p join asked using (patient_id, assigning_authority, unidentified)
    where p.survivor is null for key share of p),
made as (
    insert into patient (patient_id, assigning_authority, unidentified)
    select patient_id, assigning_authority, unidentified from asked where not exists (select from found)
    on conflict do nothing returning pk
),
owner as materialized (
    select p.pk from (select pk from found where overlay = '{{}}' union all select pk from made) p
    where not exists (select from rejection x join given g using (sop_instance_uid, organisation))
        and not exists (select from instance i join given g using (sop_instance_uid, organisation))
        and not exists (select from locator l join given g using (hash)
            where g.organisation = (select organisation from series where pk = l.series))
),
study_made as (
    insert into study (patient, instances, series, modalities, sop_classes, {study})
    select o.pk, 1, 1, array_remove(array[r.modality], null), r.sop_classes, s.*
    from owner o, ({row["study"]}) s, ({row["series"]}) r
    on conflict do nothing returning pk, patient
),
told as (
    insert into event (organisation, topic, subject, body)
    select s.organisation, '{STUDY_RECEIVED}', s.study_instance_uid,
        jsonb_build_object('study_instance_uid', s.study_instance_uid)
    from study_made, ({row["study"]}) s
),
series_made as (
    insert into series (study, instances, loose_count, has_loose, {series})
    select study_made.pk, 1, 1, true, r.* from study_made, ({row["series"]}) r returning pk
),
named as (
    insert into name_gram (gram, patient) select g.gram, s.patient from study_made s, unnest({row["grams"]}) g(gram)
    order by g.gram on conflict do nothing
)
insert into instance (series, {kept}) select r.pk, {kept} from series_made r, given returning series
"""


class StoreFirst:
    """The statement, ready on a connection."""

    NAME = "pacsd_store_first"

    def __init__(self, connection: Connection) -> None:
        self._direct = Direct(connection, self.NAME, _statement(), _TYPES)
        self._seen: OrderedDict[tuple[int, str], None] = OrderedDict()

    def __call__(self, arrival: Arrival, above: Above, meanwhile: Callable[[], None]) -> int | None:
        """The key of the series made, or None where the arrival has to go the long way; `meanwhile` as in Direct.run.

        Raises psycopg.Error; UniqueViolation where somebody else stored the instance at this moment.
        """
        if not self._is_new((arrival.organisation, arrival.study_instance_uid)):
            return None
        rows = self._direct.run(_values(arrival, above), meanwhile)
        return int(rows[0][0] or 0) if rows else None

    def forget(self) -> None:
        """Leave the connection as it was. Raises psycopg.Error."""
        self._direct.forget()

    def _is_new(self, study: tuple[int, str]) -> bool:
        """Whether no object of the study came this way so far: the next series of a study has no use for a try."""
        if study in self._seen:
            return False
        self._seen[study] = None
        if len(self._seen) > _STUDIES_REMEMBERED:
            self._seen.popitem(last=False)
        return True


def _values(arrival: Arrival, above: Above) -> list[Any]:
    study = study_values(arrival, above, {})
    names = study[-len(column_names("study")) :][_NAMES]
    return [
        *patient_key(arrival, above), *study, *series_values(arrival, above), *row_of(0, Ready(arrival, 0))[2:],
        sorted(name_grams(names)),
    ]  # fmt: skip
