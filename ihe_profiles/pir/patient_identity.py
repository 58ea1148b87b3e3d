"""Patient registration, update and merge (IHE RAD-1, RAD-12, ITI-8, ITI-30) as statements about our patients."""

from collections.abc import Sequence

from hl7.conditions import Condition, Hl7Error, Location
from hl7.ports import Handled, Sender
from hl7.reading import Identifier, Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pir.demographics import demographics
from pacsd.codec.keys import KEY_BY_TAG
from pacsd.identity.patients import PatientKey, Patients, Work

PATIENT_TYPES = (                                # event, structure, transactions
    ("A01", "ADT_A01", ("RAD-1", "ITI-8")),
    ("A04", "ADT_A01", ("RAD-1", "ITI-8")),
    ("A05", "ADT_A05", ("RAD-1", "ITI-8")),
    ("A08", "ADT_A01", ("RAD-12", "ITI-8")),
    ("A28", "ADT_A05", ("ITI-30",)),
    ("A31", "ADT_A05", ("ITI-30", "ITI-10")),
)  # fmt: skip
MERGE_TYPES = (("A40", "ADT_A39", ("RAD-12", "ITI-8", "ITI-30")),)


class PatientIdentity:
    """Acts on ADT messages."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        return (
            *(Handled("ADT", event, self.update, names, structure) for event, structure, names in PATIENT_TYPES),
            *(Handled("ADT", event, self.merge, names, structure) for event, structure, names in MERGE_TYPES),
        )

    def update(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """State what PID says of every patient id of an authority for which the sender speaks."""
        _one_patient(reading)
        keys = _keys(reading, "patient_id", sender)
        if not keys:
            raise _no_identifier(reading, "patient_id")
        if len(keys) > 1:
            with located(reading.location("patient_id")):
                self._patients.hold(work, [key for key, _ in keys])
        return self._state(work, reading, keys)

    def merge(self, work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
        """State what PID says of the surviving patient, then merge the prior one of MRG into it, by authority."""
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
        done = list(self._state(work, reading, list(survivors.values())))
        for prior, one, survivor in pairs:
            with located(one.location):
                merged = self._patients.merge(work, prior=prior, survivor=survivor)
            done.append(f"{'merges' if merged else 'has merged'} {_said(prior)} into {_said(survivor)}")
        return done

    def _state(self, work: Work, reading: Reading, keys: "list[tuple[PatientKey, Identifier]]") -> Sequence[str]:
        stated, done = demographics(reading), []
        for key, one in keys:
            with located(one.location):
                changed = self._patients.state(work, key, stated)
            what = ", ".join(f"{_keyword(tag)} {_value(value)}" for tag, value in changed.items())
            done.append(f"states of {_said(key)}: {what or 'nothing new'}")
        return done


def _one_patient(reading: Reading) -> None:
    found = len(reading.message.all("PID"))
    if found != 1:
        place = Location("PID", 2 if found else 1)
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, place, "one patient and one segment PID a message")


def _keys(reading: Reading, name: str, sender: Sender) -> list[tuple[PatientKey, Identifier]]:
    """The patients that a field names, of authorities for which the sender speaks, each once."""
    found: dict[PatientKey, Identifier] = {}
    for one in reading.identifiers(name):
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


def _no_identifier(reading: Reading, name: str) -> Hl7Error:
    """Nothing there, or nothing of an authority for which the sender speaks."""
    where = reading.location(name)
    if any(True for _ in reading.identifiers(name)):
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
