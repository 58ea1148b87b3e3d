"""Terminology and topics that clients keep here, as a reader sees them (http://hl7.org/fhir/R4/references.html#canonical).

There are few, and they change seldom: a process keeps what it has read of them and asks for versions only.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhir.format import json
from fhir.search.query import Query
from fhir.store.selection import Compiler
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, retried
from pacsd.index.predicate import Params, within

_MOST_BYTES = 64 << 20                   # of bodies that a process keeps


class Kept(NamedTuple):
    """A resource in one version."""

    pk: int
    version: int
    resource: Mapping[str, Any]


@dataclass
class Canonicals:
    """What a process has read; used by many threads at once."""

    _kept: OrderedDict[tuple[int, int], tuple[Kept, int]] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_type(self, pool: Pool, scope: Scope, type_name: str) -> Iterator[Kept]:
        """All resources of a type that the asker sees."""
        params = Params()
        statement = f"""select r.pk, r.version from fhir_resource r where r.type = {params.add(type_name)}
            and not r.deleted and {within(scope, params, "r")} order by r.pk"""
        yield from self._of(pool, scope, statement, params.values)

    def found(self, pool: Pool, scope: Scope, query: Query) -> Iterator[Kept]:
        """The newest results of a search, as many as it counts; for conditions that leave few."""
        compiler = Compiler(scope)
        matching = compiler.resources(query.types, query.conditions)
        statement = f"""select {matching.resource}, {matching.of_resource("version")} from {matching.source}
            where {" and ".join(matching.conditions)} order by 1 desc limit {compiler.add(query.count)}"""
        yield from self._of(pool, scope, statement, compiler.params.values)

    def _of(self, pool: Pool, scope: Scope, statement: str, values: Mapping[str, Any]) -> Iterator[Kept]:
        """Those of which a statement tells key and version."""
        found = retried(pool, lambda lent: lent.execute(statement, values, prepare=True).fetchall())
        with self._lock:                 # what is read now may push out of what is kept
            kept = {key: self._kept[key][0] for key in found if key in self._kept}
        missing = [key[0] for key in found if key not in kept]
        fresh = self._read(pool, scope, missing) if missing else {}
        for key in found:
            one = kept.get(key) or fresh.get(key[0])
            if one is not None:          # else deleted meanwhile
                yield one

    def _read(self, pool: Pool, scope: Scope, pks: list[int]) -> dict[int, Kept]:
        params = Params()
        statement = f"""select r.pk, r.version, r.body from fhir_resource r where r.pk = any({params.add(pks)})
            and not r.deleted and {within(scope, params, "r")}"""
        rows = retried(pool, lambda lent: lent.execute(statement, params.values, prepare=True).fetchall())
        found = {}
        for pk, version, body in rows:
            found[pk] = one = Kept(pk, version, json.read(body))
            self._keep(one, len(body))
        return found

    def _keep(self, one: Kept, size: int) -> None:
        with self._lock:
            for key in [key for key in self._kept if key[0] == one.pk]:
                self._bytes -= self._kept.pop(key)[1]
            self._kept[one.pk, one.version] = one, size
            self._bytes += size
            while self._bytes > _MOST_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][1]
