"""Searching at every level: patients, studies and series in the index, instances also in the sidecars of packs."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice

from pacsd.access.scope import Scope
from pacsd.archive.retrieve import Contents, Selection
from pacsd.archive.sidecar import SidecarIndex
from pacsd.index.connect import Pool
from pacsd.index.match import Match, attributes_of
from pacsd.index.matching import Criterion
from pacsd.index.query import CompiledQuery, Query, compile_query, search, series_of_instances
from pacsd.index.record_key import uids_of
from pacsd.index.records import PackRow

__all__ = ["Criterion", "Match", "Query", "Search", "uids_of"]


class Search:
    """Answers queries (PS3.4 C.4.1, PS3.18 10.6) as a stream; close the iterator if you do not exhaust it."""

    def __init__(self, pool: Pool, contents: Contents, sidecar: Callable[[PackRow], SidecarIndex]) -> None:
        self._pool = pool
        self._contents = contents
        self._sidecar = sidecar

    def compile(self, query: Query) -> CompiledQuery:
        """Understand a query; its `unsupported` names the keys that will not be matched by.

        Raises PacsdError: MALFORMED (a value), TOO_BROAD (instances that no UID names, and not the first of them).
        """
        return compile_query(query)

    def __call__(self, query: Query | CompiledQuery, scope: Scope) -> Iterator[Match]:
        """What matches and the scope sees. Raises PacsdError UNAVAILABLE, and what `compile` raises."""
        compiled = query if isinstance(query, CompiledQuery) else compile_query(query)
        query = compiled.query
        if query.level != "instance":
            return search(self._pool, compiled, scope)
        return self._page(compiled, scope)

    def _page(self, compiled: CompiledQuery, scope: Scope) -> Generator[Match, None, None]:
        query = compiled.query
        end = None if query.limit is None else query.offset + query.limit
        with closing(series_of_instances(self._pool, compiled, scope)) as series:
            yield from islice(self._instances(compiled, series, scope), query.offset, end)

    def _instances(self, compiled: CompiledQuery, found: Iterable[Match], scope: Scope) -> Iterator[Match]:
        """Series by series; only texts are read where no key of the instances has to match."""
        narrowed = bool(compiled.conditions.of("instance"))
        for series in found:
            for sop_instance_uid, text in self._texts(series, scope):
                if not narrowed or compiled.matches(attributes_of([text])):
                    yield Match(
                        "instance",
                        series.organisation,
                        series.study,
                        text,
                        upper=(series.attributes, series.more, *series.upper),
                        counts=series.counts,
                        modalities=series.modalities,
                        study_instance_uid=series.study_instance_uid,
                        series_instance_uid=series.series_instance_uid,
                        sop_instance_uid=sop_instance_uid,
                        series=series.series,
                    )

    def _texts(self, series: Match, scope: Scope) -> Iterator[tuple[str, str]]:
        """SOP Instance UID and instance-level members of all visible instances of a series."""
        selection = Selection((series.study_instance_uid,), (series.series_instance_uid,))
        for content in self._contents(scope, selection):
            hidden = content.rejected | content.replaced
            for pack in content.packs:
                sidecar = self._sidecar(pack)
                for entry, text in zip(sidecar, sidecar.attributes(), strict=True):
                    if entry.sop_instance_uid not in hidden:
                        yield entry.sop_instance_uid, text
            for loose in content.loose:
                if loose.sop_instance_uid not in content.rejected:
                    yield loose.sop_instance_uid, loose.attributes
