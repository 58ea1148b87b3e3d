"""Patient registration, update, merge and link (IHE RAD-1, RAD-12, ITI-8, ITI-30) as statements about our patients."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise, product

from hl7.conditions import Condition, Hl7Error, Location
from hl7.ports import Handled, Prepared, Sender, Together
from hl7.reading import Identifier, Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pir import visits
from ihe_profiles.pir.demographics import PATIENT_BIRTH_DATE, PATIENT_SEX, Attributes, demographics
from ihe_profiles.pir.details import details, warnings
from ihe_profiles.pir.visits import visit_of
from pacsd.access.principal import PatientKey as CaredFor
from pacsd.codec.keys import KEY_BY_TAG
from pacsd.identity.patients import PatientKey, Patients, Statement
from pacsd.identity.person import Persons
from pacsd.index.care_encounters import CareEncounter
from pacsd.index.pipelined import Asked, Rows
from pacsd.index.work import Work

log = logging.getLogger("pacsd.hl7")
_Named = tuple[PatientKey, Identifier]

PATIENT_TYPES = (                                # event, structure, transactions
    ("A01", "ADT_A01", ("RAD-1", "ITI-8")),
    ("A04", "ADT_A01", ("RAD-1", "ITI-8")),
    ("A05", "ADT_A05", ("RAD-1", "ITI-8")),
    ("A08", "ADT_A01", ("RAD-12", "ITI-8")),
    ("A28", "ADT_A05", ("ITI-30",)),
    ("A31", "ADT_A05", ("ITI-30", "ITI-10")),
)  # fmt: skip
MERGE_TYPES = (("A40", "ADT_A39", ("RAD-12", "ITI-8", "ITI-30")),)
CHANGE_TYPES = (("A47", "ADT_A30", ("ITI-30",)),)
LINK_TYPES = (("A24", "ADT_A24", ("ITI-30",)),)
UNLINK_TYPES = (("A37", "ADT_A37", ("ITI-30",)),)
VISIT_TYPES = (                                  # of a visit they say whether it goes on (visits.py), and nothing else
    ("A02", "ADT_A02", ("RAD-12",)),
    ("A03", "ADT_A03", ("RAD-12",)),
    ("A06", "ADT_A06", ("RAD-12",)),
    ("A07", "ADT_A06", ("RAD-12",)),
    ("A11", "ADT_A09", ("RAD-12",)),
    ("A12", "ADT_A12", ("RAD-12",)),
    ("A13", "ADT_A01", ("RAD-12",)),
)  # fmt: skip
# A23 deletes nothing: images have an owner and retention rules; a visit that was only planned (A38) was no care
NO_EFFECT_TYPES = (
    ("A23", "ADT_A21", ()),
    ("A38", "ADT_A38", ("RAD-1",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """What PID says of a patient: DICOM attributes, and what there is besides."""

    stated: Attributes
    besides: dict[str, str]

    def doubts(self, location: str) -> list[str]:
        """What speaks against it, also told in the log."""
        found = warnings(self.besides, _first(self.stated, PATIENT_BIRTH_DATE), _first(self.stated, PATIENT_SEX))
        for doubt in found:
            log.info(doubt, extra={"location": location})
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """A message about one patient, among others that act at once."""

    statement: Statement
    said: _Said
    location: str
    organisation: str                    # that says so, its code: one of all in a batch
    visit: CareEncounter | None


@dataclass(frozen=True, slots=True)
class _Stating:
    """What several messages say, each of one patient: hl7.ports.AtOnce."""

    patients: Patients

    def asked(self, parts: Sequence[_Part]) -> Asked:
        """For their patients."""
        return self.patients.asked([one.statement.key for one in parts])

    def do(self, work: Work, parts: Sequence[_Part], found: Rows) -> None:
        """State them all."""
        self.patients.state_all(work, [one.statement for one in parts], found)
        for one in parts:
            one.said.doubts(one.location)
        visits.keep_all(work, parts[0].organisation, [one.visit for one in parts if one.visit is not None])


class PatientIdentity:
    """Acts on ADT messages."""

    def __init__(
        self, patients: Patients, persons: Persons, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._patients = patients
        self._persons = persons
        self._clock = clock
        self._stating = _Stating(patients)

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        acts = (
            (MERGE_TYPES, self.merge), (CHANGE_TYPES, self.change), (LINK_TYPES, self.link),
            (UNLINK_TYPES, self.unlink), (VISIT_TYPES, self.visit), (NO_EFFECT_TYPES, self.accept),
        )  # fmt: skip
        return (
            *(Handled("ADT", event, self.update, names, structure, self.prepared)
              for event, structure, names in PATIENT_TYPES),
            *(Handled("ADT", event, act, names, structure) for types, act in acts for event, structure, names in types),
        )  # fmt: skip

    def update(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """State what PID says of every patient id of an authority for which the sender speaks."""
        return self.prepared(reading, sender).act(work)

    def prepared(self, reading: Reading, sender: Sender) -> Prepared:
        """The same, read before its unit of work begins. Raises Hl7Error."""
        _one_patient(reading)
        keys = _keys(reading, "patient_id", sender)
        if not keys:
            raise _no_identifier(reading, "patient_id")
        said = _Said(demographics(reading), details(reading))
        first = keys[0][0]
        visit = visit_of(reading, _whose(first), self._clock())
        if len(keys) > 1:
            return Prepared(lambda work: self._update(work, reading, keys, said, visit))
        part = _Part(
            Statement(first, said.stated, said.besides), said, str(reading.location("patient_id")), sender.organisation,
            visit,
        )  # fmt: skip
        return Prepared(
            lambda work: [*self._state(work, reading, keys, said), *_kept(work, visit)],
            (first.patient_id, first.assigning_authority), Together(self._stating, part),
        )  # fmt: skip

    def _update(
        self, work: Work, reading: Reading, keys: Sequence[_Named], said: "_Said", visit: CareEncounter | None
    ) -> Sequence[str]:
        with located(reading.location("patient_id")):
            self._patients.hold(work, [key for key, _ in keys])
        return [*self._state(work, reading, keys, said), *_kept(work, visit)]

    def merge(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """State what PID says of the surviving patient, then merge the prior one of MRG into it, by authority."""
        survivors, pairs = self._pairs(work, reading, sender)
        done = list(self._state(work, reading, survivors, _Said(demographics(reading), details(reading))))
        for prior, one, survivor in pairs:
            with located(one.location):
                merged = self._patients.merge(work, prior=prior, survivor=survivor)
            done.append(f"{'merges' if merged else 'has merged'} {_said(prior)} into {_said(survivor)}")
        return done

    def change(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Give the patient of MRG the id of PID, by authority, then state what PID says of it (HL7 v2.5.1 3.3.47)."""
        news, pairs = self._pairs(work, reading, sender)
        done = []
        for prior, one, new in pairs:
            with located(one.location):
                changed = self._patients.change_id(work, prior=prior, new=new)
            done.append(f"{'changes' if changed else 'has changed'} {_said(prior)} to {_said(new)}")
        return [*done, *self._state(work, reading, news, _Said(demographics(reading), details(reading)))]

    def link(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Say that the patients of two segments PID are one person (HL7 v2.5.1 3.3.24)."""
        return self._decide(work, reading, sender, linked=True)

    def unlink(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Say that the patients of two segments PID are two persons (HL7 v2.5.1 3.3.37)."""
        return self._decide(work, reading, sender, linked=False)

    def visit(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """Say whether the visit goes on, of a patient of an authority for which the sender speaks."""
        keys = _keys(reading, "patient_id", sender)
        visit = visit_of(reading, _whose(keys[0][0]), self._clock()) if keys else None
        return _kept(work, visit) or ["nothing: it names no visit by a number, or nobody this sender speaks of"]

    def accept(self, _work: Work, _reading: Reading, _sender: Sender) -> Sequence[str]:
        """Nothing: what it speaks of is not kept here."""
        return ["nothing: plans of visits are not kept here, and a feed deletes nothing"]

    def _pairs(
        self, work: Work, reading: Reading, sender: Sender
    ) -> "tuple[list[_Named], list[tuple[PatientKey, Identifier, PatientKey]]]":
        """The patients of PID, and those of MRG each with its own of PID; all held."""
        _one_patient(reading)
        if reading.message.segment("MRG") is None:
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("MRG"), "without the segment MRG")
        priors = _keys(reading, "prior_patient_id", sender)
        if not priors:
            raise _no_identifier(reading, "prior_patient_id")
        survivors = {key.assigning_authority: (key, one) for key, one in _keys(reading, "patient_id", sender)}
        pairs = [(prior, one, _survivor(prior, one, survivors)) for prior, one in priors]
        with located(reading.location("patient_id")):
            self._patients.hold(work, [key for key, _ in (*priors, *survivors.values())])
        return list(survivors.values()), pairs

    def _decide(self, work: Work, reading: Reading, sender: Sender, *, linked: bool) -> Sequence[str]:
        found = len(reading.message.all("PID"))
        if found != 2:
            where = Location("PID", min(found + 1, 3))
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, where, "two patients and two segments PID a message")
        sides = [_keys(reading, "patient_id", sender, sequence=n) for n in (1, 2)]
        for n, side in enumerate(sides, 1):
            if not side:
                raise _no_identifier(reading, "patient_id", sequence=n)
        with located(Location("PID", 1, 3)):
            self._patients.hold(work, [key for side in sides for key, _ in side])
        done = []
        for (one, _), (other, place) in product(*sides):
            with located(place.location):
                self._persons.decide(work, one, other, linked=linked)
            done.append(f"{'links' if linked else 'separates'} {_said(one)} and {_said(other)}")
        return done

    def _state(self, work: Work, reading: Reading, keys: Sequence[_Named], said: "_Said") -> Sequence[str]:
        done = []
        for key, one in keys:
            with located(one.location):
                changed = self._patients.state(work, key, said.stated, said.besides)
            what = ", ".join(f"{_keyword(tag)} {_value(value)}" for tag, value in changed.items())
            done.append(f"states of {_said(key)}: {what or 'nothing new'}")
        for (one_key, _), (other, place) in pairwise(keys):
            with located(place.location):
                if self._persons.link_unless_decided(work, one_key, other):
                    done.append(f"links {_said(one_key)} and {_said(other)}")
        doubts = said.doubts(str(reading.location("patient_id")))
        return [*done, *(f"warns: {doubt}" for doubt in doubts)]


