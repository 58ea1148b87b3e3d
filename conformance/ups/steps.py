"""Steps as N-CREATE wants them (PS3.4 Table CC.2.5-3), what their performer says, and how checks speak of them."""

from typing import Any
from uuid import uuid4

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from conformance.judging import Failed
from conformance.ups.peer import CHANGE_STATE, PULL, Answer, Peer

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
SUCCESS, CREATED_MODIFIED, NOT_ALL_SUPPORTED, COERCED = 0x0000, 0xB300, 0x0001, 0xB305
STATE, TRANSACTION_UID, LABEL, START = 0x00741000, 0x00081195, 0x00741204, 0x00404005


def new_uid() -> str:
    """A UID nobody else has."""
    return f"2.25.{uuid4().int}"


def dataset(**attributes: Any) -> Dataset:
    """By keywords; None is an attribute without a value, a list of data sets a sequence."""
    made = Dataset()
    for keyword, value in attributes.items():
        sequence = isinstance(value, list) and all(isinstance(one, Dataset) for one in value)
        setattr(made, keyword, Sequence(value) if sequence else value)
    return made


def code(value: str, meaning: str = "a meaning") -> Dataset:
    """An item of a code sequence."""
    return dataset(CodeValue=value, CodingSchemeDesignator="99CONF", CodeMeaning=meaning)


def scheduled(peer: Peer, **changes: Any) -> Dataset:
    """Types 1 and 2 of the column of the SCU."""
    return dataset(**{
        "SpecificCharacterSet": "ISO_IR 192",
        "TransactionUID": None,
        "ScheduledProcedureStepPriority": "MEDIUM",
        "ProcedureStepLabel": f"Label {peer.tag}",
        "WorklistLabel": peer.tag,
        "ScheduledProcessingParametersSequence": [],
        "ScheduledStationNameCodeSequence": [code("STATION")],
        "ScheduledStationClassCodeSequence": [],
        "ScheduledStationGeographicLocationCodeSequence": [],
        "ScheduledProcedureStepStartDateTime": "20261125080000",
        "ScheduledWorkitemCodeSequence": [code("WORK")],
        "CommentsOnTheScheduledProcedureStep": None,
        "InputReadinessState": "READY",
        "InputInformationSequence": [],
        "StudyInstanceUID": new_uid(),
        "PatientName": "Schritt^Jörg",
        "PatientID": f"{peer.tag}-A",
        "IssuerOfPatientID": None,
        "IssuerOfPatientIDQualifiersSequence": [],
        "OtherPatientIDsSequence": [],
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "AdmissionID": None,
        "IssuerOfAdmissionIDSequence": [],
        "AdmittingDiagnosesDescription": None,
        "AdmittingDiagnosesCodeSequence": [],
        "ReferencedRequestSequence": [],
        "ProcedureStepState": SCHEDULED,
        "ProcedureStepProgressInformationSequence": [],
        "UnifiedProcedureStepPerformedProcedureSequence": [],
        **changes,
    })  # fmt: skip


def progress(percent: int, **more: Any) -> Dataset:
    """Procedure Step Progress Information."""
    return dataset(ProcedureStepProgressInformationSequence=[dataset(ProcedureStepProgress=str(percent), **more)])


def performed() -> Dataset:
    """What COMPLETED needs: final state codes R and P (PS3.4 CC.2.5.1.1)."""
    me = dataset(HumanPerformerCodeSequence=[code("ME")], HumanPerformerName="Per^Former")
    return dataset(UnifiedProcedureStepPerformedProcedureSequence=[dataset(
        ActualHumanPerformersSequence=[me],
        PerformedStationNameCodeSequence=[code("STATION")],
        PerformedProcedureStepStartDateTime="20261125081000",
        PerformedWorkitemCodeSequence=[code("WORK")],
        PerformedProcedureStepEndDateTime="20261125081500",
        OutputInformationSequence=[],
    )])  # fmt: skip


def stopped() -> Dataset:
    """What CANCELED needs: final state codes R and X."""
    return dataset(ProcedureStepProgressInformationSequence=[dataset(
        ProcedureStepCancellationDateTime="20261125081500",
        ProcedureStepDiscontinuationReasonCodeSequence=[
            dataset(CodeValue="110513", CodingSchemeDesignator="DCM", CodeMeaning="Discontinued for unspecified reason")
        ],
    )])  # fmt: skip


def expect(answer: Answer, *statuses: int) -> Answer:
    """The answer, if its status is one of these; Failed otherwise."""
    if answer.status not in statuses:
        wanted = " or ".join(f"{one:04X}" for one in statuses)
        why = f" ({answer.comment})" if answer.comment else ""
        raise Failed(f"expected {wanted}, got {answer.status:04X}{why}")
    return answer


def same(expected: object, got: object, what: str) -> None:
    """Raise Failed unless both are equal."""
    if expected != got:
        raise Failed(f"expected {what} {expected!r}, got {got!r}")


def created(peer: Peer, **changes: Any) -> str:
    """A new step."""
    uid = new_uid()
    expect(peer.create(uid, scheduled(peer, **changes)), SUCCESS, CREATED_MODIFIED)
    return uid


def change(peer: Peer, uid: str, state: str, transaction_uid: str | None) -> Answer:
    """Change UPS State (CC.2.1)."""
    more = {} if transaction_uid is None else {"TransactionUID": transaction_uid}
    return peer.act(uid, CHANGE_STATE, by=PULL, ProcedureStepState=state, **more)


def claimed(peer: Peer, **changes: Any) -> tuple[str, str]:
    """A step in progress, and its Transaction UID."""
    uid, lock = created(peer, **changes), new_uid()
    expect(change(peer, uid, IN_PROGRESS, lock), SUCCESS)
    return uid, lock


def locked(attributes: Dataset, transaction_uid: str) -> Dataset:
    """With the Transaction UID that an N-SET of a claimed step needs."""
    attributes.TransactionUID = transaction_uid
    return attributes


def ended(peer: Peer, state: str) -> tuple[str, str]:
    """A step that was completed or cancelled by its performer."""
    uid, lock = claimed(peer)
    told = performed() if state == COMPLETED else stopped()
    expect(peer.set(uid, locked(told, lock)), SUCCESS, COERCED, NOT_ALL_SUPPORTED)
    expect(change(peer, uid, state, lock), SUCCESS)
    return uid, lock


def in_state(peer: Peer, state: str) -> tuple[str, str]:
    """A step in any state, and the Transaction UID that is correct for it."""
    if state == SCHEDULED:
        return created(peer), new_uid()
    return claimed(peer) if state == IN_PROGRESS else ended(peer, state)


def retrieved(peer: Peer, uid: str, *tags: int) -> Dataset:
    """What N-GET says of a step."""
    answer = expect(peer.get(uid, *tags), SUCCESS, NOT_ALL_SUPPORTED)
    if answer.dataset is None:
        raise Failed("expected an Attribute List, got none")
    return answer.dataset


def state_of(peer: Peer, uid: str) -> str:
    """Procedure Step State."""
    return str(retrieved(peer, uid, STATE).get("ProcedureStepState"))
