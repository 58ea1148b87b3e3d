"""Whatever stands in a resource, it is checked to the end; what passes can be written as XML."""

import copy
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir.definitions.structures import structures
from fhir.format import json, xml
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy

SPOILT: tuple[Any, ...] = (
    None, True, 0, -1, Decimal(10**30), "", " ", "x", "#x", "é\u0000", "<div>", [], {}, [None], [[]], [{}],
    [1, "a", {}],
    {"": {}}, {"id": []}, {"extension": {}}, {"resourceType": []}, {"resourceType": "Patient", "contained": {}},
    {"reference": {}}, {"coding": {}}, {"system": [], "code": {}}, {"url": 7},
)  # fmt: skip
ROUNDS = 1_500


def spoil(resource: Any, seed: random.Random) -> None:
    """Put something else at a place of a resource, or under a key it may have."""
    here = resource
    while True:
        if isinstance(here, list):
            key: Any = seed.randrange(len(here)) if here else None
        else:
            name = here.get("resourceType")
            known = [*here, *(structures()[name].keys if isinstance(name, str) and name in structures() else ())]
            key = seed.choice([*known, f"_{seed.choice(known)}"]) if known else "unknown"
        if key is None:
            return
        inner = here[key] if isinstance(here, list) else here.get(key)
        if isinstance(inner, dict | list) and inner and seed.random() < 0.7:
            here = inner
            continue
        here[key] = copy.deepcopy(seed.choice(SPOILT))
        return


def examples(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "fhir_r4").rglob("*.json"))
    return [json.read(path.read_bytes()) for path in paths if path.stat().st_size < 20_000]


@pytest.mark.parametrize("mode", [Mode.STRICT, Mode.OFF])
def test_nothing_breaks_the_check(data_folder: Path, mode: Mode) -> None:
    seed = random.Random(mode.value)
    told = examples(data_folder)
    check = policy(Validator(), mode)
    taken = 0
    for _ in range(ROUNDS):
        resource = copy.deepcopy(seed.choice(told))
        for _ in range(seed.randrange(1, 4)):
            spoil(resource, seed)
        read = json.read(json.write(resource))
        if not any(one.severity == "error" for one in check(read)):
            taken += 1
            again = xml.read(xml.write(read))
            assert xml.write(again) == xml.write(read)
    assert taken > 5
