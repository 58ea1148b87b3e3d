"""The programs that are measured, each as a context manager with the same face."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import answers, free_port, listens, start, stop, wait_until
from tests.server import Server as ServeCommand
from tests.server import session_members

ORTHANC_WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC_FOLDERS = ORTHANC_WEB.with_name("libServeFolders.so")
ORTHANC_GDCM = Path(os.environ.get("ORTHANC_GDCM", ORTHANC_WEB.with_name("libOrthancGdcm.so")))
PAGES = ("viewer", "film")  # folders whose files Orthanc serves below these names, beside its DICOMweb
MOVE_DESTINATION = "BENCHDEST"
NODELAY = {"TCP_NODELAY": "1"}  # DCMTK reads it, and Orthanc uses DCMTK's network code


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where to reach it and which process to weigh."""

    side: str
    ae_title: str
    dicom_port: int
    http_port: int
    folder: Path
    pid: int  # the root of its process tree
    move_port: int  # where it believes MOVE_DESTINATION listens
    more_pids: tuple[int, ...] = ()  # roots of what else belongs to it
    mllp_port: int = 0


def installed(side: str) -> bool:
    """Whether the program of that side is on this machine."""
    if side.startswith("orthanc"):
        return shutil.which("Orthanc") is not None and ORTHANC_WEB.exists()
    if side == "storescp":
        return shutil.which("storescp") is not None
    return True


@contextmanager
def pacsd(folder: Path, *, quiet_s: float = 60.0, move_port: int = 0) -> Iterator[Server]:
    """Ours, as `pacsd serve` runs it, with an embedded PostgreSQL in the folder."""
    move = move_port or free_port()
    with served(folder, config=pacsd_toml(move_port=move, quiet_s=quiet_s), move_port=move) as server:
        yield server


@contextmanager
def served(
    folder: Path,
    *,
    config: str,
    database: str | None = None,
    move_port: int = 0,
    more_pids: tuple[int, ...] = (),
) -> Iterator[Server]:
    """Ours with a configuration of the caller's, and perhaps a PostgreSQL of the caller's."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    arguments = ["--database", database] if database else []
    with ServeCommand(folder / "data", config=config, arguments=arguments, fresh=True) as started:
        ports = started.dicom_port, started.http_port
        yield Server("pacsd", "PACSD", *ports, folder, started.pid, move_port, more_pids, started.mllp_port)


def pacsd_toml(*, move_port: int, quiet_s: float) -> str:
    """A configuration with one remote AE to move to."""
    return f"""
[storage]
quiet_s = {quiet_s}

[[remote_aes]]
title = "{MOVE_DESTINATION}"
host = "127.0.0.1"
port = {move_port}
organisation = "default"
"""


@contextmanager
def orthanc(folder: Path, *, as_installed: bool = False, move_port: int = 0) -> Iterator[Server]:
    """Debian's Orthanc with its DICOMweb plug-in; `as_installed` only leaves TCP_NODELAY unset."""
    folder.mkdir(parents=True, exist_ok=True)
    http, dicom, move = free_port(), free_port(), move_port or free_port()
    for name in PAGES:
        (folder / name).mkdir(exist_ok=True)
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(orthanc_settings(folder, http=http, dicom=dicom, move=move)))
    process = start(["Orthanc", str(settings)], log=folder / "log", env={} if as_installed else NODELAY)
    try:
        ready = f"http://127.0.0.1:{http}/dicom-web/studies?limit=1"
        wait_until("Orthanc", lambda: answers(ready) and listens(dicom), process=process)
        side = "orthanc-as-installed" if as_installed else "orthanc"
        yield Server(side, "ORTHANC", dicom, http, folder, process.pid, move)
    finally:
        stop(process)


def orthanc_settings(folder: Path, *, http: int, dicom: int, move: int) -> dict[str, object]:
    """Debian's defaults but for ports, folders, peers, and no authentication."""
    return {
        "StorageDirectory": str(folder / "data"),
        "IndexDirectory": str(folder / "data"),
        "Plugins": [str(plug) for plug in (ORTHANC_WEB, ORTHANC_FOLDERS, ORTHANC_GDCM) if plug.exists()],
        "ServeFolders": {"AllowCache": True, "Folders": {f"/{name}": str(folder / name) for name in PAGES}},
        "HttpPort": http,
        "DicomPort": dicom,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "TcpNoDelay": True,
        "UnknownSopClassAccepted": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"dest": [MOVE_DESTINATION, "127.0.0.1", move]},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Host": f"127.0.0.1:{http}"},
    }


@contextmanager
def storescp(
    folder: Path, *, port: int = 0, keep: bool = True, options: tuple[str, ...] = ("--bit-preserving",)
) -> Iterator[Server]:
    """DCMTK's storescp, writing files without an index, or with `keep` false throwing them away."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    dicom = port or free_port()
    where = ["--output-directory", str(folder / "data")] if keep else ["--ignore"]
    command = ["storescp", *(options if keep else ()), "+xa", *where, "--fork", str(dicom)]
    process = start(command, log=folder / "log", env=NODELAY)
    try:
        wait_until("storescp", lambda: listens(dicom), process=process)
        yield Server("storescp", "STORESCP", dicom, 0, folder, process.pid, 0)
    finally:
        stop(process)


@contextmanager
def static_files(folder: Path) -> Iterator[Server]:
    """Starlette and uvicorn (uvloop, httptools) answering files with FileResponse: the floor of HTTP rows."""
    folder.mkdir(parents=True, exist_ok=True)
    http = free_port()
    command = [sys.executable, "-m", "tests.bench.static", str(folder), str(http)]
    process = start(command, log=folder.parent / "static.log", env={"PYTHONPATH": os.getcwd()})
    try:
        wait_until("static server", lambda: listens(http), process=process)
        yield Server("static", "", 0, http, folder, process.pid, 0)
    finally:
        stop(process)


@contextmanager
def replaying(upstream: Server) -> Iterator[Server]:
    """The answers of another server, given again from memory: the floor of the pages."""
    http = free_port()
    command = [sys.executable, "-m", "tests.bench.replay", f"127.0.0.1:{upstream.http_port}", str(http)]
    process = start(command, log=upstream.folder / "replay.log", env={"PYTHONPATH": os.getcwd()})
    try:
        wait_until("replaying server", lambda: listens(http), process=process)
        yield Server("floor", "", 0, http, upstream.folder, process.pid, 0)
    finally:
        stop(process)


PEERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "pacsd": pacsd,
    "orthanc": orthanc,
    "storescp": storescp,
}


@contextmanager
def running(side: str, folder: Path) -> Iterator[Server]:
    """The server of a side by its name, fresh in a folder."""
    if side == "orthanc-as-installed":
        with orthanc(folder, as_installed=True) as server:
            yield server
    else:
        with PEERS[side](folder) as server:
            yield server


@contextmanager
def only(servers: Mapping[str, Server], side: str) -> Iterator[Server]:
    """One of them, while the others stand still: what a worker has left to do is not the other's burden."""
    still = [pid for name, one in servers.items() if name != side for pid in session_members(one.pid)]
    _signalled(still, signal.SIGSTOP)
    try:
        yield servers[side]
    finally:
        _signalled(still, signal.SIGCONT)


def _signalled(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
