"""The command: what it prints, what it writes, and with what status it ends."""

import html.parser
import json
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.dicomweb import report
from conformance.dicomweb.checks import CHECKS, TRANSACTIONS
from conformance.dicomweb.run import Result
from conformance.judging import Outcome, chosen
from tests.server import Server as Ours


def test_list_prints_every_check_and_its_clause(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dicomweb", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS)
    assert any(line.startswith("retrieve.study ") and "PS3.18 10.4" in line for line in lines)


def test_a_run_without_failures_ends_with_0_and_writes_reports(
    running_server: Ours, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--report", str(tmp_path / "out.html"), "--json", str(tmp_path / "out.json")]
    assert main(["dicomweb", "--url", running_server.base_url, "--only", "search.key.study,frames.one", *files]) == 0
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["totals"] == {"pass": 10, "fail": 0, "not supported": 0, "not tested": 0}
    assert "search.key.study.PatientName" in {one["id"] for one in found["checks"]}
    assert "frames.one" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "Table 10.6.1-5" in capsys.readouterr().out


def test_no_server_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dicomweb", "--url", "http://127.0.0.1:9/dicom-web", "--only", "search"]) == 2
    assert "ConnectError" in capsys.readouterr().err


def test_nothing_chosen_ends_with_2() -> None:
    assert main(["dicomweb", "--url", "http://127.0.0.1:9/", "--only", "no.such.check"]) == 2
    assert main(["dicomweb"]) == 2


def test_a_failure_ends_with_1(running_server: Ours, capsys: pytest.CaptureFixture[str]) -> None:
    """The base URI is wrong, so searches hold what was asked of them and retrievals do not."""
    url = f"{running_server.base_url}/studies"
    assert main(["dicomweb", "--url", url, "--only", "search"]) == 2  # nothing can be stored there
    assert "not stored" in capsys.readouterr().err


def test_ids_are_chosen_by_beginning_or_pattern() -> None:
    assert {one.id.partition(".")[0] for one in chosen(CHECKS, ["search"])} == {"search"}
    assert {one.id for one in chosen(CHECKS, ["retrieve.unknown"])} == {
        "retrieve.unknown.study", "retrieve.unknown.series", "retrieve.unknown.instance"
    }  # fmt: skip
    assert {one.id for one in chosen(CHECKS, ["*.charset*"])} >= {"metadata.charset-invalid"}
    assert len(chosen(CHECKS, [])) == len(CHECKS)


def _run() -> report.Run:
    outcomes = list(Outcome)
    results = [Result(check, outcomes[at % 4], "<script>alert(1)</script>") for at, check in enumerate(CHECKS)]
    return report.Run("http://x/<b>", "server & co", "2026-11-25T00:00:00+00:00", results)


def test_the_page_stands_alone_and_escapes_what_servers_say() -> None:
    page = report.as_html(_run())
    assert "<script" not in page and "&lt;script&gt;" in page and "http://x/&lt;b&gt;" in page
    seen: list[str] = []

    class Tags(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.extend([tag, *(name for name, _ in attrs)])

    Tags().feed(page)
    assert not {"script", "link", "img", "src", "href"} & set(seen)
    assert all(one.title in page.replace("&amp;", "&") for one in TRANSACTIONS)


def test_a_failing_run_counts_in_the_summary() -> None:
    run = _run()
    assert str(run.count(Outcome.FAIL)) in report.summary(run).splitlines()[-1]
    assert sum(run.count(one) for one in Outcome) == len(CHECKS)
