"""`pacsd export`: studies as files, as they are or de-identified (PS3.15 Annex E), with a report of what was done."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from config.deidentification import load_policy
from config.settings import Settings
from pacsd.archive.retrieve import read
from pacsd.commands.members import organisation_of
from pacsd.commands.progress import progress_bar
from pacsd.commands.project_key import project
from pacsd.commands.wiring import Archive, Wiring
from pacsd.deidentify import Deidentified
from pacsd.faults import Fault, PacsdError

SOME_REFUSED = 3
KEYS_FOLDER = "projects"                 # below the data directory
REPORT, REPORT_TEXT = "deidentification.jsonl", "deidentification.txt"
_UNSAFE = re.compile(r"[^0-9A-Za-z.]|^\.+")       # a UID may hold anything once it is received
_REFUSALS = frozenset((Fault.MALFORMED, Fault.UNSUPPORTED, Fault.TOO_MUCH))


def export(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Write the studies below the folder; 3 when some instances were refused, each with its reason."""
    if (options.deidentify is None) != (options.project is None):
        raise PacsdError(Fault.INVALID, "--deidentify and --project go together: a policy, and whose pseudonyms")
    code = organisation_of(options, settings)
    making = _deidentified(options, settings)
    folder: Path = options.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with wiring.archive(settings, alone=False) as archive, Files(folder, making) as files, \
                progress_bar("exported") as bar:  # fmt: skip
            for study in options.studies:
                for outcome in files.of_study(archive, code, study, options.series):
                    files.counts[outcome] += 1
                    bar.show(files.counts.total(), None)
    except OSError as error:
        raise PacsdError(Fault.UNAVAILABLE, f"{folder} cannot be written: {error.strerror}") from error
    print(f"{files.counts['exported']} exported, {files.counts['refused']} refused")
    return SOME_REFUSED if files.counts["refused"] else 0


def _deidentified(options: argparse.Namespace, settings: Settings) -> Deidentified | None:
    if options.deidentify is None:
        return None
    return Deidentified(load_policy(options.deidentify), project(settings.data_dir / KEYS_FOLDER, options.project))


class Files:
    """What is written: one file an instance, below its study and series, and the report.

    A file gets its name when it is whole. Files and report hold nothing that the policy takes out.
    """

    def __init__(self, folder: Path, making: Deidentified | None) -> None:
        self.counts: Counter[str] = Counter()
        self._folder, self._making = folder, making
        self._open = ExitStack()
        self._reports: tuple[TextIO, ...] = ()

    def __enter__(self) -> "Files":
        if self._making is not None:
            self._reports = tuple(
                self._open.enter_context((self._folder / name).open("a", encoding="utf-8"))
                for name in (REPORT, REPORT_TEXT)
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def of_study(self, archive: Archive, code: str, study: str, series: str | None) -> Iterator[str]:
        """Write one study; a word for each instance. Raises PacsdError NOT_FOUND."""
        scope = archive.directory.member(code).scope
        for one in archive.export.instances(scope, study, series):
            try:
                self._write(one)
                yield "exported"
            except PacsdError as error:
                if self._making is None or error.fault not in _REFUSALS:
                    raise
                self._refuse(self._making, one.ref.sop_instance_uid, error)
                yield "refused"

    def _write(self, one: Any) -> None:
        if self._making is None:
            ref = one.ref
            self._keep((ref.study_instance_uid, ref.series_instance_uid, ref.sop_instance_uid), read(one.part10.pieces))
            return
        outcome = self._making.of_part10(read(one.part10.pieces), default_issuer=one.assigning_authority)
        report = outcome.report
        self._keep(
            (report.study_instance_uid, report.series_instance_uid, report.sop_instance_uid), outcome.part10()
        )
        self._say(json.dumps(report.as_json()), report.as_text())

    def _keep(self, names: tuple[str, ...], chunks: Iterable[bytes]) -> None:
        study, series, instance = (_UNSAFE.sub("_", name) or "_" for name in names)
        target = self._folder / study / series / f"{instance}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_name(f".{target.name}.part")
        try:
            with made.open("wb") as out:
                out.writelines(chunks)
            made.replace(target)
        finally:
            made.unlink(missing_ok=True)

    def _refuse(self, making: Deidentified, sop_instance_uid: str, error: PacsdError) -> None:
        """To whoever runs the command by its own UID, in the report by that of the project."""
        print(f"{sop_instance_uid}: {error.message}", file=sys.stderr)
        uid = making.new_uid(sop_instance_uid)
        self._say(
            json.dumps({"sop_instance_uid": uid, "refused": error.message}),
            f"instance {uid}\n  refused: {error.message}\n",
        )

    def _say(self, *texts: str) -> None:
        for report, text in zip(self._reports, texts, strict=True):
            report.write(text if text.endswith("\n") else f"{text}\n")
