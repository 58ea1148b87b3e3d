"""Performed procedure steps, storage commitment, and what AEs are still to be notified of."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# told: of a completed step, all its instances had come, and it was said; look_at: when to look for them again
PERFORMED_STEP = """
create table performed_step (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    revision integer not null,
    told boolean not null default false,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    finished_at timestamptz,
    look_at timestamptz not null default '-infinity',
    sop_instance_uid text collate "C" not null,
    state text collate "C" not null,
    record text collate "C" not null,
    study_instance_uids text[] collate "C" not null,
    attributes text not null,
    unique (sop_instance_uid, organisation)
) with (fillfactor = 70, toast_tuple_target = 512, autovacuum_vacuum_scale_factor = 0.05);
create index performed_step_awaited on performed_step (look_at) where state = 'COMPLETED' and not told;
create index performed_step_studies on performed_step using gin (study_instance_uids);
create index performed_step_changed on performed_step (changed_at);
"""

# repeated: the Transaction UID was in use, so nothing is committed to
COMMITMENT = """
create table commitment (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    repeated boolean not null default false,
    requested_at timestamptz not null,
    decided_at timestamptz,
    requester text collate "C" not null,
    transaction_uid text collate "C" not null,
    request text not null,
    failures text
) with (toast_tuple_target = 512);
create unique index commitment_transaction on commitment (transaction_uid, requester, organisation)
    where not repeated;
create index commitment_age on commitment (requested_at);
"""

# event: of the outbox, so that one that is handled twice notifies once
NOTIFICATION = """
create table notification (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    attempts integer not null default 0,
    event bigint,
    commitment bigint references commitment on delete cascade,
    queued_at timestamptz not null,
    due_at timestamptz not null,
    leased_until timestamptz,
    settled_at timestamptz,
    kind text collate "C" not null,
    state text collate "C" not null default 'waiting',
    ae_title text collate "C" not null,
    own_title text collate "C" not null,
    sop_instance_uid text collate "C" not null,
    holder text collate "C",
    problem text,
    body text not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create unique index notification_event on notification (event, ae_title, sop_instance_uid) where event is not null;
create index notification_waiting on notification (ae_title, organisation, pk) where state = 'waiting';
create index notification_commitment on notification (commitment) where commitment is not null;
create index notification_settled on notification (settled_at) where settled_at is not null;

-- an AE that could not be reached pauses, with all that waits for it
create table notification_pause (
    organisation integer not null references organisation,
    failures integer not null,
    due_at timestamptz not null,
    ae_title text collate "C" not null,
    primary key (ae_title, organisation)
);
"""

GRANTS = """
grant select, insert, update, delete on performed_step, commitment, notification, notification_pause to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (PERFORMED_STEP, COMMITMENT, NOTIFICATION, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
