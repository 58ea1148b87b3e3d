"""`pacsd terminology`, beside nothing else than the data directory."""

from pathlib import Path

import pytest

from pacsd.main import main
from tests.server import remove_folder, scratch_folder


@pytest.mark.slow
def test_a_code_system_is_loaded_listed_and_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pacsd.supervise.logs.configure", lambda *_, **__: None)
    folder = scratch_folder("pacsd-terminology-")

    def said(*arguments: str) -> tuple[int, list[str]]:
        status = main(["terminology", *arguments, "--data", str(folder / "data")])
        return status, capsys.readouterr().out.splitlines()

    try:
        table = Path(folder) / "icd.csv"
        table.write_text("编码,名称\nI10,高血压\n", encoding="gb18030")
        assert said("load", str(table)) == (1, [])
        assert said("load", str(table), "--url", "urn:icd", "--version", "2") == (0, ["loaded 1 concepts of urn:icd|2"])
        assert said("list") == (0, ["urn:icd\t2\t\t1"])
        assert said("remove", "urn:icd", "2") == (0, ["removed"])
        assert said("remove", "urn:icd", "2")[0] == 1
    finally:
        remove_folder(folder)
