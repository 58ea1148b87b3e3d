import xml.etree.ElementTree as ElementTree

import pytest

from pacsd.web.app import TRANSACTIONS
from tests.web.fakes import Web

WADL = "application/vnd.sun.wadl+xml"
SPACE = "{http://wadl.dev.java.net/2009/02}"


def options(path, **headers):
    return Web().request("OPTIONS", "/dicom-web" + path, headers=headers)


def methods_of(node, path=""):
    for resource in node.findall(f"{SPACE}resource"):
        below = path + "/" + resource.get("path").strip("/")
        for method in resource.findall(f"{SPACE}method"):
            yield method.get("name"), below, method
        yield from methods_of(resource, below)


@pytest.mark.parametrize("path", ["", "/"])
def test_the_service_describes_every_transaction(path):
    answer = options(path, Accept=WADL)
    assert answer.status_code == 200 and answer.headers["content-type"] == WADL
    [resources] = ElementTree.fromstring(answer.content).findall(f"{SPACE}resources")
    assert resources.get("base") == "http://pacs.test/dicom-web"
    found = {(name, where) for name, where, _ in methods_of(resources)}
    assert found == {(one.method, one.path.replace(":path}", "}")) for one in TRANSACTIONS}


def test_a_method_says_what_it_takes_and_gives():
    [resources] = ElementTree.fromstring(options("/").content).findall(f"{SPACE}resources")
    described = {(name, where): method for name, where, method in methods_of(resources)}
    search = described["GET", "/studies"]
    queries = {param.get("name") for param in search.iter(f"{SPACE}param") if param.get("style") == "query"}
    assert {"limit", "offset", "includefield", "fuzzymatching", "PatientName", "StudyDate"} <= queries
    assert "SOPInstanceUID" not in queries
    given = [one.get("mediaType") for one in search.find(f"{SPACE}response")]
    assert 'multipart/related; type="application/dicom+xml"' in given and "application/dicom+json" in given
    taken = [one.get("mediaType") for one in described["POST", "/studies"].find(f"{SPACE}request")]
    assert "application/dicom" in taken and 'multipart/related; type="application/dicom+json"' in taken
    assert "application/zip" in [one.get("mediaType") for one in described["GET", "/studies/{study}"].iter()]


def test_pictures_are_described_with_their_parameters():
    [resources] = ElementTree.fromstring(options("/").content).findall(f"{SPACE}resources")
    described = {(name, where): method for name, where, method in methods_of(resources)}
    study, thumbnail = (described["GET", "/studies/{study}" + end] for end in ("/rendered", "/thumbnail"))
    for one in (study, thumbnail):
        assert {"viewport", "window", "quality"} <= {param.get("name") for param in one.iter(f"{SPACE}param")}
    assert {one.get("mediaType").partition(";")[0] for one in study.find(f"{SPACE}response")} == {"multipart/related"}
    assert "image/png" in [one.get("mediaType") for one in thumbnail.find(f"{SPACE}response")]


def test_the_same_as_json():
    described = options("/", Accept="application/json").json()["application"]["resources"]
    assert described["base"] == "http://pacs.test/dicom-web"
    [studies] = [one for one in described["resource"] if one["path"] == "studies"]
    assert [one["name"] for one in studies["method"]] == ["GET", "POST"]
    assert "application/dicom+json" in studies["method"][0]["response"]["representation"]


def test_a_resource_describes_itself_when_asked_and_else_names_its_methods():
    answer = options("/studies/1.2", Accept=WADL)
    [resources] = ElementTree.fromstring(answer.content).findall(f"{SPACE}resources")
    found = {where for _, where, _ in methods_of(resources)}
    assert "/studies/{study}/series" in found and all(where.startswith("/studies/{study}") for where in found)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    plain = options("/studies/1.2")
    assert plain.status_code == 204 and plain.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_description_in_another_form_is_refused():
    answer = options("/", Accept="text/html")
    assert answer.status_code == 406 and answer.json()["acceptable"] == [WADL, "application/json"]


def test_nothing_is_deleted_over_the_web():
    for path in ("/studies/1.2", "/studies/1.2/series/1.3", "/studies/1.2/series/1.3/instances/1.4"):
        answer = Web().request("DELETE", "/dicom-web" + path)
        assert answer.status_code == 405 and "DELETE" not in answer.headers["allow"]
