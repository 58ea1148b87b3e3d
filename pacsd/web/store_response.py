"""The Store Instances Response (PS3.18 10.5.3): what became of each object, and the status that follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from pacsd.archive.non_patient.models import MODEL_OF_CLASS, RESOURCES, classes_of
from pacsd.faults import Fault, PacsdError
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation
from pacsd.web.problem import STATUS, HttpError
from pacsd.web.services import Accepted
from pacsd.web.xml_model import native_model

OFFERS = (Representation(DICOM_JSON), Representation(DICOM_XML), Representation(JSON))

FAILURE_REASON: Mapping[Fault, int] = {      # PS3.18 Table I.2-2, PS3.7 Annex C
    Fault.MALFORMED: 0xC000,                 # cannot understand
    Fault.MISMATCH: 0xA900,                  # data set does not match
    Fault.UNSUPPORTED: 0xC122,               # referenced transfer syntax not supported
    Fault.REFUSED: 0x0124,                   # not authorized
    Fault.UNAUTHENTICATED: 0x0124,
    Fault.FORBIDDEN: 0x0124,
    Fault.NOT_FOUND: 0x0110,
    Fault.CONFLICT: 0x0111,                  # duplicate SOP instance
    Fault.INVALID: 0xA900,
    Fault.STALE: 0x0110,
    Fault.GONE: 0x0110,
    Fault.TOO_MUCH: 0xA700,                  # out of resources
    Fault.TOO_BROAD: 0x0110,
    Fault.FULL: 0xA700,
    Fault.UNAVAILABLE: 0xA700,               # for now: come again
    Fault.INTERNAL: 0x0110,                  # processing failure
}
SOP_CLASS_NOT_SUPPORTED = 0x0122
_STATUS_OF_ALL = (Fault.FULL, Fault.UNAVAILABLE)     # when nothing else went wrong, HTTP has its own word for it
STORED = "pacsd.stored"                              # in the ASGI scope: what `stored_studies` tells, for the record
_MAX_REASONS = 5                                     # told in words, in the Warning header and the log


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object; its UIDs are "" where they could not be read."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    failure: PacsdError | None = None


def stored(accepted: Accepted) -> Outcome:
    """It is kept."""
    return Outcome(
        accepted.sop_class_uid,
        accepted.sop_instance_uid,
        accepted.study_instance_uid,
        accepted.series_instance_uid,
    )


def stored_studies(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """The studies something was stored in, each with the numbers of instances by SOP class."""
    found: dict[str, dict[str, int]] = {}
    for one in outcomes:
        if one.failure is None and one.study_instance_uid:
            classes = found.setdefault(one.study_instance_uid, {})
            classes[one.sop_class_uid] = classes.get(one.sop_class_uid, 0) + 1
    return found


def failed(error: PacsdError, sop_class_uid: str = "", sop_instance_uid: str = "") -> Outcome:
    """It is not."""
    return Outcome(sop_class_uid, sop_instance_uid, failure=error.alone())


def response(
    outcomes: Sequence[Outcome], *, base_url: str, form: Representation, notes: Sequence[str] = (), resource: str = ""
) -> Response:
    """The answer to a store request; `notes` go with it as warnings. Raises HttpError 400 if it held nothing."""
    if not outcomes:
        raise HttpError(400, "Bad Request", "the request holds no object to store")
    dataset = response_dataset(outcomes, base_url, resource)
    body = native_model(dataset) if form.media_type == DICOM_XML else orjson.dumps(dataset)
    headers = {"Content-Type": form.media_type, **_warning(outcomes, base_url, notes)}
    return Response(body, status(outcomes, some=200 if resource else 202), headers=headers)


def status(outcomes: Sequence[Outcome], *, some: int = 202) -> int:
    """200 when all are stored, `some` when some are, else 409, or 507 and 503 for what only these say.

    To have stored some is 202 for instances of studies (Table 10.5.3-1), and 200 for others (Table 12.5.3-1).
    """
    faults = {outcome.failure.fault for outcome in outcomes if outcome.failure}
    if not faults:
        return 200
    if any(outcome.failure is None for outcome in outcomes):
        return some
    for fault in _STATUS_OF_ALL:
        if faults == {fault}:
            return STATUS[fault][0]
    return 409


def response_dataset(outcomes: Sequence[Outcome], base_url: str, resource: str = "") -> dict[str, Any]:
    """The attributes of Table 10.5.3-1 in the DICOM JSON Model; instances without a study are below `resource`."""
    kept = [outcome for outcome in outcomes if outcome.failure is None]
    refused = [outcome for outcome in outcomes if outcome.failure is not None]
    studies = {outcome.study_instance_uid for outcome in kept if outcome.study_instance_uid}
    # Retrieve URL, of type 2 (Table I.1-1): empty where not one study was stored in
    dataset = {"00081190": _attribute("UR", f"{base_url}/studies/{studies.pop()}" if len(studies) == 1 else "")}
    named = [one for one in refused if one.sop_instance_uid]
    sequences = {
        "00081198": [_failed_item(one, resource) for one in named],                    # Failed SOP Sequence
        "00081199": [_stored_item(one, base_url, resource) for one in kept],           # Referenced SOP Sequence
        "0008119A": [_reason(one, resource) for one in refused if not one.sop_instance_uid],   # Other Failures Sequence
    }
    return dataset | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


def _stored_item(outcome: Outcome, base_url: str, resource: str) -> dict[str, Any]:
    url = f"{base_url}/{resource}/{outcome.sop_instance_uid}" if resource else (
        f"{base_url}/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}"
        f"/instances/{outcome.sop_instance_uid}"
    )
    return _reference(outcome) | {"00081190": _attribute("UR", url)}


def _failed_item(outcome: Outcome, resource: str) -> dict[str, Any]:
    return _reference(outcome) | _reason(outcome, resource)


def _reference(outcome: Outcome) -> dict[str, Any]:
    return {
        "00081150": _attribute("UI", outcome.sop_class_uid),
        "00081155": _attribute("UI", outcome.sop_instance_uid),
    }


def _reason(outcome: Outcome, resource: str) -> dict[str, Any]:
    fault = outcome.failure.fault if outcome.failure else Fault.INTERNAL
    elsewhere = _is_elsewhere(outcome.sop_class_uid, fault, resource)
    return {"00081197": _attribute("US", SOP_CLASS_NOT_SUPPORTED if elsewhere else FAILURE_REASON[fault])}


def _is_elsewhere(sop_class_uid: str, fault: Fault, resource: str) -> bool:
    """Whether instances of the class are not those of the resource: what has no study, or only what has none."""
    if not resource:
        return fault is Fault.MALFORMED and sop_class_uid in MODEL_OF_CLASS
    return fault is Fault.UNSUPPORTED and sop_class_uid not in classes_of(RESOURCES[resource])


def _attribute(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value != "" else {"vr": vr}


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    """Why objects were refused, a few of the reasons."""
    return list(dict.fromkeys(outcome.failure.message for outcome in outcomes if outcome.failure))[:_MAX_REASONS]


def _warning(outcomes: Sequence[Outcome], base_url: str, notes: Sequence[str]) -> dict[str, str]:
    """The reasons in words, a few of them: the response has only numbers."""
    texts = [f"299 {base_url}: {_header_text(reason)}" for reason in (*reasons(outcomes), *notes)]
    return {"Warning": ", ".join(texts)} if texts else {}


def _header_text(text: str) -> str:
    return "".join(one if " " <= one <= "~" else "?" for one in text[:200])


