"""A version of a resource: as it was read, and as it is to be written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fhir.search.values import Found


class Name(NamedTuple):
    """What a resource is called on this server: `Patient/1`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A version as it is kept. `body`: JSON as given out, id and meta in it; empty where the resource was deleted."""

    pk: int
    organisation: int
    type: str
    id: str
    version: int
    updated: datetime
    deleted: bool
    method: str                          # of the request that made it: POST, PUT, PATCH, DELETE
    owner: str                           # the feed whose word it is; empty: FHIR clients
    body: bytes

    @property
    def name(self) -> Name:
        """Type and id."""
        return Name(self.type, self.id)


@dataclass(frozen=True, slots=True)
class Change:
    """A version to be written, as the newest of its resource.

    `found`: what search parameters find in it; nothing of what is deleted. `pk` is that of the resource's earlier
    versions, or a new one (fhir.store.keys) with version 1.
    """

    pk: int
    organisation: int
    type: str
    id: str
    version: int
    updated: datetime
    method: str
    body: bytes
    deleted: bool = False
    owner: str = ""
    found: Sequence[Found] = ()

    @property
    def name(self) -> Name:
        """Type and id."""
        return Name(self.type, self.id)

    @property
    def stored(self) -> Stored:
        """As it will be read."""
        return Stored(self.pk, self.organisation, self.type, self.id, self.version, self.updated, self.deleted,
                      self.method, self.owner, self.body)  # fmt: skip
