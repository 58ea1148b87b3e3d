"""The Worklist Service, UPS-RS (PS3.18 11, PS3.4 CC)."""

import json
from concurrent.futures import ThreadPoolExecutor

from pydicom.uid import generate_uid

from conformance.dicomweb import expect, models, multipart, native_xml, workitems
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.search import query, results
from conformance.dicomweb.server import JSON, XML, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.workitems import LOCKED, create, scheduled, send
from conformance.judging import NotSupported

WORKLIST = Transaction("worklist", "Worklist service (UPS-RS)", "11")
CHANGED = "20270101120000"


@WORKLIST.required("create", "11.4, Table 11.4.3-1", "A workitem is created: 201 and Location")
def creates(server: Server, data: Prepared) -> None:
    uid = str(generate_uid())
    answer = send(server, "POST", f"/workitems?workitem={uid}", scheduled(data))
    expect.offered(answer, 201, without=(404, 405, 501))
    expect.that(uid in answer.headers.get("location", ""), f"Location of {uid}", answer.headers.get("location"))
    expect.same("SCHEDULED", workitems.state(server, uid), "Procedure Step State (11.4.2)")


@WORKLIST.required("create.without-uid", "11.4.1.1", "Without the query parameter the workitem's own UID is taken")
def creates_by_data_set(server: Server, data: Prepared) -> None:
    """11.4.1.4 forbids the Affected SOP Instance UID, so it is SOP Instance UID; a server may make its own."""
    uid = str(generate_uid())
    answer = send(server, "POST", "/workitems", scheduled(data, SOPInstanceUID=uid))
    expect.offered(answer, 201, without=(400, 404, 405, 501))
    where = answer.headers.get("location", "").rpartition("/")[2]
    expect.that(where, "a Location with the UID", answer.headers.get("location"))
    expect.same("SCHEDULED", workitems.state(server, where), "Procedure Step State")


