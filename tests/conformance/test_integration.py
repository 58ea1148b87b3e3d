"""The integration statement claims an actor when everything it must support is claimed, and no sooner."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.integration import ACTORS, claimed, statement
from pacsd.main import Wiring

ROOT = Path(__file__).resolve().parents[2]


def names(claims: dict[str, object]) -> set[str]:
    return {f"{one.name} {one.option}".strip() for one in claimed(claims)}


def test_what_is_complete_is_claimed_and_nothing_else() -> None:
    claims = dict(Wiring().claims())
    assert {"Enterprise Report Repository", "Report Repository"} <= names(claims)
    assert {"Patient Demographics Supplier", "Patient Demographics Supplier Match Operation"} <= names(claims)
    types = {one["type"] for one in claims["hl7"]["messages"]}  # type: ignore[index]
    for actor in ACTORS:
        needed = {message for each in actor.transactions for message in each.messages}
        if not needed <= types:
            assert f"{actor.name} {actor.option}".strip() not in names(claims)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda one: f"{one.name} {one.option}")
def test_an_actor_that_lacks_one_message_class_or_request_is_not_claimed(actor: object) -> None:
    (one,) = [each for each in ACTORS if each is actor]
    full = {
        "hl7": {"messages": [{"type": name} for each in one.transactions for name in each.messages]},
        "dimse": {"sop_classes": [{"uid": uid} for each in one.transactions for uid in each.sop_classes]},
        "fhir": {"requests": [request for each in one.transactions for request in each.fhir]},
    }
    assert one in claimed(full)
    for room, key in (("hl7", "messages"), ("dimse", "sop_classes"), ("fhir", "requests")):
        for at in range(len(full[room][key])):
            less = copy.deepcopy(full)
            del less[room][key][at]
            assert one not in claimed(less)


@pytest.mark.parametrize(("language", "words"), [("en", "Integration profile"), ("zh", "\u96c6\u6210\u89c4\u8303")])
def test_it_is_printed_of_the_claims_that_the_product_exports(language: str, words: str) -> None:
    claims = json.dumps(Wiring().claims())
    command = [sys.executable, "-m", "conformance.integration", language]
    done = subprocess.run(command, input=claims, capture_output=True, text=True, cwd=ROOT, check=True)
    assert words in done.stdout and "RAD-28" in done.stdout
    assert done.stdout == statement(json.loads(claims), language)
    assert subprocess.run([*command[:-1], "fr"], input=claims, capture_output=True, text=True, cwd=ROOT).returncode == 2
