"""The whole server: tags outlive packing, and parts and ZIPs are what other people's programs take them for."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import require
from tests.synthetic import ct_slice, study

STORED = {"Accept": "application/dicom; transfer-syntax=*"}
ZIP = {"Accept": "application/zip"}


@pytest.fixture
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


def stored(http: httpx.Client, seed: int, count: int) -> str:
    of = study(seed, 1)
    for number in range(1, count + 1):
        content = ct_slice(of, instance=number, rows=64, columns=64)
        assert http.post("/studies", content=content, headers={"Content-Type": "application/dicom"}).status_code == 200
    return f"/studies/{of.study_instance_uid}"


def packs_of(data: Path, uid: str) -> list[Path]:
    return [path for path in (data / "blobs" / "packs").rglob("*.zip") if uid.encode() in path.read_bytes()]


def test_packing_changes_no_tag(running_server, http):
    path = stored(http, 7001, 3)
    urls = [path]            # not the metadata of several: a pack has them in another order
    first = http.get(f"{path}/instances").json()[0]["00081190"]["Value"][0]
    urls += [first, f"{first}/metadata", f"{first}/frames/1", f"{first}/bulkdata/7FE00010"]
    tags = {url: http.get(url).headers["etag"] for url in urls}
    deadline = time.monotonic() + 60
    while not packs_of(running_server.data, path.rpartition("/")[2]):
        assert time.monotonic() < deadline, "not packed"
        time.sleep(0.1)
    for url, tag in tags.items():
        assert http.get(url, headers={"If-None-Match": tag}).status_code == 304, url


def test_a_late_arrival_changes_the_tags_of_what_it_belongs_to(http):
    path = stored(http, 7002, 1)
    urls = (f"{path}/metadata", path)
    tags = {url: http.get(url).headers["etag"] for url in urls}
    stored(http, 7002, 2)
    for url, tag in tags.items():
        assert http.get(url, headers={"If-None-Match": tag}).status_code == 200, url


def test_curl_resumes_a_download(http, tmp_path):
    require("curl")
    url = http.get(f"{stored(http, 7003, 1)}/instances").json()[0]["00081190"]["Value"][0]
    whole = http.get(url, headers=STORED).content
    file = tmp_path / "resumed.dcm"
    file.write_bytes(whole[:1000])
    curl = [shutil.which("curl"), "--silent", "--show-error", "--fail", "--continue-at", "-", "--output", str(file)]
    subprocess.run([*curl, "--header", f"Accept: {STORED['Accept']}", url], check=True, timeout=60)
    assert file.read_bytes() == whole


def test_unzip_takes_the_zip_of_a_study(http, tmp_path):
    require("unzip")
    path = stored(http, 7004, 3)
    file = tmp_path / "study.zip"
    file.write_bytes(http.get(path, headers=ZIP).content)
    subprocess.run(["unzip", "-q", str(file), "-d", str(tmp_path)], check=True, timeout=60)
    files = sorted((tmp_path / "DICOM" / "S0000001").iterdir())
    assert [one.name for one in files] == ["I0000001", "I0000002", "I0000003"]
    urls = [one["00081190"]["Value"][0] for one in http.get(f"{path}/instances").json()]
    assert {one.read_bytes() for one in files} == {http.get(url, headers=STORED).content for url in urls}