@WORKLIST.required("create.xml", "Table 11.1.3-1", "A workitem in XML")
def creates_from_xml(server: Server, data: Prepared) -> None:
    uid = str(generate_uid())
    document = native_xml.written(scheduled(data))
    request = multipart.encoded([Part(document, "application/dicom+xml")])
    answer = server.post(f"/workitems?workitem={uid}", *request)
    if answer.status in (400, 415):  # 11.4.1.4 speaks of a single part
        answer = server.post(f"/workitems?workitem={uid}", "application/dicom+xml", document)
    expect.offered(answer, 201, without=(404, 405, 415, 501))
    expect.same("SCHEDULED", workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("create.twice", "Table 11.4.3-1", "The same UID again: 409")
def creates_twice(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    expect.status(send(server, "POST", f"/workitems?workitem={uid}", scheduled(data)), 409)


@WORKLIST.required("create.incomplete", "Table 11.4.3-1, PS3.4 Table CC.2.5-3", "Without an attribute of type 1: 400")
def creates_incomplete(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    for tag in ("00741200", "00741204", "00404005", "00404041"):  # priority, label, start, input readiness
        item = scheduled(data)
        del item[tag]
        expect.status(send(server, "POST", f"/workitems?workitem={generate_uid()}", item), 400)


@WORKLIST.required("create.state", "11.4.2, PS3.4 Table CC.2.5-3", "In another state than SCHEDULED: 400")
def creates_in_progress(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    item = scheduled(data, ProcedureStepState=LOCKED)
    expect.status(send(server, "POST", f"/workitems?workitem={generate_uid()}", item), 400)


@WORKLIST.required("create.media-type", "8.5", "A payload that is no DICOM media type: 415")
def creates_from_text(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    expect.status(server.post(f"/workitems?workitem={generate_uid()}", "text/plain", b"hello"), 415)


@WORKLIST.required("retrieve", "11.5", "A workitem as it was created")
def retrieves(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    sent = scheduled(data)
    del sent[workitems.TRANSACTION_UID]
    wrong = list(models.differences({tag: one for tag, one in sent.items() if "Value" in one},
                                    workitems.retrieved(server, uid)))  # fmt: skip
    expect.that(not wrong, "every attribute as it was sent", "; ".join(wrong[:5]))


@WORKLIST.required("retrieve.xml", "Table 11.1.3-1", "A workitem in XML")
def retrieves_xml(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    answer = expect.offered(server.get(f"/workitems/{uid}", f"{XML}, application/dicom+xml"), without=(406,))
    body = answer.parts()[0].body if answer.media_type == "multipart/related" else answer.body
    expect.same("SCHEDULED", models.value(native_xml.parsed(body), workitems.STATE), "Procedure Step State")


@WORKLIST.required("retrieve.lock", "11.5.2, 11.5.3.3", "The Transaction UID is told to nobody")
def hides_the_lock(server: Server, data: Prepared) -> None:
    uid, transaction = workitems.claimed(server, data)
    answer = expect.status(server.get(f"/workitems/{uid}"), 200)
    expect.that(transaction.encode() not in answer.body, "no Transaction UID", transaction)
    (found,) = results(server.get(query("/workitems", SOPInstanceUID=uid)))
    expect.that(transaction not in json.dumps(found), "no Transaction UID in a search", transaction)


@WORKLIST.required("retrieve.unknown", "Table 11.5.3-1", "A workitem that does not exist: 404")
def retrieves_unknown(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    expect.status(server.get(f"/workitems/{UNKNOWN}"), 404)


@WORKLIST.required("update", "11.6", "A scheduled workitem is updated without a Transaction UID")
def updates(server: Server, data: Prepared) -> None:
    """PS3.4 CC.2.6.2: the Transaction UID is for workitems in progress only."""
    uid = create(server, data)
    body = workitems.model(ScheduledProcedureStepStartDateTime=CHANGED)
    expect.status(workitems.update(server, uid, None, body), 200)
    expect.same(CHANGED, models.value(workitems.retrieved(server, uid), "00404005"), "start")


@WORKLIST.required("update.locked", "11.6, Table 11.6.3-1", "In progress: only with its Transaction UID")
def updates_locked(server: Server, data: Prepared) -> None:
    uid, transaction = workitems.claimed(server, data)
    body = workitems.model(ProcedureStepLabel="Changed")
    expect.status(workitems.update(server, uid, None, body), 400, 409)
    expect.status(workitems.update(server, uid, str(generate_uid()), body), 400, 409)
    expect.status(workitems.update(server, uid, transaction, body), 200)
    expect.same("Changed", models.value(workitems.retrieved(server, uid), "00741204"), "label")


@WORKLIST.required("update.unknown", "Table 11.6.3-1", "A workitem that does not exist: 404")
def updates_unknown(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    body = workitems.model(ProcedureStepLabel="Changed")
    expect.status(workitems.update(server, UNKNOWN, None, body), 404)


@WORKLIST.required("update.state", "PS3.4 Table CC.2.5-3", "The state is not changed by an update: 400")
def updates_state(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    answer = workitems.update(server, uid, None, workitems.model(ProcedureStepState="COMPLETED"))
    expect.that(answer.status in (400, 409) or workitems.state(server, uid) == "SCHEDULED", "400", answer.status)
    expect.same("SCHEDULED", workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("state.claim", "11.7, PS3.4 Table CC.1.1-2", "From SCHEDULED to IN PROGRESS")
def claims(server: Server, data: Prepared) -> None:
    uid, _ = workitems.claimed(server, data)
    expect.same(LOCKED, workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("state.claim-twice", "PS3.4 Table CC.1.1-2 (C302)", "What is in progress is not claimed again")
def claims_twice(server: Server, data: Prepared) -> None:
    uid, transaction = workitems.claimed(server, data)
    for again in (transaction, str(generate_uid())):
        expect.status(workitems.change(server, uid, LOCKED, again), 400, 409)


@WORKLIST.required("state.race", "PS3.4 CC.1.1", "Of eight that claim at once exactly one succeeds")
def claims_at_once(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: workitems.change(server, uid, LOCKED, str(generate_uid())), range(8)))
    expect.same(1, sum(answer.status == 200 for answer in answers), "successful claims")
    expect.that({one.status for one in answers} <= {200, 400, 409}, "200, 400 or 409", [one.status for one in answers])


@WORKLIST.required("state.no-lock", "Table 11.7.3-1 (C301)", "Without a Transaction UID: 400 or 409")
def without_lock(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    expect.status(workitems.change(server, uid, LOCKED, None), 400, 409)
    expect.same("SCHEDULED", workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("state.wrong-lock", "Table 11.7.3-1 (C301)", "With another's Transaction UID: 400 or 409")
def with_wrong_lock(server: Server, data: Prepared) -> None:
    uid, _ = workitems.claimed(server, data)
    for state in ("COMPLETED", "CANCELED"):
        expect.status(workitems.change(server, uid, state, str(generate_uid())), 400, 409)
    expect.same(LOCKED, workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("state.skip", "PS3.4 Table CC.1.1-2 (C310, C303)", "From SCHEDULED not to a final state, nor back")
def skips(server: Server, data: Prepared) -> None:
    uid = create(server, data)
    for state in ("COMPLETED", "CANCELED", "SCHEDULED", "NONSENSE"):
        expect.status(workitems.change(server, uid, state, str(generate_uid())), 400, 409)
    expect.same("SCHEDULED", workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("state.incomplete", "PS3.4 CC.2.5.1.1 (C304)", "To COMPLETED only with all it requires")
def completes_too_early(server: Server, data: Prepared) -> None:
    uid, transaction = workitems.claimed(server, data)
    expect.status(workitems.change(server, uid, "COMPLETED", transaction), 400, 409)
    expect.same(LOCKED, workitems.state(server, uid), "Procedure Step State")


def _completed(server: Server, data: Prepared) -> tuple[str, str]:
    uid, transaction = workitems.claimed(server, data)
    expect.status(workitems.update(server, uid, transaction, workitems.performed()), 200)
    expect.status(workitems.change(server, uid, "COMPLETED", transaction), 200)
    return uid, transaction


@WORKLIST.required("state.complete", "11.7, PS3.4 Table CC.1.1-2", "From IN PROGRESS to COMPLETED, and there it stays")
def completes(server: Server, data: Prepared) -> None:
    uid, transaction = _completed(server, data)
    answer = server.get(f"/workitems/{uid}")
    if answer.status == 200:  # a server may forget what is in a final state (11.5.2)
        expect.same("COMPLETED", workitems.state(server, uid), "Procedure Step State")
    expect.refused(workitems.change(server, uid, "CANCELED", transaction))
    expect.refused(workitems.update(server, uid, transaction, workitems.model(ProcedureStepLabel="Late")))


@WORKLIST.required("state.complete-again", "11.7.3.2 (B306)", "COMPLETED again: Warning 299")
def completes_again(server: Server, data: Prepared) -> None:
    uid, transaction = _completed(server, data)
    answer = expect.status(workitems.change(server, uid, "COMPLETED", transaction), 200, 410)
    expect.that(answer.status == 410 or expect.warned(answer, "COMPLETED"), "Warning: 299 … COMPLETED",
                answer.headers.get("warning"))  # fmt: skip


@WORKLIST.required("state.cancel", "11.7, PS3.4 Table CC.1.1-2", "From IN PROGRESS to CANCELED")
def cancels(server: Server, data: Prepared) -> None:
    uid, transaction = workitems.claimed(server, data)
    expect.status(workitems.update(server, uid, transaction, workitems.cancelled()), 200)
    expect.status(workitems.change(server, uid, "CANCELED", transaction), 200)
    expect.refused(workitems.change(server, uid, "COMPLETED", transaction))


@WORKLIST.required("state.unknown", "Table 11.7.3-1", "The state of a workitem that does not exist: 404")
def state_of_unknown(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    expect.status(workitems.change(server, UNKNOWN, LOCKED, str(generate_uid())), 404)


@WORKLIST.required("cancel.scheduled", "11.8.3 (2026a), PS3.4 Table CC.1.1-2", "A request to cancel a scheduled one")
def cancels_scheduled(server: Server, data: Prepared) -> None:
    """Editions before 2026 name SCHEDULED as an example of 409, against PS3.4; 409 is let pass."""
    uid = create(server, data)
    answer = send(server, "POST", f"/workitems/{uid}/cancelrequest", workitems.model(ReasonForCancellation="A test"))
    expect.offered(answer, 202, 409, without=(404, 405, 501))
    if answer.status == 202 and server.get(f"/workitems/{uid}").status == 200:
        expect.same("CANCELED", workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("cancel.in-progress", "11.8, PS3.4 Table CC.1.1-2", "A request to cancel another's work")
def asks_to_cancel(server: Server, data: Prepared) -> None:
    uid, _ = workitems.claimed(server, data)
    answer = send(server, "POST", f"/workitems/{uid}/cancelrequest", workitems.model(ReasonForCancellation="A test"))
    expect.offered(answer, 202, 409, without=(404, 405, 501))  # 409: nobody could be told (2026a)
    expect.same(LOCKED, workitems.state(server, uid), "Procedure Step State")


@WORKLIST.required("cancel.completed", "Table 11.8.3-1 (C311)", "A request to cancel what is completed: 409")
def cancels_completed(server: Server, data: Prepared) -> None:
    uid, _ = _completed(server, data)
    expect.status(send(server, "POST", f"/workitems/{uid}/cancelrequest"), 409, 410)


@WORKLIST.required("cancel.unknown", "Table 11.8.3-1", "A request to cancel what does not exist: 404")
def cancels_unknown(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    expect.status(send(server, "POST", f"/workitems/{UNKNOWN}/cancelrequest"), 404)


@WORKLIST.required("search", "11.9", "Workitems are found by state, label, station and start")
def searches(server: Server, data: Prepared) -> None:
    label = data.word("S")
    uid = create(server, data, WorklistLabel=label)
    create(server, data, WorklistLabel=data.word("T"))
    for key, value in {
        "ProcedureStepState": "SCHEDULED", "WorklistLabel": label, "ScheduledProcedureStepPriority": "MEDIUM",
        "ScheduledStationNameCodeSequence.CodeValue": "STATION", "PatientID": f"{data.tag}-A",
        "ScheduledProcedureStepStartDateTime": "20261125-20261126", "InputReadinessState": "READY",
    }.items():  # fmt: skip
        came = results(server.get(query("/workitems", **{"WorklistLabel": label, key: value})))
        expect.same([uid], [models.value(one, "00080018") for one in came], f"for {key}={value}:")


@WORKLIST.required("search.return", "11.9.2, PS3.4 Table CC.2.5-3", "Return keys of type 1 are in each result")
def search_returns(server: Server, data: Prepared) -> None:
    label = data.word("R")
    create(server, data, WorklistLabel=label)
    (found,) = results(server.get(query("/workitems", WorklistLabel=label)))
    for tag in ("00080016", "00080018", "00741200", "00741204", "00741202", "00404005", "00404041", "00741000"):
        expect.that(models.value(found, tag) is not None, f"a value of {tag}", found.get(tag))


@WORKLIST.required("search.empty", "11.9.3 (2026a)", "No match: 200 with an empty list, or 204")
def searches_in_vain(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    expect.same([], results(server.get(query("/workitems", WorklistLabel=f"{data.tag}-none"))), "results")


@WORKLIST.required("search.paging", "11.9.1.2, 8.3.4.4", "limit and offset page through workitems")
def pages(server: Server, data: Prepared) -> None:
    label = data.word("P")
    made = sorted(create(server, data, WorklistLabel=label) for _ in range(3))
    came = [results(server.get(query("/workitems", WorklistLabel=label, limit=2, offset=at))) for at in (0, 2)]
    expect.same([2, 1], [len(page) for page in came], "sizes of pages")
    expect.same(made, sorted(str(models.value(one, "00080018")) for page in came for one in page), "workitems")


@WORKLIST.required("json", "F.2", "A workitem keeps the rules of the JSON Model")
def keeps_rules(server: Server, data: Prepared) -> None:
    found = workitems.retrieved(server, create(server, data))
    expect.same([], list(models.rule_breaks(found)), "broken rules:")


@WORKLIST.optional("json.array", "11.1.3 (2020c)", "JSON of a workitem is an array of one")
def is_an_array(server: Server, data: Prepared) -> None:
    """11.5.3.3 speaks of the requested Workitem in a single part; servers and clients are found with either."""
    uid = create(server, data)
    answer = expect.media_type(expect.status(server.get(f"/workitems/{uid}"), 200), JSON)
    if isinstance(answer.json(), dict):
        raise NotSupported("one object, without the array")
    expect.same(1, len(answer.models()), "number of workitems")
