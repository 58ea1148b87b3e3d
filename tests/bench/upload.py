"""STOW-RS in a process of its own: `python -m tests.bench.upload PORT PER_REQUEST FOLDER…`, a client for each folder.

The bodies are made before the clock starts and sent with one request in flight for each client. Prints seconds.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BOUNDARY = "bench-boundary-0123456789"
HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    "Accept": "application/dicom+json",
}
PART = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()


def bodies(folder: Path, per_request: int) -> list[bytes]:
    """The files of a folder as multipart/related bodies (PS3.18 10.5.1) of so many parts."""
    files = sorted(folder.iterdir())
    groups = [files[at : at + per_request] for at in range(0, len(files), per_request)]
    end = f"--{BOUNDARY}--\r\n".encode()
    return [b"".join(piece for one in group for piece in (PART, one.read_bytes(), b"\r\n")) + end for group in groups]


def send(port: int, requests: Sequence[bytes]) -> None:
    """Send one after the other. Raises RuntimeError unless all is stored."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300, blocksize=1 << 18)
    for body in requests:
        connection.request("POST", "/dicom-web/studies", body, HEADERS)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {said[:300]!r}")
    connection.close()


def main(port: int, per_request: int, folders: Sequence[Path]) -> float:
    """Seconds until all clients have all their answers."""
    clients = [bodies(folder, per_request) for folder in folders]
    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda requests: send(port, requests), clients))
    return time.perf_counter() - began


def timed(port: int, per_request: int, folders: Sequence[Path]) -> float:
    """Seconds, measured in a process of its own. Raises RuntimeError if anything was not stored."""
    command = [sys.executable, "-m", "tests.bench.upload", str(port), str(per_request), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"upload: {done.stderr[-500:]}")
    return float(done.stdout)


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2]), [Path(one) for one in sys.argv[3:]]))
