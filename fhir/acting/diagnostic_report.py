"""DiagnosticReport: a report on imaging becomes a report of the archive, and so goes out as ORU^R01 and as objects.

It is one where it names an ImagingStudy or an order of the archive. What of it goes out is its conclusion, its results,
and of what it presents plain text and PDF; anything else of it is read through FHIR alone.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.acting.dicom import code_of, person_of
from fhir.acting.service_request import identified, number
from fhir.projection import stated
from fhir.projection.projected import BY_FHIR, about_report
from fhir.projection.systems import DICOM_UID, INTERPRETATIONS, UCUM
from fhir.store import shared
from fhir.store.stored import Change
from pacsd.index import reports as rows
from pacsd.index.sources import Patient
from pacsd.reports.contents import Contents
from pacsd.reports.report import Code, Content, Document, Observation, Order, Statement, Status, same_orders
from pacsd.reports.report import Patient as ReportPatient
from pacsd.reports.reports import Reports
from pacsd.reports.sections import BY_NAME, DEFAULT, FINDINGS

STATUSES: Mapping[str, Status] = {
    "partial": Status.PRELIMINARY, "preliminary": Status.PRELIMINARY, "final": Status.FINAL,
    "amended": Status.CORRECTED, "corrected": Status.CORRECTED, "appended": Status.CORRECTED,
    "cancelled": Status.CANCELLED, "entered-in-error": Status.CANCELLED,
}  # fmt: skip
PDF, PLAIN = "application/pdf", "text/plain"
_IMPRESSION, _FINDINGS = BY_NAME["impression"].loinc, FINDINGS.loinc
_CRITICAL = frozenset(("AA", "HH", "LL"))
_OBSERVATION_STATUSES = {"preliminary": "P", "final": "F", "corrected": "C", "amended": "C", "registered": "I"}


class DiagnosticReportRule:
    """Acts on versions of DiagnosticReport."""

    def __init__(self, reports: Reports, contents: Contents) -> None:
        self._reports = reports
        self._contents = contents

    def act(self, deed: Deed) -> Change:
        """The version with whose it is from now on. Raises FhirError, PacsdError."""
        if deed.change.deleted:
            if deed.is_shared and deed.before().get("status") not in ("cancelled", "entered-in-error"):
                raise deed.refused("it is a report: withdraw it first (status entered-in-error)")
            return deed.change
        body = deed.body()
        status, orders = STATUSES.get(str(body.get("status"))), same_orders(list(_orders(deed, body)))
        if not deed.is_shared and (status is None or status is Status.CANCELLED or not orders):
            return deed.change
        if status is None:
            raise deed.refused("a report that was given out is not registered anew", "DiagnosticReport.status")
        names = _names(deed, body)
        self._held_to(deed, names)
        self._reports.receive(deed.work, self._statement(deed, body, status, names, orders))
        return replace(deed.change, owner=shared.SHARED + about_report(names[0]))

    def _held_to(self, deed: Deed, names: tuple[str, ...]) -> None:
        if deed.is_shared and deed.previous is not None:
            if deed.previous.owner != shared.SHARED + about_report(names[0]):
                raise deed.refused("a report's identifier stays", "DiagnosticReport.identifier")
            return
        rows.locked(deed.unit.connection, deed.change.organisation, names)
        if rows.found(deed.unit.connection, deed.change.organisation, names) is not None:
            raise deed.refused("another feed keeps a report of that identifier", "DiagnosticReport.identifier")

    def _statement(
        self, deed: Deed, body: Body, status: Status, names: tuple[str, ...], orders: tuple[Order, ...]
    ) -> Statement:
        patient, person = _patient(deed, body)
        results = [one for each in listed(body, "result") if (one := deed.resource(each, "Observation"))]
        said = (*_conclusion(body), *(_result(one) for one in results), *self._presented(deed, body))
        if not said and status is not Status.CANCELLED:
            raise deed.incomplete("a report says something: a conclusion, results, plain text or PDF",
                                  "DiagnosticReport")  # fmt: skip
        issued = _moment(body.get("issued")) or deed.change.updated
        content = Content(
            procedure=code_of(body.get("code")), patient=_told(person), orders=orders,
            author=person_of(deed, next(iter(listed(body, "performer")), None)),
            verifier=person_of(deed, next(iter(listed(body, "resultsInterpreter")), None)),
            issued=_hl7(issued), observed=_hl7(_moment(body.get("effectiveDateTime"))), observations=said,
        )  # fmt: skip
        uid = deed.house.id_of("statement", deed.change.id, str(deed.change.version))
        return Statement(
            uid, names, (patient,), status, BY_FHIR, content,
            critical=any(_CRITICAL.intersection(one.flags) for one in said), issued_at=issued,
        )  # fmt: skip

    def _presented(self, deed: Deed, body: Body) -> Iterator[Observation]:
        for one in listed(body, "presentedForm"):
            kind = str(one.get("contentType") or "").partition(";")[0].strip().lower()
            if kind not in (PDF, PLAIN):
                continue
            content = self._bytes(deed, one)
            if not content:              # not kept here: it stays what FHIR alone tells
                continue
            if kind == PDF:
                key = self._contents.key(PDF)
                size = self._contents.keep(key, (content,))
                document = Document(key, PDF, size, str(one.get("title") or ""))
                yield Observation(_FINDINGS, DEFAULT, "ED", "", document=document)
            else:
                yield Observation(_FINDINGS, DEFAULT, "TX", content.decode("utf-8", "replace"))

    def _bytes(self, deed: Deed, one: Body) -> bytes:
        data = one.get("data")
        if data is None:
            data = (deed.resource({"reference": one.get("url")}, "Binary") or {}).get("data")
        try:
            return base64.b64decode("".join(str(data or "").split()), validate=True)
        except binascii.Error as error:
            raise deed.incomplete("a document is base64", "DiagnosticReport.presentedForm.data") from error


def _names(deed: Deed, body: Body) -> tuple[str, ...]:
    """By what a report is known: as its order's filler numbers it, else by its own id."""
    filler = identified(body, "FILL")
    own = f"report {deed.change.id}^{BY_FHIR}"
    return (f"order {number(deed, filler, 'FILL')}", own) if filler else (own,)


