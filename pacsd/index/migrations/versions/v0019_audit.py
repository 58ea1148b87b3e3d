"""What was recorded of accesses: events as they are searched, how far each chain was read, what repositories have."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# An event is found by when it was recorded and by what it is about: its participants and objects are keys of one
# narrow table, in the order of time for each key. Nothing is ever changed or removed by the application: it may not.
EVENTS = """
create table audit_event (
    pk bigint generated always as identity primary key,
    recorded timestamptz not null,
    writer text collate "C" not null,
    number bigint not null,
    event text collate "C" not null,
    action text collate "C" not null,
    outcome smallint not null,
    subtypes text[] collate "C" not null default '{}',
    body text not null,
    unique (writer, number)
);
create index audit_event_recorded on audit_event (recorded desc, pk desc);

create table audit_key (
    key text collate "C" not null,
    recorded timestamptz not null,
    event bigint not null references audit_event,
    primary key (key, recorded, event)
);
"""

# `body` of the last anchor is read back to chain the next one. `problem`: why a chain is not read further.
PLACES = """
create table audit_chain (
    writer text collate "C" primary key,
    segment integer not null,
    offset_bytes bigint not null,
    number bigint not null,
    digest bytea not null,
    ended boolean not null default false,
    problem text not null default ''
);
create table audit_anchor (
    number bigint primary key,
    digest bytea not null,
    made_at timestamptz not null
);
create table audit_delivery (
    repository text collate "C" primary key,
    event bigint not null,
    updated_at timestamptz not null default now()
);
"""

GRANTS = """
grant select, insert on audit_event, audit_key to pacsd_app;
grant select, insert, update on audit_chain, audit_delivery to pacsd_app;
grant select, insert on audit_anchor to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (EVENTS, PLACES, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
