"""The film page's files as HTTP hands them out; how it works a browser shows (tests/browser)."""

import re
from html import unescape
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import pytest

from pacsd.access.asking import Access
from pacsd.access.principal import Principal
from pacsd.web.admission import Admission, Bearer
from pacsd.web.film import ASSETS, HISTORY, PAGE, digest
from pacsd.web.film_script import joined
from tests.web.fakes import Web


def source(name: str) -> str:
    return (files("pacsd.web") / "film" / name).read_text(encoding="utf-8")


def test_page_names_its_study_and_its_files() -> None:
    answer = Web().request("GET", "/film/1.2.840.1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-study="1.2.840.1"' in answer.text
    assert 'data-dicom-web="/dicom-web"' in answer.text
    assert "{{" not in answer.text
    named = set(re.findall(r'(?:href|src)="(/film[^"]+)"', answer.text))
    assert named == {f"/film/assets/{digest()}/{name}" for name in ASSETS if name != "history.js"}


def test_page_has_the_browser_ask_for_the_study_before_its_scripts_do() -> None:
    answer = Web().request("GET", "/film/1.2.840.1")
    early = [unescape(one) for one in re.findall(r'rel="preload" as="fetch" crossorigin href="([^"]+)"', answer.text)]
    assert [urlsplit(one).path for one in early] == ["/dicom-web/studies/1.2.840.1/series", "/dicom-web/studies"]
    assert parse_qs(urlsplit(early[1]).query)["StudyInstanceUID"] == ["1.2.840.1"]


@pytest.mark.parametrize("study", ["1.2%22%3e%3cscript%3e", "..%2f..", "1.2%0a", "x" * 65])
def test_what_is_no_uid_is_refused(study: str) -> None:
    answer = Web().request("GET", f"/film/{study}")
    assert answer.status_code in (400, 404)
    assert "<script" not in answer.text


def test_policy_allows_no_other_host_and_no_inline_script() -> None:
    answer = Web().request("GET", "/film/1.2")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;")
    assert "unsafe" not in policy and "http" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\bstyle=", answer.text)


@pytest.mark.parametrize("name", ASSETS)
def test_files_are_compressed_and_kept(name: str) -> None:
    web = Web()
    answer = web.request("GET", f"/film/assets/{digest()}/{name}", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.headers["content-type"] == ASSETS[name]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = web.request("GET", f"/film/assets/{digest()}/{name}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    text = joined(name, source) if name.endswith(".js") else source(name)
    assert plain.content == answer.content == text.encode()


def test_address_of_another_version_is_answered_but_not_kept() -> None:
    answer = Web().request("GET", "/film/assets/0000000000000000/film.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["film.html", "film.py", "..%2ffilm.py", "none.js"])
def test_nothing_else_is_handed_out(name: str) -> None:
    assert Web().request("GET", f"/film/assets/{digest()}/{name}").status_code == 404


def test_no_file_lies_about_that_no_page_uses() -> None:
    folder = files("pacsd.web") / "film"
    joined_ones: set[str] = set()
    for name in (one for one in ASSETS if one.endswith(".js")):
        script = Web().request("GET", f"/film/assets/{digest()}/{name}").text
        joined_ones |= {f"{one}.js" for one in re.findall(r"^const \$(\w+) = ", script, re.M)}
    assert {one.name for one in folder.iterdir()} == {*ASSETS, PAGE, HISTORY} | joined_ones


def test_whoever_is_nobody_has_nothing_asked_early() -> None:
    class Unasked:
        def known(self, principal: Principal) -> Access | None:
            raise AssertionError(principal)

        access = known

    page = Web(admission=Admission(Bearer(None), Unasked()))       # type: ignore[arg-type]
    answer = page.request("GET", "/film/1.2.840.1")
    assert answer.status_code == 200 and "preload" in Web().request("GET", "/film/1.2.840.1").text
    assert 'as="fetch"' not in answer.text and '<script type="module"' in answer.text


def test_what_is_asked_early_is_what_the_script_asks() -> None:
    page = unescape(Web().request("GET", "/film/1.2.840.1").text)
    script = source("dicomweb.js")
    early = [parse_qs(urlsplit(one).query) for one in re.findall(r'as="fetch" crossorigin href="([^"]+)"', page)]
    of_series, of_study = (re.search(form, script) for form in (r"fields = '([^']+)'", r"STUDY_FIELDS = \[(.+)\]"))
    assert of_series is not None and of_study is not None
    asked = [of_series[1], ",".join(re.findall(r"'(\w+)'", of_study[1]))]
    assert [one["includefield"] for one in early] == [[one] for one in asked]
