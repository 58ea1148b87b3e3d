"""What readers see of studies, worked out anew from what the bytes say and what corrects it."""

from collections.abc import Sequence
from typing import Any

from pacsd.index.connect import Connection
from pacsd.index.names import name_grams
from pacsd.index.placement import add_grams
from pacsd.index.rows import PATIENT_ID, answer, column_names, column_values, overlaid
from pacsd.index.values import text_at

_BATCH = 500

_COLUMNS = column_names("study")
_LOCK_STUDIES = """
select s.pk, s.patient, s.original, p.overlay, s.overlay from study s join patient p on p.pk = s.patient
where s.pk = any(%s) order by s.study_instance_uid, s.organisation for no key update of s
"""
_RECOMPUTE = f"""
update study set patient_id = %s, attributes = %s, more = %s, {", ".join(f"{name} = %s" for name in _COLUMNS)}
where pk = %s
"""


def recompute(connection: Connection, studies: Sequence[int]) -> int:
    """Write anew what readers see of these studies, in the caller's transaction; how many there are."""
    grams: set[tuple[str, int]] = set()
    for start in range(0, len(studies), _BATCH):
        rows = connection.execute(_LOCK_STUDIES, (list(studies[start : start + _BATCH]),)).fetchall()
        changes: list[tuple[Any, ...]] = []
        for pk, patient, original, patient_overlay, overlay in rows:
            effective = overlaid(original, patient_overlay, overlay)
            ready, keys = answer("study", effective), column_values("study", effective)
            changes.append((text_at(effective, PATIENT_ID) or "", ready.attributes, ready.more, *keys, pk))
            grams.update((gram, patient) for gram in name_grams(keys[:4]))
        with connection.cursor() as cursor:
            cursor.executemany(_RECOMPUTE, changes)
    add_grams(connection, grams)
    return len(studies)
