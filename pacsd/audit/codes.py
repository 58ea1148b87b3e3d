"""The words of audit records: events, actions, outcomes, roles of participants and objects (PS3.15 A.5, PS3.16)."""

from dataclasses import dataclass
from enum import Enum

DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
IHE = "urn:ihe:event-type-code"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value."""

    code: str
    system: str
    display: str


class Action(Enum):
    """What is done (PS3.15 A.5.2, EventActionCode)."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Outcome(Enum):
    """How it ended (PS3.15 A.5.2, EventOutcomeIndicator)."""

    SUCCESS = 0
    MINOR_FAILURE = 4                    # refused, or not there
    SERIOUS_FAILURE = 8                  # a defect, or a part that is away
    MAJOR_FAILURE = 12                   # no longer working


class Event(Enum):
    """What happened (PS3.15 A.5.3; FHIR RESTful operations as BALP has them)."""

    APPLICATION_ACTIVITY = Code("110100", DCM, "Application Activity")
    AUDIT_LOG_USED = Code("110101", DCM, "Audit Log Used")
    BEGIN_TRANSFERRING = Code("110102", DCM, "Begin Transferring DICOM Instances")
    ACCESSED = Code("110103", DCM, "DICOM Instances Accessed")
    TRANSFERRED = Code("110104", DCM, "DICOM Instances Transferred")
    STUDY_DELETED = Code("110105", DCM, "DICOM Study Deleted")
    EXPORT = Code("110106", DCM, "Export")
    IMPORT = Code("110107", DCM, "Import")
    ORDER_RECORD = Code("110109", DCM, "Order Record")
    PATIENT_RECORD = Code("110110", DCM, "Patient Record")
    PROCEDURE_RECORD = Code("110111", DCM, "Procedure Record")
    QUERY = Code("110112", DCM, "Query")
    SECURITY_ALERT = Code("110113", DCM, "Security Alert")
    USER_AUTHENTICATION = Code("110114", DCM, "User Authentication")
    REST = Code("rest", REST_TYPES, "RESTful Operation")


APPLICATION_START = Code("110120", DCM, "Application Start")
APPLICATION_STOP = Code("110121", DCM, "Application Stop")
LOGIN = Code("110122", DCM, "Login")
LOGOUT = Code("110123", DCM, "Logout")
NODE_AUTHENTICATION = Code("110126", DCM, "Node Authentication")
EMERGENCY_OVERRIDE = Code("110127", DCM, "Emergency Override Started")

SOURCE_ROLE = Code("110153", DCM, "Source Role ID")
DESTINATION_ROLE = Code("110152", DCM, "Destination Role ID")
APPLICATION_ROLE = Code("110150", DCM, "Application")


class Kind(Enum):
    """What an object of an event is: Participant Object Type Code, Role, and ID Type Code (PS3.15 A.5.2)."""

    PATIENT = (1, 1, Code("2", "RFC-3881", "Patient Number"))
    STUDY = (2, 3, Code("110180", DCM, "Study Instance UID"))
    REPORT = (2, 3, Code("9", "RFC-3881", "Report Number"))
    QUERY = (2, 24, Code("10", "RFC-3881", "Search Criteria"))
    SOP_CLASS_QUERY = (2, 3, Code("110181", DCM, "SOP Class UID"))
    RESOURCE = (2, 4, Code("12", "RFC-3881", "URI"))
    MESSAGE = (2, 4, Code("MSH-10", "IHE Transactions", "MSH-10"))
    URI = (2, 13, Code("12", "RFC-3881", "URI"))
    NODE = (2, 13, Code("110182", DCM, "Node ID"))


__all__ = ["Action", "Code", "Event", "Kind", "Outcome"]
