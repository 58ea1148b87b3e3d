"""FHIR operations: code systems that are too large for a resource, and work that goes on after its request."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# `organisation` null: everybody's. A code system that is being loaded is not `ready`, and nobody sees it.
# Of a concept `above` are the keys of all concepts above it, at any distance; keys are in the order of the file.
TERMINOLOGY = """
create table fhir_code_system (
    pk integer generated always as identity primary key,
    organisation integer references organisation,
    url text collate "C" not null,
    version text collate "C" not null,
    ready boolean not null default false,
    header jsonb not null,
    concepts integer not null default 0,
    loaded_at timestamptz not null default now()
);
create index fhir_code_system_url on fhir_code_system (url);

create sequence fhir_concept_pk;
create table fhir_concept (
    pk bigint primary key,
    system integer not null references fhir_code_system on delete cascade,
    code text collate "C" not null,
    folded text collate "C" not null,
    searched text collate "C" not null,
    parents text[] collate "C" not null,
    above bigint[] not null,
    told jsonb not null
);
create index fhir_concept_code on fhir_concept (system, code);
create index fhir_concept_folded on fhir_concept (system, folded);
create index fhir_concept_order on fhir_concept (system, pk);
create index fhir_concept_above on fhir_concept using gin (above);
"""

# Work that was asked for and goes on after the request: `request` is what was asked, `state` where it stands after the
# last of its steps, `output` what is done. Whoever works on one holds it until `taken_until`, and says so again.
JOBS = """
create table fhir_job (
    id uuid primary key,
    kind text collate "C" not null,
    organisation integer not null references organisation,
    organisations integer[] not null,
    status text collate "C" not null default 'waiting',
    request jsonb not null,
    state jsonb not null default '{}',
    output jsonb not null default '[]',
    error text not null default '',
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    taken_until timestamptz not null default '-infinity'
);
create index fhir_job_waiting on fhir_job (created_at) where status = 'waiting';
create index fhir_job_expires on fhir_job (expires_at);
"""

# What subscriptions have seen: everything whose transaction `snapshot` saw done, of what was changed until `seen_at`.
# Notifications of one subscription are given out in the order of `pk`; one that fails holds up those behind it.
SUBSCRIPTIONS = """
create table fhir_subscription (
    resource bigint primary key references fhir_resource on delete cascade,
    organisation integer not null references organisation,
    version integer not null,
    type text collate "C" not null,
    snapshot pg_snapshot not null default pg_current_snapshot(),
    seen_at timestamptz not null default now(),
    failures integer not null default 0,
    due_at timestamptz not null default now(),
    taken_until timestamptz not null default '-infinity'
);
create table fhir_notification (
    pk bigint generated always as identity primary key,
    subscription bigint not null references fhir_subscription on delete cascade,
    type text collate "C" not null,
    id text collate "C" not null
);
create index fhir_notification_next on fhir_notification (subscription, pk);
"""

GRANTS = """
grant select, insert, update, delete on fhir_code_system, fhir_concept, fhir_job,
    fhir_subscription, fhir_notification to pacsd_app;
grant usage, update on sequence fhir_concept_pk to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (TERMINOLOGY, JOBS, SUBSCRIPTIONS, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
