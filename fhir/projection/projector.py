"""Writing what the archive knows as versions of resources: one for each change of meaning, none where nothing changed.

What is projected is journalled nowhere, but made again from the archive, under the same ids. A resource that a client
shares with the archive keeps what the client said, but for what the archive knows better (fhir.projection.sharing);
that version is journalled, as it stands between the client's own.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fhir.format import json
from fhir.interaction.services import Extract
from fhir.interaction.versions import stated
from fhir.projection.gathering import Archives, Gathered, gather
from fhir.projection.projected import Projected
from fhir.projection.sharing import shared_body
from fhir.projection.stems import STEMMED, stems
from fhir.projection.subjects import Subjects
from fhir.store import locks, shared
from fhir.store.stored import Change, Name, Stored
from fhir.store.unit import Unit, Units
from pacsd.index.connect import Connection, lent

CLIENTS_WRITE = ("Task", "Appointment")  # of what feeds make, as far as it goes (fhir.acting)

log = logging.getLogger("pacsd.fhir")


class Projector:
    """Projects subjects; of many processes one at a time, so that nobody writes what was true before."""

    def __init__(self, units: Units, archives: Archives, extract: Extract) -> None:
        self._units = units
        self._archives = archives
        self._extract = extract

    def project(self, asked: Subjects) -> int:
        """Bring the resources of these subjects up to what the archive knows; how many have a new version."""
        with lent(self._units.pool) as connection, connection.transaction():
            return self.within(connection, asked)

    def within(self, connection: Connection, asked: Subjects) -> int:
        """The same in a transaction of the caller's.

        What clients share is read once more when its resources are held: what one of them wrote meanwhile is in the
        archive then, and nothing that was true before is written over it.
        """
        shared.turn(connection)
        since = shared.snapshot(connection)
        gathered = gather(connection, self._archives, asked)
        if gathered.shared:
            locks.hold(connection, locks.of_resources(gathered.shared.values()))
            gathered = gather(connection, self._archives, asked)
        return self.write(connection, gathered, again=lambda held: gather(connection, self._archives, asked)
                          if shared.overtaken(connection, held, since) else None)  # fmt: skip

    def write(
        self, connection: Connection, gathered: Gathered, *,
        again: Callable[[Sequence[int]], Gathered | None] = lambda _: None,
    ) -> int:  # fmt: skip
        """Versions of what was gathered, and of what is gone. `again`: that once more, where clients have written one
        of these resources of feeds, which are held by then, since it was gathered."""
        names = {one.name: _name(gathered, one) for one in gathered.projected}
        wanted = [*names.values(), *(name for _, name in gathered.gone)]
        if not wanted:
            return 0
        held = locks.of_resources(wanted)
        unit = self._units.inside(connection, scope=self._archives.scope, organisation=0, held=held)
        current = unit.newest(wanted)
        newer = again([one.pk for one in current.values() if one.type in CLIENTS_WRITE])
        if newer is not None:
            return self.write(connection, newer)
        changes = [*self._changes(unit, gathered, names, current), *_removals(unit, gathered, current)]
        changes += self._fallen(connection, unit, gathered, names, current)
        unit.write(changes)
        self._units.journal([one for one in changes if shared.is_shared(one.owner)])
        return len(changes)

    def _changes(
        self, unit: Unit, gathered: Gathered, names: dict[tuple[str, str], Name], current: dict[Name, Stored]
    ) -> list[Change]:
        made: list[tuple[Projected, Name]] = []
        replaced = []
        for one in gathered.projected:
            name = names[one.name]
            known = current.get(name)
            if known is None:
                made.append((one, name))
            elif (change := self._next(unit, one, known)) is not None:
                replaced.append(change)
        keys = unit.keys(len(made))
        new = [self._change(one, name, pk=pk, version=1, unit=unit) for (one, name), pk in zip(made, keys, strict=True)]
        return [*new, *replaced]

    def _next(self, unit: Unit, one: Projected, known: Stored) -> Change | None:
        """The version that follows; None where nothing changed, or the id is somebody else's."""
        if known.organisation != one.organisation or not known.owner:
            log.warning("the id of a projection is taken", extra={"resource": str(known.name)})
            return None
        if shared.is_shared(known.owner):
            body = None if known.deleted else shared_body(json.read(known.body), one)
            return None if body is None else self._follow(unit, one, known, body, known.owner)
        return self._follow(unit, one, known, with_meta(one), one.feed)

    def _follow(
        self, unit: Unit, one: Projected, known: Stored, resource: dict[str, Any], owner: str
    ) -> Change | None:
        same = stated(resource, logical_id=known.id, version=known.version, updated=known.updated)
        if not known.deleted and json.write(same) == known.body:
            return None
        after = stated(resource, logical_id=known.id, version=known.version + 1, updated=(at := unit.after(known)))
        return Change(known.pk, one.organisation, known.type, known.id, known.version + 1, at, "PUT", json.write(after),
                      owner=owner, found=self._extract(after))  # fmt: skip

    def _change(self, one: Projected, name: Name, *, pk: int, version: int, unit: Unit) -> Change:
        at = unit.now()
        told = stated(with_meta(one), logical_id=name.id, version=version, updated=at)
        return Change(pk, one.organisation, *name, version, at, "PUT", json.write(told), owner=one.feed,
                      found=self._extract(told))  # fmt: skip

    def _fallen(
        self, connection: Connection, unit: Unit, gathered: Gathered, names: dict[tuple[str, str], Name],
        current: dict[Name, Stored],
    ) -> list[Change]:  # fmt: skip
        """Deletions of what only resources named that name it no more, or are gone."""
        fallen: dict[Name, int] = {}
        for one in gathered.projected:
            known = current.get(names[one.name])
            if known is not None and not shared.is_shared(known.owner):
                fallen.update(self._left(known, one.organisation, one.resource))
        for organisation, name in gathered.gone:
            if (known := current.get(name)) is not None:
                fallen.update(self._left(known, organisation, {}))
        for name in (*names.values(), *(name for _, name in gathered.gone)):
            fallen.pop(name, None)
        if not fallen:
            return []
        held = locks.of_resources(fallen)
        more = self._units.inside(connection, scope=unit.scope, organisation=0, held=held)
        found = more.newest(sorted(fallen)).values()
        return [_removal(unit, each) for each in found if _is_projected(each, fallen[each.name])]

    def _left(self, known: Stored, organisation: int, after: dict[str, Any]) -> dict[Name, int]:
        """What a version that is there names, and the one that follows does not; each with whose it is."""
        house = self._archives.houses.get(organisation)
        if house is None or known.type not in STEMMED or not _is_projected(known, organisation):
            return {}
        return dict.fromkeys(stems(house, json.read(known.body)) - stems(house, after), organisation)


