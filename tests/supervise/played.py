"""A supervised program for the tests: roles that do as the notes in the data directory say.

python -m tests.supervise.played DATA [DSN] [GRACE_S]
"""

import os
import sys
import time
from pathlib import Path

from config.settings import Settings, SuperviseSettings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.roles import Role, RoleContext
from pacsd.supervise.supervisor import Supervisor


def note(context: RoleContext, word: str) -> None:
    with open(context.settings.data_dir / "notes", "a") as notes:
        notes.write(f"{word} {context.name}-{context.index} {os.getpid()}\n")


def steady(context: RoleContext) -> None:
    counted = context.metrics().counter("played_starts_total", "Starts.", role=context.name)
    counted.add()
    note(context, "started")
    context.ready()
    context.stopping.wait()
    note(context, "finished")


def stubborn(context: RoleContext) -> None:
    note(context, "started")
    context.ready()
    context.stopping.wait()
    if (context.settings.data_dir / "stubborn").exists():
        note(context, "ignores")
        time.sleep(600)


def in_use(context: RoleContext) -> None:
    if (context.settings.data_dir / "in_use").exists():
        raise OSError(98, "Address already in use")
    steady(context)


def prepare(dsn: str) -> None:
    folder = Path(sys.argv[1])
    if (folder / "away").exists():
        (folder / "away").unlink()
        raise PacsdError(Fault.UNAVAILABLE, "not there yet")
    if (folder / "broken").exists():
        raise PacsdError(Fault.INTERNAL, "the schema is broken")
    (folder / "prepared").write_text(dsn)


if __name__ == "__main__":
    settings = Settings(
        data_dir=Path(sys.argv[1]),
        http_port=0,
        dicom_port=0,
        mllp_port=0,
        database=sys.argv[2] if len(sys.argv) > 2 and sys.argv[2] else None,
        supervise=SuperviseSettings(grace_s=float(sys.argv[3]) if len(sys.argv) > 3 else 5.0),
    )
    roles = (Role("dimse", 2, steady), Role("web", 1, stubborn), Role("worker", 1, in_use))
    try:
        sys.exit(Supervisor(settings, roles, prepare=prepare, preload=("json",), durable=False).run())
    except PacsdError as error:
        sys.exit(f"error: {error.message}")
