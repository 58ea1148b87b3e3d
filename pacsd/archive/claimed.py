"""Work on claimed series, one after the other: what fails in one is logged and rests, and holds up none of the others.

Packing, merging and whatever else a worker does to whole series goes through here.
"""

import logging
from collections.abc import Callable, Iterable

from pacsd.archive.worker import Backoff
from pacsd.faults import PacsdError
from pacsd.index.records import SeriesContent

LEASE_S = 900.0                          # how long a claim holds if its worker dies
log = logging.getLogger("pacsd.archive")


class ClaimedSeries:
    """Tries one kind of work on series that were claimed for it.

    `work` says whether the series is whole; a damaged one rests and stays claimed until its lease ends, so that a
    worker that knows nothing of it does not begin at once again.
    """

    def __init__(
        self, work: Callable[[SeriesContent], bool], release: Callable[[int], None], *, failed: str
    ) -> None:
        self._work = work
        self._release = release
        self._failed = failed
        self._backoff = Backoff()

    def run(self, claimed: Iterable[SeriesContent]) -> bool:
        """Try each that is not resting; whether there were any at all."""
        any_claimed = False
        for content in claimed:
            any_claimed = True
            if not self._backoff.resting(content.series):
                self._try(content)
        return any_claimed

    def _try(self, content: SeriesContent) -> None:
        try:
            whole = self._work(content)
        except Exception as error:       # whatever it is, the series claimed with this one must not wait for it
            _log_failure(self._failed, content, error, pause_s=self._backoff.failed(content.series))
            return
        if not whole:
            self._backoff.failed(content.series)
            return
        self._backoff.worked(content.series)
        self._release(content.series)


def _log_failure(what: str, content: SeriesContent, error: Exception, *, pause_s: float) -> None:
    """One line for what may pass; with its trace what should not have happened."""
    known = isinstance(error, PacsdError)
    fault = error.fault.value if isinstance(error, PacsdError) else type(error).__name__
    log.log(
        logging.WARNING if known else logging.ERROR, what,
        extra={"series": content.series_instance_uid, "fault": fault, "pause_s": pause_s}, exc_info=not known,
    )  # fmt: skip
