"""Organisations and AEs that are registered while the server runs; events of subscriptions, numbered and kept."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Nothing here is deleted: what is no more has neither caller nor remote, so that an earlier fact that is applied once
# more changes nothing. `said_at` is when an entry was last said; `keeper` is who may say another.
# Whoever changes any of it holds the row of `register`, and counts its version up: by that others see that it changed.
REGISTER = """
create table register (
    one boolean primary key default true check (one),
    version bigint not null
);
insert into register values (true, 0);

create table registered_organisation (
    organisation integer primary key references organisation,
    keeper integer not null references organisation,
    active boolean not null,
    said_at timestamptz not null
);

create table registered_ae (
    pk integer generated always as identity primary key,
    organisation integer not null references organisation,
    title text collate "C" not null,
    keeper integer not null references organisation,
    caller jsonb,
    remote jsonb,
    said_at timestamptz not null,
    unique (organisation, title)
);
grant select, insert, update on register, registered_organisation, registered_ae to pacsd_app;
"""

# What topics and WebSockets tell: of a subscription `events` are numbered so far, `sent` is the last that its end point
# took, and `heard_at` when it last took anything. A binding lets who knows its token hear subscriptions for a while.
EVENTS = """
alter table fhir_subscription
    add column events bigint not null default 0,
    add column sent bigint not null default 0,
    add column heard_at timestamptz not null default now();

create table fhir_subscription_event (
    subscription bigint not null references fhir_subscription on delete cascade,
    number bigint not null,
    type text collate "C" not null,
    id text collate "C" not null,
    version integer not null,
    at timestamptz not null,
    noted_at timestamptz not null default now(),
    primary key (subscription, number)
);

create table fhir_binding (
    digest bytea primary key,
    subscriptions text[] collate "C" not null,
    organisation integer not null references organisation,
    expires_at timestamptz not null
);
grant select, insert, update, delete on fhir_subscription_event, fhir_binding to pacsd_app;
"""

# A step is about a study, which may come or go after it.
WORKITEMS = """
create index workitem_study on workitem (study_instance_uid, organisation) where study_instance_uid is not null;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (REGISTER, EVENTS, WORKITEMS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
