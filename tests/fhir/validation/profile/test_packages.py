"""Profiles are found in a folder, as files and in packages."""

import gzip
import io
import tarfile
from pathlib import Path

from fhir.format import json
from fhir.validation.profile.packages import Packages


def definition(url: str, version: str = "1") -> bytes:
    return json.write({"resourceType": "StructureDefinition", "url": url, "version": version})


def packed(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))


def test_files_and_packages_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(definition("http://x.org/a"))
    (tmp_path / "readme.txt").write_text("no profile")
    packed(tmp_path / "b.tgz", {"package/b.json": definition("http://x.org/b", "2"), "package/package.json": b"{}",
                                "package/example/c.json": definition("http://x.org/c")})
    found = Packages(tmp_path)
    assert found.find("http://x.org/a") == found.find("http://x.org/a|1") is not None
    assert found.find("http://x.org/b|2") is not None and found.find("http://x.org/b|1") is None
    assert found.find("http://x.org/c") is None and found.refused == ()


def test_what_is_broken_is_named_and_does_not_hide_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"StructureDefinition {")
    (tmp_path / "b.tgz").write_bytes(gzip.compress(b"no archive" * 100)[:-20])
    (tmp_path / "c.json").write_bytes(definition("http://x.org/c"))
    found = Packages(tmp_path)
    assert [one.partition(":")[0] for one in found.refused] == ["a.json", "b.tgz"]
    assert found.find("http://x.org/c") is not None


def test_no_folder_has_no_profiles(tmp_path: Path) -> None:
    assert Packages(None).find("http://x.org/a") is None
    assert Packages(tmp_path / "nothing").find("http://x.org/a") is None
