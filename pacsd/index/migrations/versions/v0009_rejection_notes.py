"""Rejection notes (IHE RAD-66): who sees what a note rejects, what is still to arrive, and legal holds."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# state: hidden (kept), awaited (named by a note and not received yet: the first arrival is kept, hidden),
# gone (its bytes were purged: it may not come back)
# shown_from: the least of pacsd.access.scope.Rejected whose readers see it all the same; 3: nobody does
# note: what is hidden is a rejection note itself, and `code` is its title; said_by: the note that rejects it
REJECTION = """
alter table rejection
    add column shown_from smallint not null default 3,
    add column state text collate "C" not null default 'hidden',
    add column note boolean not null default false,
    add column said_by text collate "C" not null default '',
    add column reason text not null default '';
update rejection set shown_from = 2 where code = '113001';
update rejection set state = 'gone' where series = 0;
create index rejection_awaited on rejection (rejected_at) where state = 'awaited' and not note;
create index rejection_expired on rejection (rejected_at) where code = '113039' and state = 'hidden' and not note;
create index rejection_newest on rejection (organisation, rejected_at desc);
"""

# Of what is hidden from most readers: notes, and what those see too who keep what was rejected for its quality.
SHOWN = """
alter table series add column notes integer not null default 0, add column kept integer not null default 0;
alter table study add column notes integer not null default 0, add column kept integer not null default 0;
update series r set kept = (select count(*) from rejection x where x.series = r.pk and x.shown_from = 2 and (
        exists (select from instance i where i.series = r.pk and i.sop_instance_uid = x.sop_instance_uid)
        or exists (select from locator l where l.series = r.pk and l.hash = x.hash)))
where exists (select from rejection x where x.series = r.pk and x.shown_from = 2);
update study s set kept = (select sum(r.kept) from series r where r.study = s.pk)
where exists (select from series r where r.study = s.pk and r.kept > 0);
"""

HOLD = """
create table legal_hold (
    organisation integer not null references organisation,
    held_at timestamptz not null,
    study_instance_uid text collate "C" not null,
    reason text not null,
    primary key (study_instance_uid, organisation)
);
grant select, insert, update, delete on legal_hold to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (REJECTION, SHOWN, HOLD):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
