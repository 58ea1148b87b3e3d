"""Storage commitment by web, as PS3.18 chapter 13 has it, over a real archive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pacsd.archive.commitment import Commitments
from pacsd.web.app import create_app
from pacsd.web.xml_model import native_model
from tests.archive.house import House, opened
from tests.synthetic import small_object, study
from tests.web.fakes import FakeArchive, Web, services
from tests.workflow.steps import attribute

WORLD = study(82)
JSON, XML = {"Content-Type": "application/dicom+json"}, {"Content-Type": "application/dicom+xml"}
ONE = "/commitment-requests/1.2.3.4"


class Counter(Web):
    """The application over an archive, and a client of it."""

    def __init__(self, house: House) -> None:
        self.archive = FakeArchive()
        self.archive.commitments = Commitments(house.pool, house.blobs, house.sidecars)  # type: ignore[attr-defined]
        self.house = house
        self.app = create_app(services(self.archive))


@pytest.fixture
def counter(database: str, tmp_path: Path) -> Iterator[Counter]:
    with opened(database, tmp_path / "blobs") as house:
        yield Counter(house)


def asked(*references: tuple[str, str]) -> dict[str, Any]:
    items = [{"00081150": attribute("UI", one), "00081155": attribute("UI", other)} for one, other in references]
    return {"00081199": attribute("SQ", *items)}


def told(dataset: dict[str, Any], tag: str) -> list[tuple[Any, ...]]:
    items = dataset.get(tag, {}).get("Value", [])
    return [tuple(one[tag]["Value"][0] for tag in ("00081150", "00081155", "00081197") if tag in one) for one in items]


def test_a_request_is_answered_with_its_result_which_can_be_had_again(counter: Counter) -> None:
    sop_class = counter.house.receive(small_object(WORLD, instance=1)).sop_class_uid
    there, absent = WORLD.sop_instance_uid(1, 1), WORLD.sop_instance_uid(1, 2)
    body = orjson.dumps(asked((sop_class, there), (sop_class, absent)))
    answer = counter.post(ONE, content=body, headers=JSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    result = answer.json()
    assert told(result, "00081199") == [(sop_class, there)]
    assert told(result, "00081198") == [(sop_class, absent, 0x0112)]
    assert "00081195" not in result, "the Transaction UID is in the path (PS3.18 13.4.1.1)"
    assert counter.get(ONE).json() == result
    as_xml = counter.get(ONE, headers={"Accept": "application/dicom+xml"})
    assert as_xml.status_code == 200 and absent in as_xml.text
    with counter.house.pool.connection() as connection:
        assert connection.execute("select from notification").fetchall() == [], "nobody is to be told"


def test_a_request_may_come_as_xml(counter: Counter) -> None:
    body = native_model(asked(("1.2.840.10008.5.1.4.1.1.2", "1.2.3")))
    answer = counter.post(ONE, content=body, headers=XML)
    assert answer.status_code == 200
    assert told(answer.json(), "00081198") == [("1.2.840.10008.5.1.4.1.1.2", "1.2.3", 0x0112)]


def test_a_transaction_uid_is_used_once(counter: Counter) -> None:
    body = orjson.dumps(asked(("1.2", "1.3")))
    assert counter.post(ONE, content=body, headers=JSON).status_code == 200
    assert counter.post(ONE, content=body, headers=JSON).status_code == 409
    assert counter.post(ONE + ".5", content=body, headers=JSON).status_code == 200
    assert counter.get("/commitment-requests/9.9").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"00081199": attribute("SQ")},
        {"00081199": attribute("SQ", {"00081150": attribute("UI", "1.2")})},
        {"00081110": attribute("SQ", {"0020000D": attribute("UI", "1.2")})},
    ],
)
def test_what_cannot_be_asked_is_a_bad_request(counter: Counter, body: dict[str, Any]) -> None:
    assert counter.post(ONE, content=orjson.dumps(body), headers=JSON).status_code == 400
    assert counter.get(ONE).status_code == 404


def test_ten_thousand_instances_are_asked_for_at_once(counter: Counter) -> None:
    wanted = [("1.2.840.10008.5.1.4.1.1.2", WORLD.sop_instance_uid(1, n)) for n in range(10_000)]
    answer = counter.post(ONE, content=orjson.dumps(asked(*wanted)), headers=JSON)
    assert answer.status_code == 200
    assert [one[:2] for one in told(answer.json(), "00081198")] == wanted


def test_other_bodies_and_paths_are_refused(counter: Counter) -> None:
    body = orjson.dumps(asked(("1.2", "1.3")))
    assert counter.post(ONE, content=body, headers={"Content-Type": "text/plain"}).status_code == 415
    assert counter.post("/commitment-requests/x%20y", content=body, headers=JSON).status_code == 400
    assert counter.get(ONE, headers={"Accept": "image/png"}).status_code == 406