def _kept(work: Work, visit: CareEncounter | None) -> list[str]:
    if visit is None:
        return []
    visits.keep(work, visit)
    return [visits.said(visit)]


def _whose(key: PatientKey) -> CaredFor:
    return CaredFor(key.assigning_authority, key.patient_id)


def _one_patient(reading: Reading) -> None:
    found = len(reading.message.all("PID"))
    if found != 1:
        place = Location("PID", 2 if found else 1)
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, place, "one patient and one segment PID a message")


def _first(stated: Attributes, tag: str) -> str:
    attribute = stated.get(tag)
    return str(attribute["Value"][0]) if attribute else ""


def _keys(
    reading: Reading, name: str, sender: Sender, *, sequence: int = 0
) -> list[tuple[PatientKey, Identifier]]:
    """The patients that a field names, of authorities for which the sender speaks, each once."""
    found: dict[PatientKey, Identifier] = {}
    for one in reading.identifiers(name, sequence=sequence):
        authority = one.assigning_authority or sender.assigning_authority
        if sender.speaks_for(authority):
            found.setdefault(PatientKey(authority, one.value), one)
    return list(found.items())


def _survivor(
    prior: PatientKey, one: Identifier, survivors: dict[str, tuple[PatientKey, Identifier]]
) -> PatientKey:
    found = survivors.get(prior.assigning_authority)
    if found is None:
        raise Hl7Error(Condition.UNKNOWN_KEY, one.location, "PID-3 has no identifier of the same assigning authority")
    return found[0]


def _no_identifier(reading: Reading, name: str, *, sequence: int = 0) -> Hl7Error:
    """Nothing there, or nothing of an authority for which the sender speaks."""
    where = reading.location(name)
    where = replace(where, sequence=sequence) if sequence else where
    if any(True for _ in reading.identifiers(name, sequence=sequence)):
        return Hl7Error(Condition.UNKNOWN_KEY, where, "no identifier of an authority for which this sender speaks")
    return Hl7Error(Condition.REQUIRED_FIELD, where, "without a patient id")


def _said(key: PatientKey) -> str:
    return f"{key.patient_id} of {key.assigning_authority}"


def _keyword(tag: str) -> str:
    return KEY_BY_TAG[int(tag, 16)].keyword


def _value(value: object) -> str:
    if not isinstance(value, dict) or not value.get("Value"):
        return "empty"
    first = value["Value"][0]
    return "=".join(first.values()) if isinstance(first, dict) else str(first)
