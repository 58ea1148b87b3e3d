"""Resources of feeds that clients may write: they stay what the archive makes of its own, as it is after the deed.

So a change is one version, whoever made it: what projects events finds it told already.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir.acting.deed import Deed
from fhir.format import json
from fhir.interaction.services import Extract
from fhir.interaction.versions import stated
from fhir.projection.gathering import Archives, alone
from fhir.projection.projected import Projected
from fhir.projection.projector import with_meta
from fhir.projection.subjects import Subjects
from fhir.store.stored import Change

_OURS = ("id", "meta", "resourceType")


def differs(body: Mapping[str, Any], before: Mapping[str, Any], written: Collection[str]) -> str:
    """The first element beside those that may be written that is not as it was; empty where there is none."""
    named = (one for one in {**before, **body} if one not in written and one not in _OURS)
    return next((one for one in named if body.get(one) != before.get(one)), "")


@dataclass(frozen=True, slots=True)
class Projecting:
    """Makes the version that follows. `archives`: where workitems and orders are read; of studies it makes nothing."""

    archives: Archives
    extract: Extract

    def workitem(self, deed: Deed, uid: str) -> Change:
        """The version of a workitem's Task, as it is within the unit."""
        return self._following(deed, Subjects(workitems={(deed.change.organisation, uid)}))

    def order(self, deed: Deed, order_key: str) -> Change:
        """The version of a resource that an order makes."""
        return self._following(deed, Subjects(orders={(deed.change.organisation, order_key)}))

    def _following(self, deed: Deed, asked: Subjects) -> Change:
        made = _named(alone(deed.unit.connection, self.archives, asked), deed)
        if made is None or deed.previous is None:
            raise deed.refused("there is nothing in the archive any more of which this resource is made")
        change = deed.change
        told = stated(with_meta(made), logical_id=change.id, version=change.version, updated=change.updated)
        return replace(change, body=json.write(told), owner=made.feed, found=self.extract(told))


def _named(projected: Iterable[Projected], deed: Deed) -> Projected | None:
    return next((one for one in projected if one.name == tuple(deed.change.name)), None)
