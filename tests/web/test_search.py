import re
from base64 import b64encode

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.web.services import WebLimits
from tests.web.fakes import FakeMatch, Web, parts_of

STUDY, SERIES = "0020000D", "0020000E"


@pytest.fixture
def web():
    web = Web(limits=WebLimits(max_results=5000))
    web.archive.matches = [FakeMatch(number) for number in range(20)]
    return web


def numbers(answer):
    return [int(one["00080005"]["Value"][0]) for one in answer.json()]


def keys(query):
    return {criterion.path: criterion.value for criterion in query.criteria}


def test_results_are_an_array_of_the_matches(web):
    answer = web.get("/studies")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert numbers(answer) == list(range(20))
    assert "warning" not in answer.headers


def test_no_match_is_an_empty_array(web):
    web.archive.matches = []
    answer = web.get("/studies")
    assert (answer.status_code, answer.content) == (200, b"[]")


@pytest.mark.parametrize(
    ("path", "level", "ancestors"),
    [
        ("/studies", "study", {}),
        ("/series", "series", {}),
        ("/instances", "instance", {}),
        ("/studies/1.2/series", "series", {STUDY: "1.2"}),
        ("/studies/1.2/instances", "instance", {STUDY: "1.2"}),
        ("/studies/1.2/series/1.3/instances", "instance", {STUDY: "1.2", SERIES: "1.3"}),
    ],
)
def test_every_relational_form(web, path, level, ancestors):
    assert web.get(path).status_code == 200
    query = web.archive.queries[0]
    assert (query.level, keys(query)) == (level, ancestors)


@pytest.mark.parametrize(
    ("path", "upper"),
    [
        ("/series", True),
        ("/studies/1.2/series", False),
        ("/studies/1.2/instances", True),
        ("/studies/1.2/series/1.3/instances", False),
        ("/studies/1.2/series?includefield=PatientName", True),
        ("/studies/1.2/series?includefield=all", True),
    ],
)
def test_the_levels_above_are_told_unless_the_path_names_them(web, path, upper):
    assert ("00100010" in web.get(path).json()[0]) is upper


def test_attributes_by_keyword_tag_and_path(web):
    web.get(
        "/studies",
        params={
            "PatientName": "Wang*",
            "00100020": "1",
            "RequestAttributesSequence.ScheduledProcedureStepID": "S",
            "00400275.00401001": "R",
            "ModalitiesInStudy": "CT",
        },
    )
    assert keys(web.archive.queries[0]) == {
        "00100010": "Wang*",
        "00100020": "1",
        "00400275.00400009": "S",
        "00400275.00401001": "R",
        "00080061": "CT",
    }


def test_options(web):
    web.get("/studies?includefield=all&includefield=StudyDescription,0040a730&includefield=00081030&fuzzymatching=true&limit=3&offset=4")
    query = web.archive.queries[0]
    assert query.include_all and query.fuzzy and query.offset == 4
    assert query.include == {"00081030", "0040A730"}


def test_an_empty_key_matches_all_and_asks_for_the_attribute(web):
    web.get("/studies?StudyDescription=&PatientName=%22%22&emptyvaluematching=true")
    query = web.archive.queries[0]
    assert query.include == {"00081030"}
    assert keys(query) == {"00100010": '""'} and query.empty_value_matching


@pytest.mark.parametrize("query", ["RecordKey=", "0008041B=", "includefield=RecordKey"])
def test_record_keys_are_asked_for(web, query):
    web.get(f"/studies?{query}&PatientID=7")
    asked = web.archive.queries[0]
    assert asked.by_record_key and asked.after == () and keys(asked) == {"00100020": "7"}


@pytest.mark.parametrize(("path", "uids"), [("/studies", ("1.2",)), ("/series", ("1.3", "1.2"))])
def test_a_search_continues_after_a_record_key(web, path, uids):
    web.get(path, params={"PriorRecordKey": b64encode("\0".join(uids).encode()).decode(), "limit": "5"})
    asked = web.archive.queries[0]
    assert asked.by_record_key and asked.after == uids


@pytest.mark.parametrize("query", [
    "RecordKey=MS4y", "PriorRecordKey=1.2", "PriorRecordKey=MS4zADEuMg==", "PriorRecordKey=/w==", "PriorRecordKey=AA==",
    "PriorRecordKey=MS4y&PriorRecordKey=MS4y",
])  # fmt: skip
def test_record_keys_that_no_answer_held_are_refused(web, query):
    assert web.get(f"/studies?{query}").status_code == 400
    assert web.archive.queries == []


def test_instances_have_no_record_keys(web):
    answer = web.get("/studies/1.2/instances?PriorRecordKey=MS4y")
    assert answer.headers["warning"].endswith("Unknown parameters have been ignored: PriorRecordKey")
    assert not web.archive.queries[0].by_record_key


def test_repeated_uids_are_a_list(web):
    web.get("/studies?StudyInstanceUID=1.2&StudyInstanceUID=1.3,1.4")
    assert keys(web.archive.queries[0]) == {STUDY: "1.2,1.3,1.4"}


