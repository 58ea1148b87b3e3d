"""Patient identification domains: assigning authorities as queries and answers name them (IHE ITI TF-2 Appendix E)."""

from collections.abc import Collection, Iterable, Mapping

from config.settings import Settings
from hl7.conditions import Condition, Hl7Error, Location
from hl7.delimiters import Delimiters
from hl7.escapes import escape
from hl7.message import Segment
from hl7.ports import Sender
from hl7.reading import Reading
from pacsd.access.directory import Directory
from pacsd.index import identity_search as search
from pacsd.index.connect import Pool
from pacsd.index.identity_search import CARDS, Record


class Domains:
    """Which there are. What is no authority of the settings is one if a feed has stated a patient of it."""

    def __init__(self, settings: Settings, pool: Pool, directory: Directory) -> None:
        self._pool = pool
        self._directory = directory
        named = [one.assigning_authority for one in settings.hl7_senders if one.assigning_authority]
        named += [one.authority for one in settings.identity_domains]
        self._named = frozenset(named)

    def knows(self, authority: str, sender: Sender) -> bool:
        """Whether an assigning authority is known, or is one of cards in the eyes of the sender."""
        of_organisation = any(one.assigning_authority == authority for one in self._directory.organisations.values())
        if authority in self._named or of_organisation or card_kind(authority, sender):
            return True
        known = sender.authorities is None or sender.speaks_for(authority)
        return known and bool(authority) and search.knows_authority(self._pool, authority)

    def wanted(self, reading: Reading, field: int, sender: Sender) -> tuple[list[str], list[Hl7Error]]:
        """The domains that a field of QPD names, and an error for each that is not known."""
        query = reading.message.segment("QPD")
        found, errors = [], []
        for number, text in enumerate(query.repetitions(field) if query else [], 1):
            where = Location("QPD", 1, field, number)
            authority = authority_of(reading, query, text, where) if query else ""
            if self.knows(authority, sender):
                found.append(authority)
            else:
                errors.append(Hl7Error(Condition.UNKNOWN_KEY, where, "a domain that is not known here"))
        return found, errors


def authority_of(reading: Reading, segment: Segment, text: str, where: Location) -> str:
    """The name here of the assigning authority of an identifier (CX-4); empty where it has none."""
    namespace, universal = (reading.message.meaning(segment.component(text, 4, n), where) for n in (1, 2))
    return reading.authority(namespace, universal)


def card_kind(authority: str, sender: Sender) -> str:
    """Which card the numbers of an authority are; empty for patient ids."""
    return next((one.kind for one in sender.mapping.cards if authority and authority in one.authorities), "")


def identifiers(records: Iterable[Record], sender: Sender, wanted: Iterable[str] = ()) -> list[tuple[str, str]]:
    """All identifiers of a person, (authority, id), those of a domain together; with `wanted` those of these domains.

    Cards that have a domain of their own are among them.
    """
    ours = list(records)
    cards = _domains_of_cards(sender)
    found = [one.key for one in ours]
    found += [(cards[kind], number) for kind in CARDS if kind in cards for one in ours
              if (number := getattr(one, kind))]  # fmt: skip
    domains = set(wanted)
    return sorted({one for one in found if not domains or one[0] in domains})


def card_kinds(sender: Sender, wanted: Collection[str]) -> list[str]:
    """The cards whose domain is among these."""
    return [kind for kind, authority in _domains_of_cards(sender).items() if authority in wanted]


def _domains_of_cards(sender: Sender) -> dict[str, str]:
    return {one.kind: one.authorities[0] for one in sender.mapping.cards if one.authorities}


def written(one: tuple[str, str], universal_ids: Mapping[str, str], marks: Delimiters) -> str:
    """An identifier as CX, its assigning authority as fully as it is known."""
    authority, number = one
    oid = universal_ids.get(authority, "")
    if not oid and _is_oid(authority):
        authority, oid = "", authority
    subcomponent = marks.subcomponent or " "
    parts = [escape(authority, marks), *([oid, "ISO"] if oid else [])]
    return marks.component.join((escape(number, marks), "", "", subcomponent.join(parts)))


def _is_oid(text: str) -> bool:
    return "." in text and all(part.isdigit() for part in text.split("."))
