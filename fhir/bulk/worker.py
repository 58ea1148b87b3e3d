"""Who works on jobs: one step after the other, in the role `worker`."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from fhir.store import jobs
from fhir.store.jobs import Job
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool

Step = Callable[[Job], bool]             # does one; whether there is more to do
Clear = Callable[[UUID], None]
AGAIN = (Fault.UNAVAILABLE, Fault.FULL)   # tried later

_log = logging.getLogger("fhir.bulk")


class Later(Exception):
    """A job waits for somebody else; nothing is wrong here."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """Steps by kind of job, and what removes what they put out."""

    pool: Pool
    steps: Mapping[str, Step]
    clears: tuple[Clear, ...]

    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does."""
        return ("work on FHIR jobs", 0.5, self.work), ("clear up FHIR jobs", 60.0, self.clear_up)

    def work(self) -> bool:
        """One step of the oldest job that nobody works on; whether there was one."""
        job = jobs.take(self.pool)
        if job is None:
            return False
        try:
            self.steps[job.kind](job)
        except Later:
            return True                      # held until its time is over; others go on
        except PacsdError as error:
            if error.fault in AGAIN:
                raise                    # held until its time is over, then tried again
            jobs.advance(self.pool, job.id, state=job.state, status=jobs.FAILED, error=error.message)
        except Exception as error:
            _log.error("a job failed", extra={"fault": "internal", "error": type(error).__name__})
            jobs.advance(self.pool, job.id, state=job.state, status=jobs.FAILED, error="processing failure")
        jobs.release(self.pool, job.id)
        return True

    def clear_up(self) -> bool:
        """Remove what expired or was cancelled."""
        for job in jobs.expired(self.pool):
            for clear in self.clears:
                clear(job)
            jobs.forget(self.pool, job)
        return False


def clear(blobs: BlobStore, prefix: str, job: UUID) -> None:
    """Remove all files of a job of the kind whose files are under a prefix."""
    blobs.delete([one.key for one in blobs.list(f"{prefix}{job}/")])
