"""Query as SCP: C-FIND (PS3.4 C.4.1, PS3.7 9.1.2).

Unique keys of upper levels may be left out, with or without relational queries negotiated: see `check_find`.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from pacsd.codec.keys import KEY_BY_TAG, Level
from pacsd.dimse import non_patient, worklist
from pacsd.dimse.association import Association, Message
from pacsd.dimse.cancel import cancelled
from pacsd.dimse.identifier import Identifier, Key, check_find, read_identifier
from pacsd.dimse.identifier_answer import INSTANCE_AVAILABILITY, RETRIEVE_AE_TITLE, AnswerWriter
from pacsd.dimse.negotiation import QueryOptions
from pacsd.dimse.pdu import Data
from pacsd.dimse.services import Match, Services
from pacsd.dimse.sop_classes import Model, Service, SOPClass, sop_class
from pacsd.dimse.statuses import (
    CANCEL,
    FIND_STATUS,
    PENDING,
    PENDING_UNSUPPORTED_OPTIONAL_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    failure,
    response,
)
from pacsd.faults import Fault, PacsdError

LEVELS: dict[str, Level] = {"PATIENT": "patient", "STUDY": "study", "SERIES": "series", "IMAGE": "instance"}
COMPUTED_KEYS = frozenset(
    (
        0x00080005,                      # Specific Character Set
        0x00080061,                      # Modalities in Study
        0x00080062,                      # SOP Classes in Study
        *(0x00201200, 0x00201202, 0x00201204, 0x00201206, 0x00201208, 0x00201209),     # Number of … Related …
        RETRIEVE_AE_TITLE,
        INSTANCE_AVAILABILITY,
    )
)
_BATCH_BYTES = 1 << 16
_BATCH_S = 0.05


@dataclass(frozen=True, slots=True)
class Criteria:
    """A query as the archive gets it: keys with values have to match, all are to be answered."""

    level: Level
    keys: Mapping[int, Key]
    fuzzy: bool = False                  # person names by sound and spelling, PS3.4 C.2.2.2.1.1
    combined_datetime: bool = False      # date and time ranges as one, PS3.4 C.2.2.2.5


def answer(association: Association, message: Message, services: Services) -> None:
    """Stream the matches as pending responses, then the final one."""
    declared = served(message, Service.FIND, Service.WORKLIST)
    if declared is None:
        association.discard_dataset()
        association.send(message.context, response(message.command, SOP_CLASS_NOT_SUPPORTED))
        return
    try:
        matches: Iterator[Match]
        character_set = association.require_peer().character_set
        if declared.service is Service.WORKLIST:
            identifier, matches = worklist.search(association, message, services)
            supported = worklist.supported(identifier)
            character_set = worklist.answered_in(association, identifier)
        elif declared.non_patient is not None:
            identifier, matches = non_patient.search(association, message, services, declared.non_patient)
            supported = non_patient.supported(identifier, declared.non_patient)
        else:
            identifier, matches = _search(association, message, services, declared.model)
            supported = all(tag in KEY_BY_TAG or tag in COMPUTED_KEYS for tag in identifier.keys)
        try:
            pending = PENDING if supported else PENDING_UNSUPPORTED_OPTIONAL_KEYS      # PS3.4 C.4.1.1.4
            writer = AnswerWriter(
                identifier, message.context.transfer_syntax, retrieve_ae_title=association.called,
                character_set=character_set,
            )  # fmt: skip
            status = stream(association, message, services, writer, matches, pending)
        finally:
            if isinstance(matches, Generator):
                matches.close()                  # a cancelled query ends in the index too
    except PacsdError as error:
        association.send(message.context, failure(message.command, error, FIND_STATUS))
        return
    association.send(message.context, response(message.command, status))


def served(message: Message, *services: Service) -> SOPClass | None:
    """The class of the context, if it is one of these services."""
    declared = sop_class(message.context.abstract_syntax)
    return declared if declared is not None and declared.service in services else None


def _search(
    association: Association, message: Message, services: Services, model: Model | None
) -> tuple[Identifier, Iterator[Match]]:
    if model is None:
        raise PacsdError(Fault.INTERNAL, "a query class without a model")
    peer = association.require_peer()
    data = association.read_identifier(message)
    identifier = read_identifier(data, message.context.transfer_syntax, character_set=peer.character_set)
    options = association.options.get(message.context.abstract_syntax, QueryOptions())
    check_find(identifier, model)
    level = LEVELS[identifier.level]
    criteria = Criteria(level, identifier.keys, options.fuzzy, options.combined_datetime)
    return identifier, services.archive.search(services.query(criteria), peer.scope)


def stream(
    association: Association, message: Message, services: Services, writer: AnswerWriter, matches: Iterator[Match],
    status: int,
) -> int:  # fmt: skip
    """Send the pending responses, several a call when they come fast. Returns the final status.

    Whoever asks is still who they were, each time something is sent.
    """
    pending = response(message.command, status)
    command = b"".join(association.encode_command(message.context, pending, has_dataset=True))
    batch: list[Data] = []
    size, since, worked_since = 0, time.monotonic(), services.pace.now()
    for match in matches:
        if association.readable() and cancelled(association, message):
            return CANCEL
        dataset = writer.write(match.dataset())
        batch += (command, *association.encode_dataset(message.context, dataset))
        size += len(command) + len(dataset)
        if size >= _BATCH_BYTES or time.monotonic() - since >= _BATCH_S:
            association.require_peer()
            association.write([b"".join(batch)])
            worked_since = services.pace.give_way(worked_since)
            batch, size, since = [], 0, time.monotonic()
    if batch:
        association.require_peer()
        association.write([b"".join(batch)])
    return SUCCESS
