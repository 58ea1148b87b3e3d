"""Search for Unified Procedure Step: C-FIND in contexts of UPS Watch, Pull and Query (PS3.4 CC.2.8)."""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import AFFECTED_SOP_CLASS_UID
from pacsd.dimse.criteria import criteria_of
from pacsd.dimse.find import stream
from pacsd.dimse.identifier import Identifier, Key, read_identifier
from pacsd.dimse.identifier_answer import AnswerWriter
from pacsd.dimse.negotiation import QueryOptions
from pacsd.dimse.services import Services
from pacsd.dimse.statuses import (
    FIND_STATUS,
    NOT_AUTHORIZED,
    PENDING,
    PENDING_UNSUPPORTED_OPTIONAL_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    failure,
    response,
)
from pacsd.faults import PacsdError
from pacsd.workflow.attributes import ROW_BY_PATH
from pacsd.workflow.search import CompiledWorklistQuery, WorklistQuery


@dataclass(frozen=True, slots=True)
class Found:
    """A workitem that matches."""

    attributes: Mapping[str, Mapping[str, Any]]

    def dataset(self) -> Mapping[str, Mapping[str, Any]]:
        """Its attributes, in the DICOM JSON Model."""
        return self.attributes


def answer(association: Association, message: Message, services: Services) -> None:
    """Stream the matches as pending responses, then the final one; a C-CANCEL ends them (PS3.4 CC.2.8.3)."""
    refusal = _refusal(message)
    if refusal is not None:
        association.discard_dataset()
        association.send(message.context, response(message.command, refusal))
        return
    try:
        identifier = _identifier(association, message)
        compiled = services.of_department().workflow.search.compile(_query(association, message, identifier))
        supported = not compiled.unsupported and all(map(_known, _paths(identifier.keys)))
        pending = PENDING if supported else PENDING_UNSUPPORTED_OPTIONAL_KEYS
        writer = AnswerWriter(
            identifier, message.context.transfer_syntax, retrieve_ae_title=association.called,
            character_set=association.require_peer().character_set,
        )  # fmt: skip
        with closing(_found(association, services, compiled)) as matches:
            status = stream(association, message, services, writer, matches, pending)
    except PacsdError as error:
        association.send(message.context, failure(message.command, error, FIND_STATUS))
        return
    association.send(message.context, response(message.command, status))


def _refusal(message: Message) -> int | None:
    """The class is that of the context, unlike with DIMSE-N (PS3.4 CC.2.8.1.2.1)."""
    if message.command.text(AFFECTED_SOP_CLASS_UID) != message.context.abstract_syntax:
        return SOP_CLASS_NOT_SUPPORTED
    return None if message.context.requestor_is_scu else NOT_AUTHORIZED


def _identifier(association: Association, message: Message) -> Identifier:
    return read_identifier(
        association.read_identifier(message), message.context.transfer_syntax,
        character_set=association.require_peer().character_set, has_levels=False,
    )  # fmt: skip


def _query(association: Association, message: Message, identifier: Identifier) -> WorklistQuery:
    options = association.options.get(message.context.abstract_syntax, QueryOptions())
    include = frozenset(f"{tag:08X}" for tag in identifier.keys)
    return WorklistQuery(tuple(criteria_of(identifier.keys)), fuzzy=options.fuzzy, include=include)


def _found(
    association: Association, services: Services, compiled: CompiledWorklistQuery
) -> Generator[Found, None, None]:
    with closing(services.of_department().workflow.search(compiled, association.require_peer().scope)) as matches:
        yield from map(Found, matches)


def _paths(keys: Mapping[int, Key], above: str = "") -> Generator[str, None, None]:
    for key in keys.values():
        yield f"{above}{key.tag:08X}"
        for item in key.items:
            yield from _paths(item, f"{above}{key.tag:08X}.")


def _known(path: str) -> bool:
    """Whether the attribute is one of the information model that is returned (PS3.4 Table CC.2.5-3)."""
    row = ROW_BY_PATH.get(path)
    return row is not None and row.returned != "-"
