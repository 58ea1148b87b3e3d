"""The modality worklist (PS3.4 Annex K): which attributes it has, and searching it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.codec.keys import Level
from pacsd.codec.model_rows import Row, rows_of
from pacsd.index import scheduled_steps
from pacsd.index.connect import Pool
from pacsd.index.matching import Conditions, Criterion, Model, Options, compile_criteria
from pacsd.index.scheduled_step_keys import COLUMN_BY_PATH, SEQUENCE, START_DATE, START_TIME
from pacsd.index.values import Attribute

_CODE = ("-1 >CodeValue", "-1 >CodingSchemeDesignator", "-3 >CodingSchemeVersion", "-3 >CodeMeaning",
         "-3 >LongCodeValue", "-3 >URNCodeValue")  # fmt: skip
_REFERENCE = ("O1 >ReferencedSOPClassUID", "O1 >ReferencedSOPInstanceUID")


def _below(sequence: str, *rows: str) -> tuple[str, ...]:
    """A sequence and what stands in its items, a level deeper than the sequence."""
    depth = sequence.count(">") * ">"
    return sequence, *(row.replace(" ", " " + depth, 1) for row in rows)


def _coded(sequence: str) -> tuple[str, ...]:
    """A coded sequence: matched by the parts of PS3.4 C.2.2.2.6."""
    return _below(sequence, *(f"{sequence[0]}{row[1:]}" for row in _CODE))


# Table K.6-1: matching key type (R required, O optional, - none), return key type, attribute; > stands in a sequence
_TABLE = (
    "R1 ScheduledProcedureStepSequence", "R1 >ScheduledStationAETitle", "R1 >ScheduledProcedureStepStartDate",
    "R1 >ScheduledProcedureStepStartTime", "R1 >Modality", "R2 >ScheduledPerformingPhysicianName",
    "O1 >ScheduledProcedureStepDescription", "O2 >ScheduledStationName", "O2 >ScheduledProcedureStepLocation",
    *_coded("O1 >ScheduledProtocolCodeSequence"), "O2 >PreMedication", "O1 >ScheduledProcedureStepID",
    "O2 >RequestedContrastAgent", "O3 >ScheduledProcedureStepStatus", "O3 >ScheduledProcedureStepEndDate",
    "O3 >ScheduledProcedureStepEndTime", "O3 >CommentsOnTheScheduledProcedureStep",
    "O1 RequestedProcedureID", "O1 RequestedProcedureDescription", *_coded("O1 RequestedProcedureCodeSequence"),
    "O1 StudyInstanceUID", "O3 StudyDate", "O3 StudyTime", *_below("O2 ReferencedStudySequence", *_REFERENCE),
    "O2 RequestedProcedurePriority", "O2 PatientTransportArrangements", "O3 ReasonForTheRequestedProcedure",
    *_coded("O3 ReasonForRequestedProcedureCodeSequence"), "O3 RequestedProcedureComments",
    "O3 RequestedProcedureLocation", "O3 ConfidentialityCode", "O3 ReportingPriority",
    "O3 NamesOfIntendedRecipientsOfResults", "O3 RequestAttributesSequence",
    "O2 AccessionNumber", *_below("O2 IssuerOfAccessionNumberSequence", "O1 >LocalNamespaceEntityID",
                                  "O1 >UniversalEntityID", "O1 >UniversalEntityIDType"),
    "O2 RequestingPhysician", "O2 ReferringPhysicianName", "O3 RequestingService",
    "O3 PlacerOrderNumberImagingServiceRequest", "O3 FillerOrderNumberImagingServiceRequest",
    "O3 IssueDateOfImagingServiceRequest", "O3 IssueTimeOfImagingServiceRequest", "O3 OrderEnteredBy",
    "O3 OrderEntererLocation", "O3 OrderCallbackPhoneNumber", "O3 ImagingServiceRequestComments",
    "O3 AdmissionID", *_below("O2 IssuerOfAdmissionIDSequence", "O1 >LocalNamespaceEntityID", "O1 >UniversalEntityID",
                              "O1 >UniversalEntityIDType"),
    "O2 CurrentPatientLocation", *_below("O2 ReferencedPatientSequence", *_REFERENCE), "O3 InstitutionName",
    "O3 AdmittingDiagnosesDescription", "R1 PatientName", "R1 PatientID", "O3 IssuerOfPatientID",
    *_below("O3 IssuerOfPatientIDQualifiersSequence", "O3 >UniversalEntityID", "O3 >UniversalEntityIDType"),
    "O3 OtherPatientIDs", *_below("O3 OtherPatientIDsSequence", "O1 >PatientID", "O3 >IssuerOfPatientID"),
    "O3 OtherPatientNames", "O2 PatientBirthDate", "O3 PatientBirthTime", "O2 PatientSex", "O2 PatientWeight",
    "O3 PatientSize", "O3 PatientAge", "O3 EthnicGroup", "O3 PatientComments", "O3 AdditionalPatientHistory",
    "O2 ConfidentialityConstraintOnPatientDataDescription", "O2 PatientState", "O2 PregnancyStatus",
    "O2 MedicalAlerts", "O2 Allergies", "O2 SpecialNeeds",
)  # fmt: skip


ROWS: tuple[Row, ...] = tuple(rows_of(_TABLE))
_BY_PATH = {row.path: row for row in ROWS}
_LEVEL: Level = "instance"               # the model has one level (K.6.1.2)


def _level_of(path: str) -> Level | None:
    return _LEVEL if path in _BY_PATH and _BY_PATH[path].match != "-" else None


# Start date and time are always matched together, without any negotiation (Table K.6-1)
MODEL = Model(
    _level_of, COLUMN_BY_PATH, {START_DATE: START_TIME}, frozenset(("00080005", "00080201")), single=SEQUENCE
)


def is_supported(path: str) -> bool:
    """Whether worklist items may have the attribute."""
    return path in _BY_PATH or path in MODEL.computed


@dataclass(frozen=True, slots=True)
class StepQuery:
    """What is searched for: items of steps still to be done, of any status where Scheduled Procedure Step Status is
    among the criteria."""

    criteria: tuple[Criterion, ...] = ()
    fuzzy: bool = False
    limit: int | None = None
    offset: int = 0


class ModalityWorklist:
    """Finds scheduled procedure steps, the first to start first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def compile(self, query: StepQuery) -> Conditions:
        """Understand a query. Raises PacsdError MALFORMED."""
        return compile_criteria(query.criteria, Options(fuzzy=query.fuzzy), MODEL)

    def item(
        self, scope: Scope, *, order_key: str, requested_procedure_id: str, step_id: str
    ) -> dict[str, Attribute] | None:
        """The item of one step, whatever its status; None where the scope sees none."""
        return scheduled_steps.item(
            self._pool, scope, order_key=order_key, requested_procedure_id=requested_procedure_id, step_id=step_id
        )

    def __call__(self, query: StepQuery, scope: Scope) -> Iterator[dict[str, Attribute]]:
        """The worklist items that match and the scope sees, as DICOM JSON by tag; close the iterator.

        Raises PacsdError MALFORMED, UNAVAILABLE.
        """
        return scheduled_steps.search(self._pool, self.compile(query), query, scope)
