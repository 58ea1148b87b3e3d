"""Telling when a study seems complete: nothing of it has come for a while, and no exam goes on."""

from pacsd.index import outbox
from pacsd.index.connect import Connection, Pool, lent, retried

STUDY_COMPLETED = "study.completed"

# A performed step that goes on, or misses instances, speaks for its study; not for ever, should its end never be told.
_QUIET = """
update study set changed = false
where pk in (
    select pk from study s where changed and last_received_at < now() - make_interval(secs => %s)
        and not exists (select from performed_step t where t.organisation = s.organisation
            and t.study_instance_uids @> array[s.study_instance_uid] and t.changed_at > now() - interval '1 day'
            and (t.state = 'IN PROGRESS' or (t.state = 'COMPLETED' and not t.told)))
    order by study_instance_uid, organisation limit %s for no key update skip locked)
returning organisation, study_instance_uid, instances
"""
_LONG_QUIET = """
update study set changed = false where changed and last_received_at < now() - make_interval(secs => %s)
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


def pass_over(pool: Pool, *, quiet_s: float) -> int:
    """Take studies of which nothing has come for so long as told of, as a rebuild finds them; how many."""
    with lent(pool) as connection:
        return connection.execute(_LONG_QUIET, (quiet_s,)).rowcount