def _patient(deed: Deed, body: Body) -> tuple[Patient, Body]:
    found = deed.patient(body.get("subject"))
    if found is None or found[0][0] not in deed.spoken:
        said = "a report on imaging is about a patient who has an identifier of an assigning authority of ours"
        raise deed.incomplete(said, "DiagnosticReport.subject")
    return found


def _orders(deed: Deed, body: Body) -> Iterator[Order]:
    """What it answers: studies by their UID and accession number, orders by their numbers."""
    for reference in listed(body, "imagingStudy"):
        study = deed.resource(reference, "ImagingStudy") or {"identifier": [reference.get("identifier") or {}]}
        uid = _uid(study)
        accession = str((identified(study, "ACSN") or {}).get("value") or "")
        yield Order(uid, accession) if uid else Order()
    for reference in listed(body, "basedOn"):
        request = deed.resource(reference, "ServiceRequest") or {}
        if (accession := str((identified(request, "ACSN") or {}).get("value") or "")) or _uid(request):
            numbers = [str((identified(request, kind) or {}).get("value") or "") for kind in ("PLAC", "FILL")]
            yield Order(_uid(request), accession, *numbers)


def _uid(resource: Body) -> str:
    found = [str(one.get("value") or "") for one in listed(resource, "identifier") if one.get("system") == DICOM_UID]
    return found[0].removeprefix("urn:oid:") if found else ""


def _told(person: Body) -> ReportPatient:
    known: Mapping[str, Any] = {tag: value["Value"][0] for tag, value in stated.attributes(person).items() if value}
    name = known.get(stated.NAME, {})
    return ReportPatient(name.get("Alphabetic", ""), name.get("Ideographic", ""), known.get(stated.BIRTH_DATE, ""),
                         known.get(stated.SEX, ""))  # fmt: skip


def _conclusion(body: Body) -> Iterator[Observation]:
    said = body.get("conclusion")
    if isinstance(said, str) and said.strip():
        yield Observation(_IMPRESSION, "impression", "TX", said)
    for one in listed(body, "conclusionCode"):
        code = code_of(one)
        yield Observation(_IMPRESSION, "impression", "CWE", code.meaning, value=code if code.value else None)


def _result(one: Body) -> Observation:
    quantity, concept = one.get("valueQuantity"), one.get("valueCodeableConcept")
    flags = tuple(
        str(each.get("code")) for flag in listed(one, "interpretation") for each in listed(flag, "coding")
        if each.get("system") == INTERPRETATIONS
    )  # fmt: skip
    ranges = [str(each.get("text") or "") for each in listed(one, "referenceRange")]
    kind, text, units, value = "ST", str(one.get("valueString") or ""), None, None
    if isinstance(quantity, dict) and quantity.get("value") is not None:
        kind, text, units = "NM", str(quantity["value"]), _units(quantity)
        if quantity.get("comparator"):
            kind, text = "SN", f"{quantity['comparator']}{text}"
    elif isinstance(concept, dict):
        value = code_of(concept)
        kind, text, value = ("CWE", value.meaning, value) if value.value else ("ST", value.meaning, None)
    code = code_of(one.get("code"))
    status = _OBSERVATION_STATUSES.get(str(one.get("status")), "F")
    return Observation(code, DEFAULT, kind, text, value, units, flags, ranges[0] if ranges else "", status,
                       code.meaning or code.value)  # fmt: skip


def _units(quantity: Body) -> Code | None:
    unit, code = str(quantity.get("unit") or ""), str(quantity.get("code") or "")
    if not unit and not code:
        return None
    return Code(code or unit, unit, "UCUM" if quantity.get("system") == UCUM else "")


def _moment(written: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _hl7(at: datetime | None) -> str:
    return f"{at:%Y%m%d%H%M%S%z}" if at is not None else ""
