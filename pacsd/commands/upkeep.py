"""`pacsd check`, `rebuild`, `backup` and `restore`: the archive does the work, this shows it."""

import argparse
from collections.abc import Callable, Iterator

from config.settings import Settings
from pacsd.commands.progress import progress_bar
from pacsd.commands.wiring import Archive, Finding, Progress, Wiring

Work = Callable[[Archive, Progress], Iterator[Finding]]


def check(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Every blob against the index, beside a running server if there is one."""
    return _show("checked", settings, wiring, lambda archive, progress: archive.check(progress), alone=False)


def rebuild(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """The index from blobs and journal alone."""
    return _show("rebuilt", settings, wiring, lambda archive, progress: archive.rebuild(progress), alone=True)


def backup(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Everything to a folder, beside a running server if there is one."""
    work: Work = lambda archive, progress: archive.backup(options.folder, progress)  # noqa: E731
    return _show("backed up", settings, wiring, work, alone=False)


def restore(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """A backup into an empty data directory."""
    work: Work = lambda archive, progress: archive.restore(options.folder, progress)  # noqa: E731
    return _show("restored", settings, wiring, work, alone=True)


def _show(word: str, settings: Settings, wiring: Wiring, work: Work, *, alone: bool) -> int:
    """Run it with a bar, list what it finds; 3 when it finds something."""
    found = 0
    with wiring.archive(settings, alone=alone) as archive, progress_bar(word) as bar:
        for finding in work(archive, bar.show):
            found += 1
            bar.line(f"{finding.key}: {finding.problem}")
        done = bar.done
    print(f"{word}: {done} objects, {found} problems")
    return 3 if found else 0
