"""FHIR: resources taken in in bulk, from the request to the last one that is found."""

from __future__ import annotations

import json
import time

import httpx

from tests.bench.measures import Bench, Row, Samples
from tests.bench.rows.fhir import mixed
from tests.bench.rows.hl7 import syncs_per_second

_PATIENCE_S = 300.0


def imported(bench: Bench) -> Samples:
    """Resources a second of an import: checked, indexed, journalled."""
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        for turn in range(bench.rounds + 1):
            some = mixed(bench.corpora.scaled(10_000 if turn else 1_000), seed=turn)
            body = b"\n".join(json.dumps(one, ensure_ascii=False).encode() for one in some)
            began = time.perf_counter()
            kept = _run(f"http://127.0.0.1:{server.http_port}/fhir/$import", body)
            if kept != len(some):
                raise RuntimeError(f"{kept} of {len(some)} resources were kept")
            samples["pacsd"] += [len(some) / (time.perf_counter() - began)] if turn else []
        samples["fsync"] = [syncs_per_second(server.folder) for _ in range(bench.rounds)]
    return samples


def _run(url: str, body: bytes) -> int:
    """How many were kept."""
    with httpx.Client(timeout=60) as client:
        answer = client.post(url, content=body, headers={"content-type": "application/fhir+ndjson"})
        answer.raise_for_status()
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            told = client.get(answer.headers["content-location"])
            told.raise_for_status()
            if told.status_code == httpx.codes.OK:
                return sum(one["count"] for one in told.json()["output"])
            time.sleep(0.05)
    raise TimeoutError("the import did not end")


ROWS = (
    Row("fhir-import", "FHIR $import of NDJSON: validated, indexed, journalled; resources a second", "1/s", imported,
        higher_is_better=True, sides=("pacsd", "fsync"), targets=((None, 1200.0),)),
)  # fmt: skip
