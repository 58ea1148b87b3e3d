"""Totals of studies, computed anew from their series, for every change but the arrival of an object."""

from collections.abc import Sequence

from pacsd.index.connect import Connection

# Modalities and SOP classes are those of series that show something, not whatever was once sent.
_SUMMARISE = """
update study s set
    (instances, notes, kept) = (select coalesce(sum(instances), 0)::integer, coalesce(sum(notes), 0)::integer,
        coalesce(sum(kept), 0)::integer from series where study = s.pk),
    series = (select count(*)::integer from series where study = s.pk and instances > 0),
    modalities = array(select distinct modality from series
        where study = s.pk and instances > 0 and modality is not null order by 1),
    sop_classes = array(select distinct c from series r, unnest(r.sop_classes) c
        where r.study = s.pk and r.instances > 0 order by 1)
where s.pk = any(%s)
"""
_LOCK = """
select r.pk, s.pk from series r join study s on s.pk = r.study
where r.pk = any(%s)
order by s.study_instance_uid, s.organisation, r.series_instance_uid
for no key update of s, r
"""


def lock_series(connection: Connection, series: Sequence[int]) -> dict[int, int]:
    """Lock series and their studies in the order all writers keep to: those that exist, with their studies."""
    return dict(connection.execute(_LOCK, (list(series),)).fetchall())


def summarise(connection: Connection, studies: Sequence[int]) -> None:
    """Counts, modalities and SOP classes of locked studies."""
    connection.execute(_SUMMARISE, (list(studies),))
