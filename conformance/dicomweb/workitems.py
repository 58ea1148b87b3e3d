"""Workitems as the Worklist Service wants them (PS3.4 Table CC.2.5-3), and requests about them."""

import json
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import generate_uid

from conformance.dicomweb import expect
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import JSON, Answer, Model, Server
from conformance.judging import NotSupported

STATE, TRANSACTION_UID, PROGRESS = "00741000", "00081195", "00741002"
LOCKED = "IN PROGRESS"


def model(**attributes: Any) -> Model:
    """A JSON Model by keywords; a list is several values or items, None no value."""
    made = {}
    for keyword, value in attributes.items():
        tag = f"{tag_for_keyword(keyword):08X}"
        values = value if isinstance(value, list) else [] if value is None else [value]
        vr = dictionary_VR(keyword)
        values = [{"Alphabetic": one} for one in values] if vr == "PN" else values
        made[tag] = {"vr": vr, **({"Value": values} if values else {})}
    return dict(sorted(made.items()))


def code(value: str, meaning: str) -> Model:
    """An item of a code sequence."""
    return model(CodeValue=value, CodingSchemeDesignator="99CONF", CodeMeaning=meaning)


def scheduled(data: Prepared, **changes: Any) -> Model:
    """What N-CREATE needs: types 1 and 2 of the column of the SCU."""
    return model(**{
        "TransactionUID": None,
        "ScheduledProcedureStepPriority": "MEDIUM",
        "ProcedureStepLabel": f"Label {data.tag}",
        "WorklistLabel": data.tag,
        "ScheduledProcessingParametersSequence": None,
        "ScheduledStationNameCodeSequence": [code("STATION", "A station")],
        "ScheduledStationClassCodeSequence": None,
        "ScheduledStationGeographicLocationCodeSequence": None,
        "ScheduledProcedureStepStartDateTime": "20261125080000",
        "ScheduledWorkitemCodeSequence": [code("WORK", "Some work")],
        "CommentsOnTheScheduledProcedureStep": None,
        "InputReadinessState": "READY",
        "InputInformationSequence": None,
        "StudyInstanceUID": data.ct.study,
        "PatientName": "Work^Item",
        "PatientID": f"{data.tag}-A",
        "IssuerOfPatientID": None,
        "IssuerOfPatientIDQualifiersSequence": None,
        "OtherPatientIDsSequence": None,
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "AdmissionID": None,
        "IssuerOfAdmissionIDSequence": None,
        "AdmittingDiagnosesDescription": None,
        "AdmittingDiagnosesCodeSequence": None,
        "ReferencedRequestSequence": None,
        "ProcedureStepState": "SCHEDULED",
        "ProcedureStepProgressInformationSequence": None,
        "UnifiedProcedureStepPerformedProcedureSequence": None,
        **changes,
    })  # fmt: skip


def performed() -> Model:
    """What COMPLETED needs: final state codes R and P."""
    return model(
        UnifiedProcedureStepPerformedProcedureSequence=[
            model(
                ActualHumanPerformersSequence=[
                    model(HumanPerformerCodeSequence=[code("ME", "Me")], HumanPerformerName="Per^Former")
                ],
                PerformedStationNameCodeSequence=[code("STATION", "A station")],
                PerformedProcedureStepStartDateTime="20261125081000",
                PerformedWorkitemCodeSequence=[code("WORK", "Some work")],
                PerformedProcedureStepEndDateTime="20261125082000",
                OutputInformationSequence=None,
            )
        ]
    )


def cancelled() -> Model:
    """What CANCELED needs: final state code X."""
    return model(
        ProcedureStepProgressInformationSequence=[
            model(
                ProcedureStepCancellationDateTime="20261125082000",
                ProcedureStepDiscontinuationReasonCodeSequence=[code("STOP", "Stopped")],
            )
        ]
    )


def send(server: Server, method: str, path: str, body: Model | None = None) -> Answer:
    """A request with a workitem as its payload: an array of one, as 11.1.3 has it."""
    content = json.dumps([body]).encode() if body is not None else None
    headers = {"Content-Type": JSON} if body is not None else {}
    return server.send(method, path, headers=headers, body=content)


def create(server: Server, data: Prepared, **changes: Any) -> str:
    """A new workitem; its UID. NotSupported where the server has no worklist."""
    uid = generate_uid()
    answer = send(server, "POST", f"/workitems?workitem={uid}", scheduled(data, **changes))
    expect.offered(answer, 201, without=(404, 405, 501))
    return str(uid)


def change(server: Server, uid: str, state: str, transaction: str | None) -> Answer:
    """A request to change the state (11.7)."""
    attributes = {"ProcedureStepState": state, **({"TransactionUID": transaction} if transaction else {})}
    return send(server, "PUT", f"/workitems/{uid}/state", model(**attributes))


def claimed(server: Server, data: Prepared, **changes: Any) -> tuple[str, str]:
    """A new workitem in progress: its UID and its transaction UID."""
    uid, transaction = create(server, data, **changes), str(generate_uid())
    expect.status(change(server, uid, LOCKED, transaction), 200)
    return uid, transaction


def update(server: Server, uid: str, transaction: str | None, body: Model) -> Answer:
    """A request to update (11.6). Its parameter is named only by a URI template, transaction-uid; servers differ."""
    if transaction is None:
        return send(server, "POST", f"/workitems/{uid}", body)
    answer = send(server, "POST", f"/workitems/{uid}?transaction-uid={transaction}", body)
    if answer.status in (400, 409):
        return send(server, "POST", f"/workitems/{uid}?{transaction}", body)
    return answer


def retrieved(server: Server, uid: str) -> Model:
    """The workitem as it is now."""
    answer = expect.media_type(expect.status(server.get(f"/workitems/{uid}"), 200), JSON)
    found = answer.json()
    found = found[0] if isinstance(found, list) and found else found
    expect.that(isinstance(found, dict), "a workitem", repr(found)[:80])
    return dict(found)


def state(server: Server, uid: str) -> object:
    """Its Procedure Step State."""
    return (retrieved(server, uid).get(STATE, {}).get("Value") or [None])[0]


def supported(server: Server, data: Prepared) -> None:
    """Raise NotSupported unless workitems can be created."""
    if server.send("OPTIONS", "/workitems").status in (404, 501):
        raise NotSupported("no such resource: /workitems")
    create(server, data)
