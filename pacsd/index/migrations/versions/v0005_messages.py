"""HL7 messages: the log of what came, the queues of what goes out; and patients that were merged."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# same: a repeat is the same control id of the same application with the same bytes
MESSAGES = """
create table hl7_message (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    received_at timestamptz not null,
    repeats integer not null default 0,
    reused boolean not null default false,
    state text collate "C" not null,
    sender text collate "C" not null,
    address text collate "C" not null,
    application text collate "C" not null,
    facility text collate "C" not null,
    control_id text collate "C" not null,
    message_type text collate "C" not null,
    condition text collate "C",
    location text collate "C",
    problem text,
    digest bytea not null,
    body bytea not null,
    answers bytea[] not null
) with (autovacuum_vacuum_scale_factor = 0.05);
create unique index hl7_message_same on hl7_message (control_id, application, facility, organisation, digest);
create index hl7_message_received on hl7_message (received_at);
create index hl7_message_refused on hl7_message (pk) where state = 'refused';

create table hl7_destination (
    name text collate "C" primary key,
    holder text collate "C",
    leased_until timestamptz,
    due_at timestamptz not null default '-infinity',
    failures integer not null default 0
);
create table hl7_outgoing (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    queued_at timestamptz not null,
    settled_at timestamptz,
    attempts integer not null default 0,
    destination text collate "C" not null references hl7_destination,
    state text collate "C" not null default 'waiting',
    control_id text collate "C" not null,
    message_type text collate "C" not null,
    problem text,
    body bytea not null,
    answer bytea
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index hl7_outgoing_waiting on hl7_outgoing (destination, pk) where state = 'waiting';
create index hl7_outgoing_settled on hl7_outgoing (settled_at) where settled_at is not null;
"""

# merged_into: as it was said; survivor: where that ends, after other merges. A study keeps whom its objects name.
MERGES = """
alter table patient add merged_into bigint references patient, add survivor bigint references patient;
create index patient_merged on patient (merged_into) where merged_into is not null;
create index patient_survivor on patient (survivor) where survivor is not null;
alter table study add named_patient bigint references patient;
create index study_named_patient on study (named_patient) where named_patient is not null;
"""

GRANTS = """
grant select, insert, update, delete on hl7_message, hl7_destination, hl7_outgoing to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (MESSAGES, MERGES, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
