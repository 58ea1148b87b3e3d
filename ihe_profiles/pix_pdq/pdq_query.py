"""Patient Demographics Query (ITI-21): QBP^Q22 is answered with RSP^K22, a PID for each patient that fits.

More than RCP-2 asks for at a time comes by continuation: DSC-1 says behind which patient the rest begins and to which
query it belongs, so nothing is kept between two messages, and patients that are stated meanwhile disturb nobody.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from xxhash import xxh3_64_hexdigest

from hl7.conditions import Condition, Hl7Error, Location
from hl7.delimiters import Delimiters
from hl7.escapes import escape
from hl7.message import NULL, Segment
from hl7.ports import Answered, Handled, Response, Sender
from hl7.reading import Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pir.demographics import SEXES
from ihe_profiles.pix_pdq.domains import Domains, card_kind, card_kinds, identifiers, written
from pacsd.access.scope import Scope
from pacsd.identity.linking import Linker
from pacsd.index import identity_search as search
from pacsd.index.connect import Pool
from pacsd.index.identity_search import Demographics, Record

_FIELDS, _WANTED = 3, 8                  # of QPD (table 3.21-2)
_MOST_PARAMETERS = 50
_PARAMETER = re.compile(r"@?(PID)[.-](\d{1,4})(?:[.-](\d{1,4}))?(?:[.-](\d{1,4}))?")
_COUNT = re.compile(r"[1-9]\d{0,6}")
# field of PID, component -> how it is searched for (tables 3.21-3, 3.21-4)
_SEARCHED = {
    (5, 1): "family", (5, 2): "given", (6, 1): "mother_name", (7, 1): "birth_date", (8, 1): "sex", (13, 1): "phone",
    (18, 1): "account_number",
}  # fmt: skip
_ADDRESS = 11
_IDENTIFIER = 3
_ACCOUNTS_AUTHORITY = (18, 4)            # accepted; account numbers are compared alone


class PdqQuery:
    """Answers the three cases of ITI TF-2 3.21.4.2.2.8; a sender finds what its organisation may see."""

    def __init__(
        self, pool: Pool, domains: Domains, linker: Linker, scope_of: Callable[[str], Scope], *, max_results: int
    ) -> None:
        self._pool = pool
        self._domains = domains
        self._linker = linker
        self._scope_of = scope_of
        self._max_results = max_results

    def answered(self) -> Answered:
        """The query that is answered."""
        return Answered("QBP", "Q22", self.ask, ("ITI-21",), "QBP_Q21", ("RSP", "K22", "RSP_K21"))

    def handled(self) -> Handled:
        """The end of a query, of which nothing is kept."""
        return Handled("QCN", "J01", lambda work, reading, sender: ["ends a query"], ("ITI-21",), "QCN_J01")

    def ask(self, reading: Reading, sender: Sender) -> Response:
        """The patients that fit. Raises Hl7Error for a query that cannot be read."""
        query = reading.message.segment("QPD")
        if query is None:
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("QPD"), "without the segment QPD")
        asked = _asked(reading, query, sender)
        wanted, unknown = self._domains.wanted(reading, _WANTED, sender)
        if unknown:
            return Response("AE", tuple(unknown))
        count, after = _count(reading), _after(reading, query)
        most = min(count or self._max_results, self._max_results)
        scope = self._scope_of(sender.organisation)
        with located(Location("QPD", 1, _FIELDS)):
            self._linker.catch_up()
            found = search.search(
                self._pool, scope, asked, after=after, limit=most + 1, wanted=wanted, kinds=card_kinds(sender, wanted)
            )
            persons = search.persons(self._pool, scope, [one.patient for one in found[:most]])
        if len(found) > most and not count:
            text = f"more than {most} patients: ask for fewer at a time by RCP-2"
            return Response("AE", (Hl7Error(Condition.APPLICATION, Location("RCP", 1, 2), text),))
        lines = list(_segments(found[:most], persons, sender, wanted, reading.message.delimiters))
        pointer = f"{found[most - 1].patient}-{_digest(query)}" if len(found) > most else ""
        return Response("OK" if lines else "NF", segments=tuple(lines), pointer=pointer)


def _segments(
    found: Sequence[Record], persons: dict[int, list[Record]], sender: Sender, wanted: Sequence[str], marks: Delimiters
) -> Iterator[tuple[str, ...]]:
    """A PID for each; none for a patient that has no identifier in the domains that are wanted."""
    number = 0
    for one in found:
        listed = identifiers(persons[one.patient], sender, wanted)
        listed.sort(key=lambda each, own=one.key: each != own)       # type: ignore[misc]
        if listed:
            number += 1
            ids = (marks.repetition or " ").join(written(each, sender.domains, marks) for each in listed)
            yield _pid(number, ids, one, marks)


def _pid(number: int, ids: str, one: Record, marks: Delimiters) -> tuple[str, ...]:
    fields = [""] * 20
    fields[0], fields[1], fields[3] = "PID", str(number), ids
    fields[5] = _name(one.name or "", marks)
    fields[6] = _components((one.mother_name or "").split("^"), marks)
    fields[7] = f"{one.birth_date:%Y%m%d}" if one.birth_date else ""
    fields[8] = one.sex or ""
    fields[11] = _components((one.address or "").split("^"), marks)
    fields[13] = escape(one.phone or "", marks)
    account, _, authority = (one.account_number or "").partition("^")
    fields[18] = _components([account, "", "", authority], marks) if account else ""
    return tuple(fields)


def _name(name: str, marks: Delimiters) -> str:
    """XPN of each group that there is; HL7 has suffix before prefix (table 0465 tells the representation)."""
    found = []
    for group, representation in zip(name.split("="), ("A", "I", "P"), strict=False):
        if group:
            family, given, middle, prefix, suffix = (*group.split("^"), "", "", "", "", "")[:5]
            only = "" if "=" not in name else representation
            found.append(_components([family, given, middle, suffix, prefix, "", "L", only], marks))
    return (marks.repetition or " ").join(found)


def _components(parts: Sequence[str], marks: Delimiters) -> str:
    return marks.component.join(escape(part, marks) for part in parts).rstrip(marks.component)


def _asked(reading: Reading, query: Segment, sender: Sender) -> Demographics:
    """The parameters of QPD-3, together."""
    sent = query.repetitions(_FIELDS)
    if not sent or not any(text.strip() for text in sent):
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("QPD", 1, _FIELDS), "nothing to search for")
    if len(sent) > _MOST_PARAMETERS:
        where = Location("QPD", 1, _FIELDS, _MOST_PARAMETERS + 1)
        raise Hl7Error(Condition.VALUE_TOO_LONG, where, f"more than {_MOST_PARAMETERS} parameters")
    values: dict[str, str] = {}
    address: dict[int, str] = {}
    ids: list[dict[int, str]] = []
    for number, text in enumerate(sent, 1):
        where = Location("QPD", 1, _FIELDS, number)
        field, component, subcomponent = _parameter(reading, query, text, where)
        value = reading.message.meaning(query.component(text, 2, 1), where)
        if not value or value == NULL:
            continue
        if field == _IDENTIFIER:
            _add_to_identifier(ids, component, subcomponent, value)
        elif field == _ADDRESS:
            address[component] = value
        elif (field, component) in _SEARCHED:
            values[_SEARCHED[field, component]] = value
        elif (field, component) != _ACCOUNTS_AUTHORITY:
            raise Hl7Error(Condition.TABLE_VALUE, where, "no element of PID that is searched for here")
    if "sex" in values:
        values["sex"] = SEXES.get(values["sex"], values["sex"])
    if "birth_date" in values:
        values["birth_date"] = re.sub(r"(\d{8})\d+", r"\1", values["birth_date"])     # a time of day says no more
    found = tuple(_identifier(reading, one, sender) for one in ids)
    return Demographics(identifiers=found, address=address, **values)


def _parameter(reading: Reading, query: Segment, text: str, where: Location) -> tuple[int, int, int]:
    name = reading.message.meaning(query.component(text, 1, 1), where)
    found = _PARAMETER.fullmatch(name)
    if found is None:
        raise Hl7Error(Condition.TABLE_VALUE, where, "not the name of an element such as @PID.5.1.1")
    return int(found[2]), int(found[3] or 1), int(found[4] or 1)


def _add_to_identifier(ids: list[dict[int, str]], component: int, subcomponent: int, value: str) -> None:
    """Components that follow each other are of one identifier; one that is there already begins the next."""
    place = component if component != 4 else 40 + subcomponent
    if not ids or place in ids[-1]:
        ids.append({})
    ids[-1][place] = value


def _identifier(reading: Reading, parts: dict[int, str], sender: Sender) -> tuple[str, str, str]:
    where = Location("QPD", 1, _FIELDS)
    if 1 not in parts:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "an assigning authority without an identifier")
    if not parts.keys() & {41, 42}:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "an identifier without its assigning authority")
    authority = reading.authority(parts.get(41, ""), parts.get(42, ""))
    return card_kind(authority, sender), authority, parts[1]


def _count(reading: Reading) -> int:
    """How many at a time (RCP-2); 0 where all are wanted."""
    where = Location("RCP", 1, 2)
    text, unit = reading.message.value("RCP-2.1"), reading.message.value("RCP-2.2")
    if not text:
        return 0
    if not _COUNT.fullmatch(text) or unit not in ("", "RD"):
        raise Hl7Error(Condition.DATA_TYPE, where, "not a number of records such as 50^RD")
    return int(text)


def _after(reading: Reading, query: Segment) -> int:
    """Behind which patient the answer begins (DSC-1)."""
    pointer = reading.message.value("DSC-1")
    if not pointer:
        return 0
    patient, _, digest = pointer.partition("-")
    if not re.fullmatch(r"\d{1,18}", patient, re.ASCII) or digest != _digest(query):
        raise Hl7Error(Condition.UNKNOWN_KEY, Location("DSC", 1, 1), "not a continuation of this query")
    return int(patient)


def _digest(query: Segment) -> str:
    return xxh3_64_hexdigest(f"{query.field(_FIELDS)}\n{query.field(_WANTED)}".encode())
