"""What the index says of workitems, subscribers and performed steps, compared with their records (`pacsd check`)."""

from collections.abc import Iterator

from pacsd.faults import Fault, PacsdError
from pacsd.index import workitems as rows
from pacsd.index.connect import Pool
from pacsd.index.workitems import Recorded
from pacsd.workflow.records import Records


class Check:
    """Reads every record that counts; changes nothing. Superseded ones are harmless, and so are those of changes that
    did not come about."""

    def __init__(self, pool: Pool, records: Records) -> None:
        self._pool = pool
        self._records = records

    def run(self) -> Iterator[tuple[str, str]]:
        """Keys of records, and what is wrong with them."""
        for one in rows.recorded(self._pool):
            problem = self._problem(one)
            if problem and rows.is_recorded(self._pool, one.record):     # and not superseded meanwhile
                yield one.record, problem

    def _problem(self, one: Recorded) -> str:
        try:
            kind, organisation, name, revision = self._records.says(one.record)
        except PacsdError as error:
            return "missing" if error.fault is Fault.NOT_FOUND else f"corrupt: {error.message}"
        if (kind, organisation, name) != (one.kind, self._records.code(one.organisation), one.name):
            return f"corrupt: it is not that of {one.kind} {one.name}"
        if one.revision is not None and revision != one.revision:
            return f"corrupt: it is revision {revision} of {one.name}, not {one.revision}"
        return ""
