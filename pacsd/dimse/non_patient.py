"""Query and retrieval of instances that belong to no patient (PS3.4 U.4, X.4, BB.4, HH.4, II.4): one level."""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pacsd.access.scope import Scope
from pacsd.archive.non_patient.models import InformationModel
from pacsd.archive.non_patient.search import NonPatientQuery
from pacsd.archive.retrieve import InstanceRef
from pacsd.dimse.association import Association, Message
from pacsd.dimse.criteria import criteria_of
from pacsd.dimse.identifier import SOP_INSTANCE_UID, Identifier, is_uid, read_identifier
from pacsd.dimse.negotiation import QueryOptions
from pacsd.dimse.services import NonPatientSearch, Services
from pacsd.dimse.statuses import IdentifierError
from pacsd.faults import Fault


@dataclass(frozen=True, slots=True)
class Found:
    """One answer to such a query."""

    attributes: Mapping[str, Mapping[str, Any]]

    def dataset(self) -> Mapping[str, Mapping[str, Any]]:
        """Its attributes, in the DICOM JSON Model."""
        return self.attributes


def search(
    association: Association, message: Message, services: Services, model: InformationModel
) -> tuple[Identifier, Generator[Found, None, None]]:
    """The keys of a C-FIND, and the instances that match. Raises PacsdError."""
    identifier = _identifier(association, message)
    options = association.options.get(message.context.abstract_syntax, QueryOptions())
    query = NonPatientQuery(
        (model,), tuple(criteria_of(identifier.keys)), fuzzy=options.fuzzy,
        include=frozenset(f"{tag:08X}" for tag in identifier.keys),
    )  # fmt: skip
    found = services.archive.non_patient.search
    return identifier, _found(found, found.compile(query), association.require_peer().scope)


def _found(search: NonPatientSearch, compiled: Any, scope: Scope) -> Generator[Found, None, None]:
    matches = search(compiled, scope)
    if isinstance(matches, Generator):
        with closing(matches):
            yield from map(Found, matches)
    else:
        yield from map(Found, matches)


def supported(identifier: Identifier, model: InformationModel) -> bool:
    """Whether every attribute that was asked for is one of the model's."""
    return all(f"{tag:08X}" in model.tags for tag in identifier.keys)


def chosen(
    association: Association, message: Message, services: Services, model: InformationModel
) -> list[InstanceRef]:
    """The instances whose SOP Instance UIDs a retrieval names (PS3.4 U.4.2.2.1). Raises PacsdError."""
    uids = _identifier(association, message).uids(SOP_INSTANCE_UID)
    if not uids or not all(map(is_uid, uids)):
        raise IdentifierError(Fault.MISMATCH, "(0008,0018) is missing or not a UID", SOP_INSTANCE_UID)
    return services.archive.non_patient.select(association.require_peer().scope, (model,), uids)


def _identifier(association: Association, message: Message) -> Identifier:
    peer = association.require_peer()
    data = association.read_identifier(message)
    return read_identifier(
        data, message.context.transfer_syntax, character_set=peer.character_set, has_levels=False
    )
