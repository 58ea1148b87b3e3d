"""Compares what the server shows with what the senders know."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.soak.ledger import Ledger
from tests.synthetic import dataset_bytes, sop_instance_uid

JSON = "application/dicom+json"
PART10 = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class BrokenPromise(AssertionError):
    """The server lost, changed or half-showed an object; the message says which."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found and how long acknowledged objects took to be all visible again."""

    instances: int
    unacknowledged: int
    visible_after_s: float


def judge(base_url: str, studies: Iterable[str], ledger: Ledger, *, within_s: float = 20.0) -> Shown:
    """Every acknowledged object must be listed and bit-identical, but none that an acknowledged note rejects.

    Whatever is listed must be whole. Acknowledged objects have `within_s` from now to be visible. Raises BrokenPromise.
    """
    studies = list(studies)
    began = time.monotonic()
    while True:
        seen = set().union(*(listed(base_url, one) for one in studies))
        missing, rejected = ledger.shown - seen, ledger.hidden & seen
        if not missing and not rejected:
            break
        if time.monotonic() > began + within_s:
            what = f"{len(missing)} acknowledged objects are not listed: {sorted(missing)[:3]}"
            raise BrokenPromise(f"{what}; {len(rejected)} rejected ones are: {sorted(rejected)[:3]}")
        time.sleep(0.1)
    waited = time.monotonic() - began
    found: set[str] = set()
    for one in studies:
        found |= judge_study(base_url, one, ledger)
    return Shown(len(found), len(found - ledger.acknowledged), waited)


def judge_study(base_url: str, study: str, ledger: Ledger) -> set[str]:
    """Listing, counts, metadata and bytes of one study agree with each other and with what was sent."""
    names = listed(base_url, study)
    if not names:
        return names
    came = dict(retrieved(base_url, study))
    if set(came) != names:
        raise BrokenPromise(f"study {study}: {len(names)} listed, {len(came)} retrieved")
    if strangers := {uid for uid, digest in came.items() if ledger.sent.get(uid) != digest}:
        raise BrokenPromise(f"study {study}: not as sent: {sorted(strangers)[:3]}")
    described = {str(_value(one, "00080018")) for one in ask_json(f"{base_url}/studies/{study}/metadata")}
    if described != names:
        raise BrokenPromise(f"study {study}: metadata of {len(described)}, {len(names)} listed")
    counted = _value(
        ask_json(f"{base_url}/studies?StudyInstanceUID={study}&includefield=00201208")[0], "00201208"
    )
    if counted != len(names):
        raise BrokenPromise(f"study {study}: counted {counted}, {len(names)} listed")
    return names


def listed(base_url: str, study: str) -> set[str]:
    """SOP Instance UIDs that QIDO-RS lists in a study."""
    return {
        str(_value(one, "00080018")) for one in ask_json(f"{base_url}/studies/{study}/instances?limit=10000")
    }


def retrieved(base_url: str, study: str) -> Iterator[tuple[str, bytes]]:
    """(SOP Instance UID, SHA-256 of the data set) of every part WADO-RS gives of a study."""
    with urlopen(Request(f"{base_url}/studies/{study}", headers={"Accept": PART10}), timeout=60) as answer:
        boundary = answer.headers.get_param("boundary")
        body = answer.read()
    for part in parts(body, str(boundary).encode()):
        yield sop_instance_uid(part), hashlib.sha256(dataset_bytes(part)).digest()


def parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The bodies of a multipart/related message (RFC 2046 5.1). Raises BrokenPromise if it is cut short."""
    pieces = body.split(b"--" + boundary)
    if pieces[-1].strip(b"\r\n ") != b"--":
        raise BrokenPromise("a multipart answer without its end")
    for piece in pieces[1:-1]:
        yield piece[piece.index(b"\r\n\r\n") + 4 : -2]


def ask_json(url: str) -> list[dict[str, dict[str, object]]]:
    """The DICOM JSON answer of a GET; empty on 204 and 404."""
    try:
        with urlopen(Request(url, headers={"Accept": JSON}), timeout=60) as answer:
            body = answer.read()
    except HTTPError as error:
        if error.code == 404:
            return []
        raise
    return list(json.loads(body)) if body else []


def _value(attributes: dict[str, dict[str, object]], tag: str) -> object:
    values = attributes.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values else None
