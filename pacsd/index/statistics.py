"""What was examined, reported and stored in a time, counted for one reader."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, retried
from pacsd.index.predicate import Params, study_table, visible, within

# objects of these modalities describe an examination and are none
_NO_IMAGES = ("SR", "KO", "PR", "DOC", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "REG", "FID", "RWV", "PLAN",
              "SMR")  # fmt: skip
_OF_IMAGES = "coalesce(nullif(array_to_string(array(select m from unnest(s.modalities) m where m <> all({0}) " \
             "order by m), '/'), ''), 'other')"


@dataclass(frozen=True, slots=True)
class Counted:
    """A line: of a hospital, a day (where asked by day) and a modality, so many, and what was measured of them."""

    hospital: str
    day: date | None
    modality: str
    count: int
    score: float | None = None


def examinations(pool: Pool, scope: Scope, first: date, last: date) -> list[Counted]:
    """Studies by hospital, day and the modalities that made images."""
    params = Params()
    modality = _OF_IMAGES.format(params.add(list(_NO_IMAGES)))
    statement = f"""select o.name, s.study_date, {modality}, count(*) from {study_table(scope, "s")}
        join organisation o on o.pk = s.organisation
        where {visible(scope, params)} and {_between(params, first, last)} group by 1, 2, 3 order by 1, 2, 3"""
    return [Counted(*row) for row in _rows(pool, scope, statement, params)]


def billable(pool: Pool, scope: Scope, first: date, last: date) -> list[Counted]:
    """CT and MR examinations that were ordered: accession numbers by hospital and modality."""
    params = Params()
    statement = f"""select o.name, null::date, m.modality, count(distinct s.accession_number)
        from {study_table(scope, "s")} join organisation o on o.pk = s.organisation
        cross join lateral unnest(s.modalities) m(modality)
        where {visible(scope, params)} and {_between(params, first, last)} and s.accession_number is not null
        and m.modality in ('CT', 'MR') group by 1, 3 order by 1, 3"""
    return [Counted(*row) for row in _rows(pool, scope, statement, params)]


def turnaround(pool: Pool, scope: Scope, first: date, last: date) -> list[Counted]:
    """Minutes from the last image to the first final report, the median, of studies that have one."""
    params = Params()
    modality = _OF_IMAGES.format(params.add(list(_NO_IMAGES)))
    mine = within(scope, params, "r")
    statement = f"""select hospital, null::date, modality, count(*),
            percentile_cont(0.5) within group (order by minutes)
        from (select o.name as hospital, {modality} as modality, greatest(0, extract(epoch from f.at -
                (select l.last_received_at from study l where l.pk = s.pk)) / 60) as minutes
            from {study_table(scope, "s")} join organisation o on o.pk = s.organisation
            cross join lateral (select min(coalesce(v.issued_at, v.said_at)) as at
                from reports_naming(s.study_instance_uid, s.accession_number) k join diagnostic_report r on r.pk = k
                join diagnostic_report_version v on v.report = r.pk
                where r.organisation = s.organisation and {mine} and v.status in ('F', 'C')
                and (r.studies @> array[s.study_instance_uid] or r.accessions @> array[s.accession_number])) f
            where {visible(scope, params)} and {_between(params, first, last)} and f.at is not null) t
        group by 1, 3 order by 1, 3"""
    return [Counted(*row) for row in _rows(pool, scope, statement, params)]


def storage(pool: Pool, scope: Scope, first: date, last: date) -> list[Counted]:
    """Series whose last object came in the time, and the bytes that are kept of them."""
    params = Params()
    until = f"({params.add(last)}::date + 1)"
    statement = f"""select o.name, null::date, coalesce(q.modality, 'other'), count(*),
            sum((select coalesce(sum(k.size_bytes), 0) from pack k where k.series = q.pk)
            + (select coalesce(sum(i.length_bytes), 0) from instance i where i.series = q.pk
                and i.key <> all(array(select k.key from pack k where k.series = q.pk))))
        from series q join organisation o on o.pk = q.organisation
        where {within(scope, params, "q")} and q.instances > 0
        and q.last_received_at >= {params.add(first)}::date and q.last_received_at < {until}
        group by 1, 3 order by 1, 3"""
    return [Counted(hospital, day, modality, count, float(score))
            for hospital, day, modality, count, score in _rows(pool, scope, statement, params)]  # fmt: skip


def _between(params: Params, first: date, last: date) -> str:
    return f"s.study_date between {params.add(first)} and {params.add(last)}"


def _rows(pool: Pool, scope: Scope, statement: str, params: Params) -> list[tuple[Any, ...]]:
    return retried(pool, lambda connection: connection.execute(statement, params.values).fetchall(), scope)
