"""Who sees the study of another hospital, over DICOMweb and FHIR."""

import orjson
import pytest

from tests.access.region import STUDIES, UNRELEASED, Region

WEST = STUDIES["west"].study_instance_uid


def qido(region: Region, token: str) -> list[str]:
    answer = region.request("GET", "/dicom-web/studies", token)
    found = answer.json() if answer.status_code == 200 else []
    return sorted(one["0020000D"]["Value"][0] for one in found)


def imaging(region: Region, token: str) -> tuple[int, list[str]]:
    answer = region.fhir("GET", "ImagingStudy?_total=accurate", token)
    bundle = orjson.loads(answer.content)
    return bundle["total"], sorted(one["resource"]["identifier"][0]["value"].removeprefix("urn:oid:")
                                   for one in bundle.get("entry", ()))  # fmt: skip


SEEN = {
    "radiologist@west": ["west", "unreleased"], "radiologist@south": ["south", "west", "unreleased"],
    "radiologist@east": ["east"], "technologist@south": ["south"], "patient@west": ["west"], "patient@south": [],
    "system@south": ["south", "west", "unreleased"], "patient@east": ["west"],
}  # fmt: skip


@pytest.mark.parametrize("token", SEEN)
def test_all_interfaces_show_the_same_studies(region: Region, token: str) -> None:
    uids = {code: one.study_instance_uid for code, one in STUDIES.items()}
    uids["unreleased"] = UNRELEASED.study_instance_uid
    expected = sorted(uids[one] for one in SEEN[token])
    assert qido(region, token) == expected
    assert imaging(region, token) == (len(expected), expected)
