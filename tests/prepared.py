"""A PostgreSQL as `pacsd serve` makes it in an empty directory, made once by a process of tests and copied for servers.

To make one takes initdb and every migration, which are the same each time. `Server(fresh=True)` does without.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster


def put_into(data: Path) -> None:
    """Make a data directory that holds one, as the supervisor would."""
    data.mkdir()
    data.chmod(0o711 if os.geteuid() == 0 else 0o700)
    subprocess.run(["cp", "--archive", str(_made()), str(data)], check=True)


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pacsd-prepared-"))
    folder.chmod(0o755)                  # PostgreSQL's own user passes through
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with Cluster(folder / "postgres", durable=False) as cluster:
        migrate(cluster.dsn)
    return folder / "postgres"
