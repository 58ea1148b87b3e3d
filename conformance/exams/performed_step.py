"""Modality Performed Procedure Step (PS3.4 Annex F; IHE RAD-6, RAD-7)."""

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from conformance.exams.modality import CT, MPPS, MPPS_RETRIEVE, Modality, reference, status_of
from conformance.exams.suite import Service
from conformance.judging import Failed, NotSupported

PERFORMED_STEP = Service("mpps")
IN_PROGRESS, COMPLETED, DISCONTINUED = "RAD-6", "RAD-7", "RAD-7"
NAME = "Wang^XiaoDong=王^小东"

# Table F.7.2-1: type 1 of N-CREATE
TYPE_1 = (
    "ScheduledStepAttributesSequence", "PerformedProcedureStepID", "PerformedStationAETitle",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "PerformedProcedureStepStatus", "Modality",
)  # fmt: skip
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PerformedStationName", "PerformedLocation",
    "PerformedProcedureStepEndDate", "PerformedProtocolCodeSequence", "PerformedSeriesSequence", "StudyID",
)  # fmt: skip


def begun(*, status: str = "IN PROGRESS", scheduled: int = 1) -> Dataset:
    """The attributes of N-CREATE, all of type 1 and 2; with `scheduled` 0 of a step that was not scheduled."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ScheduledStepAttributesSequence = [_scheduled(number) for number in range(1, scheduled + 1)] or [_scheduled(0)]
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = NAME, "CONFORMANCE", "19700101", "O"
    made.ReferencedPatientSequence = []
    made.PerformedProcedureStepID, made.PerformedStationAETitle = "P1", "MODALITY"
    made.PerformedStationName = made.PerformedLocation = ""
    made.PerformedProcedureStepStartDate, made.PerformedProcedureStepStartTime = "20260101", "120000"
    made.PerformedProcedureStepStatus = status
    made.PerformedProcedureStepDescription = made.PerformedProcedureTypeDescription = ""
    made.ProcedureCodeSequence, made.PerformedProtocolCodeSequence, made.PerformedSeriesSequence = [], [], []
    made.PerformedProcedureStepEndDate = made.PerformedProcedureStepEndTime = made.StudyID = ""
    made.Modality = "CT"
    return made


def ended(status: str = "COMPLETED") -> Dataset:
    """The attributes of the last N-SET."""
    made = Dataset()
    made.PerformedProcedureStepStatus = status
    made.PerformedProcedureStepEndDate, made.PerformedProcedureStepEndTime = "20260101", "121000"
    series = Dataset()
    series.PerformingPhysicianName = series.OperatorsName = series.SeriesDescription = series.RetrieveAETitle = ""
    series.ProtocolName, series.SeriesInstanceUID = "Protocol", generate_uid()
    series.ReferencedImageSequence = [reference(CT, generate_uid())]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    made.PerformedSeriesSequence = [series]
    return made


@PERFORMED_STEP.required("create", "PS3.4 F.7.2.1", IN_PROGRESS, "A step in progress is created")
def create(modality: Modality) -> None:
    """N-CREATE."""
    _begin(modality)


@PERFORMED_STEP.required("create.not-in-progress", "PS3.4 F.7.2.1.3", IN_PROGRESS, "Another status gets 0106H")
def not_in_progress(modality: Modality) -> None:
    """N-CREATE with COMPLETED."""
    with modality.association(MPPS) as made:
        status = made.send_n_create(begun(status="COMPLETED"), MPPS, generate_uid())[0]
        _expect(status, 0x0106)


@PERFORMED_STEP.required("create.duplicate", "PS3.7 10.1.5.1.6", IN_PROGRESS, "A UID that is taken gets 0111H")
def duplicate(modality: Modality) -> None:
    """N-CREATE twice."""
    uid = _begin(modality)
    with modality.association(MPPS) as made:
        _expect(made.send_n_create(begun(), MPPS, uid)[0], 0x0111)


@PERFORMED_STEP.required("create.unscheduled", "PS3.4 F.7.2.1.2", IN_PROGRESS, "An unscheduled step is created")
def unscheduled(modality: Modality) -> None:
    """N-CREATE without references to scheduled steps."""
    _begin(modality, begun(scheduled=0))


@PERFORMED_STEP.required("create.group", "PS3.4 F.7.2.1.2", IN_PROGRESS, "A step for several scheduled ones is created")
def group(modality: Modality) -> None:
    """N-CREATE of a group case."""
    _begin(modality, begun(scheduled=3))


def _without(keyword: str, kind: str) -> None:
    @PERFORMED_STEP.optional(
        f"create.missing.{keyword}", "PS3.4 Table F.7.2-1", IN_PROGRESS, f"{keyword}, type {kind}, is asked for"
    )
    def missing(modality: Modality) -> None:
        attributes = begun()
        del attributes[keyword]
        with modality.association(MPPS) as made:
            status = made.send_n_create(attributes, MPPS, generate_uid())[0]
        if status_of(status) == 0:
            raise NotSupported(f"a step without {keyword} is created")
        _expect(status, 0x0120, 0x0121)


for _keyword in TYPE_1:
    _without(_keyword, "1")
for _keyword in TYPE_2:
    _without(_keyword, "2")


@PERFORMED_STEP.required("set", "PS3.4 F.7.2.2", COMPLETED, "Attributes are set while a step is in progress")
def set_attributes(modality: Modality) -> None:
    """N-SET on another association than N-CREATE, then another."""
    uid = _begin(modality)
    changes = Dataset()
    changes.PerformedProcedureStepDescription = "Description"
    with modality.association(MPPS) as made:
        _expect(made.send_n_set(changes, MPPS, uid)[0], 0)
        _expect(made.send_n_set(ended(), MPPS, uid)[0], 0)


@PERFORMED_STEP.required("set.completed", "PS3.4 F.7.2.2", COMPLETED, "A step is completed")
def completed(modality: Modality) -> None:
    """N-SET to COMPLETED."""
    _end(modality, "COMPLETED")


@PERFORMED_STEP.required("set.discontinued", "PS3.4 F.7.2.2", DISCONTINUED, "A step is discontinued")
def discontinued(modality: Modality) -> None:
    """N-SET to DISCONTINUED."""
    _end(modality, "DISCONTINUED")


@PERFORMED_STEP.required(
    "set.final", "PS3.4 F.7.2.2.3, Table F.7.2-2", COMPLETED, "What ended is refused with 0110H and Error ID A710H"
)
def final(modality: Modality) -> None:
    """N-SET after COMPLETED, and after DISCONTINUED."""
    for status in ("COMPLETED", "DISCONTINUED"):
        uid = _end(modality, status)
        with modality.association(MPPS) as made:
            refused = made.send_n_set(ended(), MPPS, uid)[0]
        _expect(refused, 0x0110)
        if refused.get("ErrorID") != 0xA710:
            raise Failed(f"expected Error ID A710, got {refused.get('ErrorID')}")


@PERFORMED_STEP.required("set.unknown", "PS3.7 10.1.3.1.9", COMPLETED, "An unknown step gets 0112H")
def unknown(modality: Modality) -> None:
    """N-SET of a UID that was not created."""
    with modality.association(MPPS) as made:
        _expect(made.send_n_set(ended(), MPPS, generate_uid())[0], 0x0112)


@PERFORMED_STEP.optional("set.incomplete", "PS3.4 Table F.7.2-1, note 2", COMPLETED, "No end without a series")
def incomplete(modality: Modality) -> None:
    """N-SET to COMPLETED with an empty Performed Series Sequence, which leaves the step in progress."""
    uid = _begin(modality)
    without = ended()
    without.PerformedSeriesSequence = []
    with modality.association(MPPS) as made:
        status = made.send_n_set(without, MPPS, uid)[0]
        if status_of(status) == 0:
            raise NotSupported("a step ends without a series")
        _expect(made.send_n_set(ended(), MPPS, uid)[0], 0)


@PERFORMED_STEP.optional("get", "PS3.4 F.8.2.1", IN_PROGRESS, "What was told is retrieved, its characters as they were")
def get(modality: Modality) -> None:
    """N-GET of some attributes."""
    uid = _begin(modality)
    with modality.association(MPPS_RETRIEVE) as made:
        wanted = [0x00080005, 0x00100010, 0x00400252, 0x00400270]
        status, found = made.send_n_get(wanted, MPPS_RETRIEVE, uid)
    _expect(status, 0, 1)
    if found is None or found.get("PerformedProcedureStepStatus") != "IN PROGRESS":
        raise Failed("expected the status IN PROGRESS, got another")
    if str(found.get("PatientName")) != NAME:
        raise Failed(f"expected the patient's name as it was told, got {found.get('PatientName')}")
    if "Modality" in found:
        raise Failed("expected the attributes that were asked for, got others too")


@PERFORMED_STEP.optional("get.unknown", "PS3.4 F.8.1", IN_PROGRESS, "An unknown step gets 0112H")
def get_unknown(modality: Modality) -> None:
    """N-GET of a UID that was not created."""
    with modality.association(MPPS_RETRIEVE) as made:
        _expect(made.send_n_get([0x00400252, 0x00400253], MPPS_RETRIEVE, generate_uid())[0], 0x0112)


def _scheduled(number: int) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID, item.ReferencedStudySequence = generate_uid(), []
    item.AccessionNumber = item.RequestedProcedureID = item.ScheduledProcedureStepID = f"C{number}" if number else ""
    item.RequestedProcedureDescription = item.ScheduledProcedureStepDescription = ""
    item.ScheduledProtocolCodeSequence = []
    return item


def _begin(modality: Modality, attributes: Dataset | None = None) -> str:
    uid: str = generate_uid()
    with modality.association(MPPS) as made:
        _expect(made.send_n_create(attributes or begun(), MPPS, uid)[0], 0)
    return uid


def _end(modality: Modality, status: str) -> str:
    uid = _begin(modality)
    with modality.association(MPPS) as made:
        _expect(made.send_n_set(ended(status), MPPS, uid)[0], 0)
    return uid


def _expect(status: Any, *codes: int) -> None:
    got = status_of(status)
    if got not in codes:
        comment = status.get("ErrorComment", "")
        expected = " or ".join(f"{one:04X}" for one in codes)
        raise Failed(f"expected status {expected}, got {got:04X} {comment}".strip())
