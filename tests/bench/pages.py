"""Our two pages beside Orthanc's DICOMweb: the same files, served by its own plug-in for folders."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

from tests.bench.peers import Server
from tests.synthetic import Study


def put_beside(orthanc: Server, ours: Server, studies: Iterable[Study]) -> None:
    """Fill the folders that Orthanc serves below /viewer and /film. Its DICOMweb has the path of ours."""
    viewer = ours.folder / "data" / "viewer"
    shutil.copytree(
        viewer, orthanc.folder / "viewer", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.gz")
    )
    for one in studies:
        page = fetched(ours, f"/film/{one.study_instance_uid}")
        write(orthanc.folder / "film" / f"{one.study_instance_uid}.html", page)
        for address in set(re.findall(r'(?:href|src)="/(film/assets/[^"]+)"', page.decode())):
            write(orthanc.folder / address, fetched(ours, f"/{address}"))


def fetched(server: Server, path: str) -> bytes:
    """A file of ours, as it is without compression."""
    with urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=30) as answer:
        return bytes(answer.read())


def write(path: Path, data: bytes) -> None:
    """A file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
