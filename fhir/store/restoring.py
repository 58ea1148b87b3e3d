"""Versions that the journal tells of, put back into the tables: after a crash some, in a rebuild all.

Facts of one resource may come in any order, and again: what counts is the number of the version. Of two with the same
number the later one was committed: the other's process ended in between, and nobody was told of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fhir.store.stored import Change, Name, Stored
from pacsd.index.connect import Connection

_KNOWN = """
select w.n from unnest(%s::bigint[], %s::integer[], %s::timestamptz[], %s::integer[]) w (resource, version, updated, n)
join fhir_version v on v.resource = w.resource and v.version = w.version and v.updated >= w.updated
"""


@dataclass(slots=True)
class Plan:
    """What becomes of versions: new resources, others of a number, newer ones of known resources, earlier ones."""

    made: list[Change] = field(default_factory=list)
    correcting: list[Change] = field(default_factory=list)
    superseding: list[Change] = field(default_factory=list)
    earlier: list[Change] = field(default_factory=list)


def missing(connection: Connection, changes: Sequence[Change], held: Mapping[Name, Stored]) -> list[Change]:
    """Those that are not there, each once. `held`: the newest versions that are."""
    told: dict[tuple[Name, int], Change] = {}
    for one in changes:
        other = told.setdefault((one.name, one.version), one)
        if one.updated > other.updated:
            told[one.name, one.version] = one
    rest, earlier = [], []
    for one in told.values():
        current = held.get(one.name)
        if current is None or (one.version, one.updated) > (current.version, current.updated):
            rest.append(one)
        elif one.version < current.version:
            earlier.append(replace(one, pk=current.pk))
    asked = ([one.pk for one in earlier], [one.version for one in earlier], [one.updated for one in earlier],
             list(range(len(earlier))))  # fmt: skip
    known = {n for (n,) in connection.execute(_KNOWN, asked, prepare=True)} if earlier else set()
    return rest + [one for n, one in enumerate(earlier) if n not in known]


def planned(changes: Sequence[Change], held: Mapping[Name, Stored], keys: Iterator[int]) -> Plan:
    """What is to be done about versions that are missing."""
    by_name: dict[Name, list[Change]] = {}
    for one in sorted(changes, key=lambda change: change.version):
        by_name.setdefault(one.name, []).append(one)
    plan = Plan()
    for name, those in by_name.items():
        current = held.get(name)
        pk = current.pk if current is not None else next(keys)
        *earlier, newest = (replace(one, pk=pk) for one in those)
        if current is None:
            plan.made.append(newest)
        elif newest.version > current.version:
            plan.superseding.append(newest)
        elif newest.version == current.version:
            plan.correcting.append(newest)
        else:
            earlier.append(newest)
        plan.earlier += (replace(one, found=()) for one in earlier)
    return plan
