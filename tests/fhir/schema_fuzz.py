"""Requests that schemathesis makes from our OpenAPI description (tests.fhir.openapi): as it has them, and otherwise.

None may be answered with 5xx, late, or with a trace of where it broke.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from tests.fhir.fuzz import MARKS, PATIENCE_S, Broken
from tests.fhir.openapi import described

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def operations(base: str, types: Sequence[str]) -> list[Any]:
    """All that the description has, with what is of each type for these."""
    schema = schemathesis.openapi.from_dict(described(types, base))
    return [found.ok() for found in schema.get_all_operations()]


def fuzz(base: str, types: Sequence[str], number: int, *, examples: int, some: int | None = None) -> Counter[int]:
    """Statuses of so many requests of each operation and mode, of all or of some drawn by the seed. Raises Broken."""
    found = operations(base, types)
    chosen = found if some is None else random.Random(number).sample(found, min(some, len(found)))
    statuses: Counter[int] = Counter()
    for operation in chosen:
        for mode in MODES:
            _asked(operation.as_strategy(generation_mode=mode), base, number, examples, statuses)
    return statuses


def _asked(strategy: Any, base: str, number: int, examples: int, statuses: Counter[int]) -> None:
    @seed(number)
    @settings(max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def ask(case: Any) -> None:
        began = time.monotonic()
        answer = case.call(base_url=base, timeout=60)
        statuses[answer.status_code] += 1
        why = _wrong(answer, time.monotonic() - began)
        if why:
            raise Broken(f"seed {number}: {why}: {case.as_curl_command()[:3000]} answered {answer.content[:600]!r}")

    ask()


def _wrong(answer: Any, seconds: float) -> str:
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    if seconds > PATIENCE_S:
        return f"answered after {seconds:.1f} s"
    return "a trace of where it broke" if any(mark in answer.content for mark in MARKS) else ""
