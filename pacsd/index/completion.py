"""Telling when a study seems complete: nothing of it has come for a while."""

from pacsd.index import outbox
from pacsd.index.connect import Connection, Pool, retried

STUDY_COMPLETED = "study.completed"

_QUIET = """
update study set changed = false
where pk in (
    select pk from study where changed and last_received_at < now() - make_interval(secs => %s)
    order by study_instance_uid, organisation limit %s for no key update skip locked)
returning organisation, study_instance_uid, instances
"""


def complete_studies(pool: Pool, *, quiet_s: float, limit: int = 100) -> int:
    """Write `study.completed` for studies that received something, and then nothing for `quiet_s`; how many.

    A study that receives more afterwards is completed again, once.
    """

    def work(connection: Connection) -> int:
        with connection.transaction():
            quiet = connection.execute(_QUIET, (quiet_s, limit)).fetchall()
            for organisation, uid, instances in quiet:
                body = {"study_instance_uid": uid, "instances": instances}
                outbox.append(connection, organisation=organisation, topic=STUDY_COMPLETED, subject=uid, body=body)
        return len(quiet)

    return retried(pool, work)
