"""Modality worklist as SCP: C-FIND without levels (PS3.4 Annex K)."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from config.checks import character_set
from pacsd.access.scope import Scope
from pacsd.dimse.association import Association, Message
from pacsd.dimse.criteria import criteria_of
from pacsd.dimse.identifier import Identifier, Key, read_identifier
from pacsd.dimse.negotiation import QueryOptions
from pacsd.dimse.services import Services
from pacsd.workflow.modality_worklist import StepQuery, is_supported


@dataclass(frozen=True, slots=True)
class Item:
    """One worklist item."""

    attributes: Mapping[str, Mapping[str, Any]]

    def dataset(self) -> Mapping[str, Mapping[str, Any]]:
        """Its attributes, in the DICOM JSON Model."""
        return self.attributes


def search(
    association: Association, message: Message, services: Services
) -> tuple[Identifier, Generator[Item, None, None]]:
    """The keys of a C-FIND, and the items of the peer's own organisation that match. Raises PacsdError."""
    peer = association.require_peer()
    identifier = read_identifier(
        association.read_identifier(message), message.context.transfer_syntax,
        character_set=peer.character_set, has_levels=False,
    )  # fmt: skip
    options = association.options.get(message.context.abstract_syntax, QueryOptions())
    query = StepQuery(tuple(criteria_of(identifier.keys)), fuzzy=options.fuzzy)
    return identifier, _items(services.of_department().worklist(query, Scope((peer.organisation,), peer.organisation)))


def supported(identifier: Identifier) -> bool:
    """Whether every attribute that was asked for, those in sequences too, is one of the worklist (K.4.1.1.4)."""
    return all(map(is_supported, _paths(identifier.keys)))


def answered_in(association: Association, identifier: Identifier) -> str | None:
    """The character set of answers: that of the AE, else that of the request, where it is one of PS3.3 C.12.1.1.2."""
    said = "\\".join(identifier.character_sets)
    return association.require_peer().character_set or (said if said and character_set(said) is None else None)


def _paths(keys: Mapping[int, Key], above: str = "") -> Iterator[str]:
    for key in keys.values():
        path = f"{above}{key.tag:08X}"
        yield path
        for item in key.items:
            yield from _paths(item, path + ".")


def _items(found: Iterator[Mapping[str, Mapping[str, Any]]]) -> Generator[Item, None, None]:
    if isinstance(found, Generator):
        with closing(found):
            yield from map(Item, found)
    else:
        yield from map(Item, found)
