"""Two pages beside Orthanc's DICOMweb, served by its own plug-in for folders: OHIF as it comes, and our film page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

from pacsd.commands.viewer_bundle import own_config, unpack
from tests.bench.peers import Server
from tests.synthetic import Study

OWN = (  # what our configuration does to the viewer's start, and OHIF's own way
    (b"extensions: [quickStart]", b"extensions: []"),
    (b"thumbnailRendering: 'thumbnail'", b"thumbnailRendering: 'wadors'"),
)


def put_beside(orthanc: Server, ours: Server, package: Path, studies: Iterable[Study]) -> None:
    """Fill the folders that Orthanc serves below /viewer and /film. Its DICOMweb has the path of ours.

    OHIF is what its users get from the registry, only moved to this path and wired to Orthanc's DICOMweb: what our
    installation does to shorten its start is ours.
    """
    config = own_config()
    for own, theirs in OWN:
        if own not in config:
            raise RuntimeError("the viewer's configuration shortens its start otherwise")
        config = config.replace(own, theirs)
    viewer = orthanc.folder / "viewer"
    unpack(package, viewer, app_config=config, as_it_comes=True)
    for twin in viewer.rglob("*.gz"):
        twin.unlink()
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