def _name(gathered: Gathered, one: Projected) -> Name:
    """Under which a resource is kept: the one that a client gave it, where one did."""
    type_name, _ = one.name
    made = gathered.shared.get((one.organisation, one.subject)) if one.subject else None
    return made if made is not None and made.type == type_name else Name(*one.name)


def with_meta(one: Projected) -> dict[str, Any]:
    """A resource as it is kept, but for what its version says."""
    meta: dict[str, Any] = {"source": one.feed, **({"tag": list(one.tags)} if one.tags else {})}
    return {**one.resource, "meta": meta}


def _removals(unit: Unit, gathered: Gathered, current: dict[Name, Stored]) -> Iterator[Change]:
    for organisation, name in gathered.gone:
        known = current.get(name)
        if known is not None and _is_projected(known, organisation):
            yield _removal(unit, known)


def _is_projected(known: Stored, organisation: int) -> bool:
    """Whether a version is there, of that organisation, and the archive's alone."""
    theirs = not known.owner or shared.is_shared(known.owner)
    return known.organisation == organisation and not theirs and not known.deleted


def _removal(unit: Unit, known: Stored) -> Change:
    return Change(known.pk, known.organisation, known.type, known.id, known.version + 1, unit.after(known), "DELETE",
                  b"", deleted=True, owner=known.owner)  # fmt: skip
