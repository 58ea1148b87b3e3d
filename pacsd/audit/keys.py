"""By what an event is looked for: one text for each participant and object."""

from collections.abc import Iterator

from pacsd.audit.codes import Event, Kind
from pacsd.audit.message import AuditMessage

EVERYBODY = "o *"                        # of events that concern no organisation, and whose auditors all see


def _cut(text: str) -> str:
    """As it fits an index: what clients name may be of any length and of any characters."""
    return text.replace("\0", "\ufffd")[:256]


def of_patient(assigning_authority: str, patient_id: str) -> str:
    """A patient's, whoever is the agent."""
    return f"p {_cut(assigning_authority)} {_cut(patient_id)}"


def of_entity(entity_id: str) -> str:
    """An object's: a UID, a patient's id, a resource `Type/id`."""
    return f"e {_cut(entity_id)}"


def of_agent(user_id: str) -> str:
    """A participant's, by user or client."""
    return f"a {_cut(user_id)}"


def of_name(name: str) -> str:
    """A participant's, by name."""
    return f"w {_cut(name.casefold())}"


def of_address(address: str) -> str:
    """A network access point's."""
    return f"n {_cut(address)}"


def of_organisation(code: str) -> str:
    """Whose auditors see it."""
    return f"o {code}"


def keys(message: AuditMessage, owners: frozenset[str]) -> frozenset[str]:
    """All of an event; `owners`: codes of the organisations whose data it is about."""
    return frozenset(_keys(message, owners))


def _keys(message: AuditMessage, owners: frozenset[str]) -> Iterator[str]:
    concerned = owners | {one.organisation for one in message.agents if one.organisation}
    yield from (of_organisation(code) for code in concerned)
    if not concerned:
        yield EVERYBODY
    for agent in message.agents:
        if not agent.requestor and not agent.organisation and message.event is not Event.APPLICATION_ACTIVITY:
            continue                     # we who answered: of every event
        yield of_agent(agent.user_id)
        if agent.client:
            yield of_agent(agent.client)
        if agent.name and agent.name != agent.user_id:
            yield of_name(agent.name)
        if agent.address:
            yield of_address(agent.address)
    for one in message.objects:
        if one.kind is Kind.PATIENT:
            yield of_patient(one.authority, one.id)
        if one.kind is not Kind.QUERY and one.id:
            yield of_entity(one.id)
