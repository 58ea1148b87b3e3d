"""Work to be done: workitems (unified procedure steps), who is subscribed to them, and what those are still to hear."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A workitem changes a few times in its life and is then deleted: `attributes` goes out of line, and only keys that a
# worklist is really searched by stand in indexes. The others are matched in the rows these leave.
WORKITEM = """
create table workitem (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    revision integer not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    finished_at timestamptz,
    birth_date date,
    sop_instance_uid text collate "C" not null,
    state text collate "C" not null,
    transaction_uid text collate "C",
    record text collate "C" not null,
    priority text collate "C",
    readiness text collate "C",
    worklist_label text collate "C",
    step_label text collate "C",
    start_at text collate "C",
    expected_at text collate "C",
    expires_at text collate "C",
    modified_at text collate "C",
    study_instance_uid text collate "C",
    patient_id text collate "C",
    patient_sex text collate "C",
    admission_id text collate "C",
    patient_alphabetic text collate "C",
    patient_ideographic text collate "C",
    patient_phonetic text collate "C",
    patient_pinyin text collate "C",
    station_names text[] collate "C" not null default '{}',
    station_classes text[] collate "C" not null default '{}',
    station_locations text[] collate "C" not null default '{}',
    performers text[] collate "C" not null default '{}',
    workitem_codes text[] collate "C" not null default '{}',
    accession_numbers text[] collate "C" not null default '{}',
    procedure_ids text[] collate "C" not null default '{}',
    replaced text[] collate "C" not null default '{}',
    attributes text not null,
    unique (sop_instance_uid, organisation)
) with (fillfactor = 70, toast_tuple_target = 512, autovacuum_vacuum_scale_factor = 0.05);

create index workitem_worklist on workitem (organisation, state, start_at, pk);
create index workitem_worklist_of_all on workitem (start_at, pk);
create index workitem_label on workitem (worklist_label, organisation, start_at) where worklist_label is not null;
create index workitem_patient_id on workitem (patient_id, organisation) where patient_id is not null;
create index workitem_patient on workitem (patient_alphabetic, organisation) where patient_alphabetic is not null;
create index workitem_station on workitem using gin (station_names) where station_names <> '{}';
create index workitem_accession_number on workitem using gin (accession_numbers) where accession_numbers <> '{}';
create index workitem_replaced on workitem using gin (replaced) where replaced <> '{}';
create index workitem_finished on workitem (finished_at) where finished_at is not null;

-- so that a client learns that its workitem was deleted, and did not mistype
create table workitem_gone (
    organisation integer not null references organisation,
    deleted_at timestamptz not null default now(),
    sop_instance_uid text collate "C" not null,
    primary key (sop_instance_uid, organisation)
);
create index workitem_gone_since on workitem_gone (deleted_at);
"""

# report: what one subscriber has still to hear, in the order of pk; deleted once its channel has taken it
SUBSCRIPTION = """
create table subscriber (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    revision integer not null default 0,
    ae_title text collate "C" not null,
    record text collate "C",
    channel text collate "C",
    worklist text collate "C",
    worklist_lock boolean not null default false,
    filter jsonb,
    reads integer[] not null default '{}',
    unique (ae_title, organisation)
);
create index subscriber_worklist on subscriber using gin (reads) where worklist is not null;

create table subscription (
    subscriber bigint not null references subscriber on delete cascade,
    workitem bigint not null references workitem on delete cascade,
    deletion_lock boolean not null,
    by_worklist boolean not null,
    primary key (workitem, subscriber)
);
create index subscription_subscriber on subscription (subscriber);

create table report (
    pk bigint generated always as identity,
    subscriber bigint not null references subscriber on delete cascade,
    organisation integer not null references organisation,
    created_at timestamptz not null default now(),
    body text not null,
    primary key (subscriber, pk)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index report_age on report (created_at);
"""

GRANTS = """
grant select, insert, update, delete on workitem, workitem_gone, subscriber, subscription, report to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (WORKITEM, SUBSCRIPTION, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
