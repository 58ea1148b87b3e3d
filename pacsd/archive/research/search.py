"""Searching a project (PS3.18 10.6): keys are compared with what is given out, never with what is stored."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from pacsd.access.scope import Scope
from pacsd.archive.research.catalogue import Catalogue, SeriesEntry, StudyEntry
from pacsd.archive.research.contents import ResearchContents
from pacsd.archive.retrieve import Selection
from pacsd.index.keys import MODALITIES_IN_STUDY, SERIES_INSTANCE_UID, SOP_CLASSES_IN_STUDY, STUDY_INSTANCE_UID
from pacsd.index.match import Counts, Match, attributes_of, chosen
from pacsd.index.query import CompiledQuery, Query, compile_query
from pacsd.index.record_key import record_key

Attributes = dict[str, Any]


class ResearchSearch:
    """archive.search.Search over the studies of one project."""

    def __init__(self, catalogue: Catalogue, contents: ResearchContents) -> None:
        self._catalogue = catalogue
        self._contents = contents

    def compile(self, query: Query) -> CompiledQuery:
        """As archive.search.Search has it."""
        return compile_query(query)

    def __call__(self, query: Query | CompiledQuery, scope: Scope) -> Iterator[Match]:
        """What matches. Raises PacsdError UNAVAILABLE, and what `compile` raises."""
        compiled = query if isinstance(query, CompiledQuery) else compile_query(query)
        query = compiled.query
        end = None if query.limit is None else query.offset + query.limit
        found = self._found(compiled, scope)
        return islice(_by_record_key(found, query.after) if query.by_record_key else found, query.offset, end)

    def _found(self, compiled: CompiledQuery, scope: Scope) -> Iterator[Match]:
        level, conditions = compiled.query.level, compiled.conditions
        for study in self._catalogue.studies(scope, lambda uid: _may_be(compiled, uid)):
            above = _of_study(study)
            if not conditions.matches(above, "patient", "study"):
                continue
            series = [(one, own) for one in study.series
                      if conditions.matches(own := {**above, **_of_series(one)}, "series")]  # fmt: skip
            if level == "study" and series:
                yield _study(compiled.query, study)
            elif level == "series":
                yield from (_series(compiled.query, study, one) for one, _ in series)
            elif level == "instance":
                for one, _ in series:
                    yield from self._instances(compiled, scope, study, one)

    def _instances(
        self, compiled: CompiledQuery, scope: Scope, study: StudyEntry, series: SeriesEntry
    ) -> Iterator[Match]:
        """Each is made for it: what a policy does not let through is not found."""
        upper = (series.attributes, series.more, study.attributes, study.more)
        for content in self._contents(scope, Selection((study.study_instance_uid,), (series.series_instance_uid,))):
            for one in content.loose:
                if compiled.matches(attributes_of([one.attributes])):
                    yield Match(
                        "instance", content.organisation, study.pk, one.attributes, upper=upper,
                        counts=_counts(study, series), modalities=_modalities(study),
                        study_instance_uid=study.study_instance_uid, series_instance_uid=series.series_instance_uid,
                        sop_instance_uid=one.sop_instance_uid, series=series.pk,
                    )  # fmt: skip


def _by_record_key(found: Iterable[Match], after: tuple[str, ...]) -> Iterator[Match]:
    """In the order of their record keys, each with its own, after that key (PS3.4 C.6.4); keys of UIDs as given out."""
    keyed = sorted(((_uids(one), one) for one in found), key=lambda pair: pair[0])
    return (replace(one, record_key=record_key(*uids)) for uids, one in keyed if uids > after)


def _uids(match: Match) -> tuple[str, ...]:
    """Those of record_key.COLUMNS."""
    return tuple(filter(None, (match.series_instance_uid, match.study_instance_uid)))


def _may_be(compiled: CompiledQuery, study_instance_uid: str) -> bool:
    """Whether a study is one of those that are asked for by UID: others are not looked at."""
    only = {STUDY_INSTANCE_UID: {"vr": "UI", "Value": [study_instance_uid]}}
    return all(
        test.matches(only) for test in compiled.conditions.of("study")
        if getattr(test, "path", "") == STUDY_INSTANCE_UID
    )  # fmt: skip


def _of_study(study: StudyEntry) -> Attributes:
    found = attributes_of([study.attributes, study.more])
    found[STUDY_INSTANCE_UID] = {"vr": "UI", "Value": [study.study_instance_uid]}
    found[MODALITIES_IN_STUDY] = {"vr": "CS", "Value": list(_modalities(study))}
    classes = sorted({one.sop_class_uid for one in study.series})
    found[SOP_CLASSES_IN_STUDY] = {"vr": "UI", "Value": classes}
    return found


def _of_series(series: SeriesEntry) -> Attributes:
    found = attributes_of([series.attributes, series.more])
    found[SERIES_INSTANCE_UID] = {"vr": "UI", "Value": [series.series_instance_uid]}
    return found


def _tags(query: Query) -> frozenset[str] | None:
    return None if query.include_all else frozenset(path.partition(".")[0] for path in query.include)


def _study(query: Query, study: StudyEntry) -> Match:
    return Match(
        "study", 0, study.pk, study.attributes, chosen(study.more, _tags(query)), counts=_counts(study),
        modalities=_modalities(study), study_instance_uid=study.study_instance_uid,
    )


def _series(query: Query, study: StudyEntry, series: SeriesEntry) -> Match:
    tags = _tags(query)
    return Match(
        "series", 0, study.pk, series.attributes, chosen(series.more, tags),
        (study.attributes, chosen(study.more, tags)), _counts(study, series), _modalities(study),
        study.study_instance_uid, series.series_instance_uid, series=series.pk,
    )  # fmt: skip


def _counts(study: StudyEntry, series: SeriesEntry | None = None) -> Counts:
    return Counts(
        study_series=len(study.series), study_instances=sum(one.instances for one in study.series),
        series_instances=None if series is None else series.instances,
    )  # fmt: skip


def _modalities(study: StudyEntry) -> tuple[str, ...]:
    return tuple(sorted({one.modality for one in study.series if one.modality}))