@pytest.mark.parametrize(
    "query",
    [
        "PatientID=1&PatientID=2",
        "limit=-1",
        "limit=x",
        "limit=",
        "offset=99999999999",
        "offset=%C2%B2",
        "fuzzymatching=maybe",
        "includefield=NoSuchKeyword",
        "PatientName=%FF",
        "PatientID=%00",
    ],
)
def test_what_the_standard_does_not_allow_is_refused(web, query):
    answer = web.get(f"/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert web.archive.queries == []


def test_unknown_parameters_are_ignored_with_a_warning(web):
    query = "NoSuchKeyword=1&0010002=1&PatientName..x=1&=1&%E5%A7%93%E5%90%8D%22%0D%0A=1&PatientID=7"
    answer = web.get(f"/studies?{query}")
    assert answer.status_code == 200
    warning = "Unknown parameters have been ignored: NoSuchKeyword 0010002 PatientName..x  ?????"
    assert answer.headers["warning"] == f"299 http://pacs.test/dicom-web: {warning}"
    assert keys(web.archive.queries[0]) == {"00100020": "7"}


def test_the_warning_of_many_unknown_parameters_is_short(web):
    answer = web.get("/studies?" + "&".join(f"{'x' * 300}{number}=1" for number in range(150)))
    assert answer.status_code == 200 and answer.headers["warning"].endswith(" and 140 more")
    assert len(answer.headers["warning"]) < 1000


def test_a_key_that_contradicts_the_path_is_refused(web):
    assert web.get("/studies/1.2/series?StudyInstanceUID=1.3").status_code == 400


def test_keys_the_index_does_not_match_by_are_named_in_a_warning():
    web = Web()
    web.archive.unsupported = ("00101060", "00091001")
    answer = web.get("/studies?PatientMotherBirthName=Li&00091001=x")
    assert answer.status_code == 200
    warning = answer.headers["warning"]
    assert warning.startswith("299 http://pacs.test/dicom-web: The matching key 00101060 is not supported.")
    assert "00091001" in warning


def test_multiple_value_matching_is_asked_for_by_its_parameter(web):
    for value, asked in (("true", True), ("false", False)):
        answer = web.get(f"/studies?ModalitiesInStudy=CT%5CPT&multiplevaluematching={value}")
        assert answer.status_code == 200 and "warning" not in answer.headers
        assert web.archive.queries[-1].multiple_value_matching is asked


def test_more_results_than_asked_for_are_announced(web):
    answer = web.get("/studies?limit=5&offset=2")
    assert numbers(answer) == [2, 3, 4, 5, 6]
    assert "There are additional results that can be requested" in answer.headers["warning"]
    assert "warning" not in web.get("/studies?limit=5&offset=15").headers
    assert web.archive.closed == 2


def test_a_limit_of_nothing_asks_for_nothing(web):
    assert web.get("/studies?limit=0").content == b"[]"
    assert web.archive.queries == []


def test_a_long_answer_goes_by_the_disk_up_to_the_limit_of_the_server(web):
    web.archive.matches = [FakeMatch(number) for number in range(7_000)]
    answer = web.get("/studies")
    assert numbers(answer) == list(range(5_000))
    assert "additional results" in answer.headers["warning"]
    assert web.archive.closed == len(web.archive.queries) == 1
    assert int(answer.headers["content-length"]) == web.archive.scratches[0].size_bytes
    assert web.archive.scratches[0].closed
    assert "warning" not in web.get("/studies?offset=2000").headers


def test_without_a_limit_everything_is_given():
    web = Web()
    web.archive.matches = [FakeMatch(number) for number in range(3_500)]
    answer = web.get("/studies")
    assert numbers(answer) == list(range(3_500)) and "warning" not in answer.headers
    assert web.archive.queries[0].limit is None


def test_results_as_xml(web):
    web.archive.matches = web.archive.matches[:2]
    answer = web.get("/studies", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    parts = parts_of(answer)
    assert [headers["Content-Type"] for headers, _ in parts] == ["application/dicom+xml"] * 2
    assert b'<Value number="1">1</Value>' in parts[1][1]


def test_too_broad_is_413_with_a_reason(web):
    web.archive.search_fault = PacsdError(Fault.TOO_BROAD, "IMAGE level needs a Series, Study or SOP Instance UID")
    answer = web.get("/instances")
    assert answer.status_code == 413 and "IMAGE level" in answer.json()["detail"]


def test_head_answers_without_a_body(web):
    answer = web.request("HEAD", "/dicom-web/studies")
    assert answer.status_code == 200


def test_a_long_answer_that_fails_has_a_status_and_leaves_nothing_behind(web, monkeypatch):
    web.archive.matches = [FakeMatch(number) for number in range(2_000)]

    def members(match, retrieve_base, *, upper):
        if match.number == 1_500:
            raise PacsdError(Fault.UNAVAILABLE, "the index is gone")
        return '"00080005":{"vr":"CS"}'

    monkeypatch.setattr(FakeMatch, "members", members)
    assert web.get("/studies").status_code == 503
    assert web.archive.scratches[0].closed and web.archive.closed == 1


@pytest.mark.parametrize("accept", ["application/dicom+json", 'multipart/related; type="application/dicom+xml"'])
def test_a_long_answer_is_compressed_for_who_takes_it(web, accept):
    web.archive.matches = [FakeMatch(number) for number in range(1_200)]
    plain = web.get("/studies", headers={"Accept": accept, "Accept-Encoding": "identity"})
    coded = web.get("/studies", headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert coded.headers["content-encoding"] == "gzip"
    last = re.compile(rb"\b1199\b")                                         # and not in a boundary, which is drawn
    assert len(last.findall(plain.content)) == len(last.findall(coded.content)) == 1


def test_the_warning_of_many_unsupported_keys_is_short(web):
    web.archive.unsupported = tuple(f"0009{number:04X}" for number in range(150))
    warning = web.get("/studies").headers["warning"]
    assert "140 more matching keys are not supported" in warning and len(warning) < 2_000


def test_a_path_of_thousands_of_sequences_is_no_key(web):
    answer = web.get("/studies?" + "00081115." * 2_000 + "00081150=1")
    assert answer.status_code == 200 and len(answer.headers["warning"]) < 200
