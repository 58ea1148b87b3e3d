"""FHIR: how long after its objects were stored a study is found by FHIR search, at a hundred studies a minute."""

from __future__ import annotations

import logging
import time

import httpx

from tests.bench.measures import Bench, Row, Samples
from tests.bench.peers import Server
from tests.end_to_end.peers import stow
from tests.synthetic import small_object, study

EVERY_S = 0.6                                # a hundred a minute
STUDIES = 50
DEADLINE_S = 60.0                            # after which a study counts as lost


def lag(bench: Bench) -> Samples:
    """Seconds, of each round the worst."""
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        for turn in range(bench.rounds + 1):
            seconds = _seconds(server, turn, bench.corpora.scaled(STUDIES))
            samples["pacsd"] += [max(seconds)] if turn else []           # the first is to warm up
    return samples


def _seconds(server: Server, turn: int, count: int) -> list[float]:
    found = []
    logging.getLogger("httpx").setLevel(logging.WARNING)         # a line for each question would be most of the output
    base = f"http://127.0.0.1:{server.http_port}"
    with httpx.Client(timeout=30) as client:
        for number in range(count):
            due = time.monotonic() + EVERY_S
            one = study(9000 + turn, number)
            assert stow(f"{base}/dicom-web", [small_object(one)]).status_code == 200
            began = time.monotonic()
            asked = {"identifier": f"urn:dicom:uid|urn:oid:{one.study_instance_uid}", "_elements": "status"}
            while not client.get(f"{base}/fhir/ImagingStudy", params=asked).json().get("entry"):
                if time.monotonic() - began > DEADLINE_S:
                    raise TimeoutError(f"study {number} was not found within {DEADLINE_S:g} s")
                time.sleep(0.01)
            found.append(time.monotonic() - began)
            time.sleep(max(0.0, due - time.monotonic()))
    return found


ROWS = (
    Row("fhir-lag", "A stored study found by FHIR search, 100 studies a minute, the slowest", "s", lag,
        sides=("pacsd",), targets=((None, 1.0),)),
)  # fmt: skip
