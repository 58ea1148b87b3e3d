"""PIX Query (ITI-9): QBP^Q23 is answered with RSP^K23, the identifiers of the same person in other domains."""

from collections.abc import Callable

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL
from hl7.ports import Answered, Response, Sender
from hl7.reading import Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pix_pdq.domains import Domains, authority_of, card_kind, identifiers, written
from pacsd.access.scope import Scope
from pacsd.identity.linking import Linker
from pacsd.index import identity_search as search
from pacsd.index.connect import Pool
from pacsd.index.identity_search import Record

_PERSON, _WANTED = 3, 4                  # fields of QPD (table 3.9-2)
_ID = Location("QPD", 1, _PERSON, 1, 1)
_DOMAIN = Location("QPD", 1, _PERSON, 1, 4)


class PixQuery:
    """Answers the six cases of ITI TF-2 3.9.4.2.2.6; a sender sees what its organisation may."""

    def __init__(
        self, pool: Pool, domains: Domains, linker: Linker, scope_of: Callable[[str], Scope]
    ) -> None:
        self._pool = pool
        self._domains = domains
        self._linker = linker
        self._scope_of = scope_of

    def answered(self) -> Answered:
        """The query that is answered."""
        return Answered("QBP", "Q23", self.ask, ("ITI-9",), "QBP_Q21", ("RSP", "K23", "RSP_K23"))

    def ask(self, reading: Reading, sender: Sender) -> Response:
        """The identifiers of the person in the domains of QPD-4, or in all but the one asked for. Raises Hl7Error."""
        authority, number = self._asked(reading, sender)
        wanted, unknown = self._domains.wanted(reading, _WANTED, sender)
        if not self._domains.knows(authority, sender):
            unknown.insert(0, Hl7Error(Condition.UNKNOWN_KEY, _DOMAIN, "a domain that is not known here"))
        if unknown:
            return Response("AE", tuple(unknown))
        with located(None):
            self._linker.catch_up()
            person = self._person(authority, number, sender)
        if not person:
            error = Hl7Error(Condition.UNKNOWN_KEY, _ID, "no such patient in that domain")
            return Response("AE", (error,))
        found = [one for one in identifiers(person, sender, wanted) if one != (authority, number)]
        if not found:
            return Response("NF")
        marks = reading.message.delimiters
        listed = (marks.repetition or " ").join(written(one, sender.domains, marks) for one in found)
        nameless = f"{marks.repetition}{marks.component * 6}S"       # table 0200: a pseudonym that says nothing
        return Response("OK", segments=(("PID", "", "", listed, "", nameless),))

    def _asked(self, reading: Reading, sender: Sender) -> tuple[str, str]:
        query = reading.message.segment("QPD")
        if query is None:
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("QPD"), "without the segment QPD")
        sent = query.repetitions(_PERSON)
        text = sent[0] if sent else ""
        number = reading.message.meaning(query.component(text, 1, 1), _ID)
        if not number or number == NULL:
            raise Hl7Error(Condition.REQUIRED_FIELD, _ID, "without a person identifier")
        return authority_of(reading, query, text, _DOMAIN) or sender.assigning_authority, number

    def _person(self, authority: str, number: str, sender: Sender) -> list[Record]:
        """All records of the person, none where the identifier is nobody's or that of several persons."""
        scope = self._scope_of(sender.organisation)
        kind = card_kind(authority, sender)
        if kind:
            having = search.by_card(self._pool, scope, kind, number)
        else:
            one = search.record(self._pool, scope, (authority, number))
            having = [one] if one is not None else []
        persons = search.persons(self._pool, scope, [one.patient for one in having])
        different = {frozenset(one.key for one in records): records for records in persons.values()}
        return next(iter(different.values())) if len(different) == 1 else []
