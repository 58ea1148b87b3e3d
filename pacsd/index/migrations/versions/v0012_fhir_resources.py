"""FHIR resources: the newest version of each, and those that were before it."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# `pk` is given out in blocks (fhir.store.keys), so that all rows of a resource go in one round trip.
# `body` is the resource as it is given out, JSON in UTF-8, its id and meta in it; empty where it was deleted.
# `owner` is the feed whose word the resource is; empty: FHIR clients.
RESOURCES = """
create sequence fhir_resource_pk increment by 64;

create table fhir_resource (
    pk bigint primary key,
    organisation integer not null references organisation,
    version integer not null,
    updated timestamptz not null,
    deleted boolean not null,
    method text collate "C" not null,
    type text collate "C" not null,
    id text collate "C" not null,
    owner text collate "C" not null,
    body bytea not null
);
create unique index fhir_resource_name on fhir_resource (type, id);
create index fhir_resource_updated on fhir_resource (updated, pk);
create index fhir_resource_type_updated on fhir_resource (type, updated, pk);

create table fhir_version (
    resource bigint not null references fhir_resource on delete cascade,
    version integer not null,
    organisation integer not null references organisation,
    updated timestamptz not null,
    deleted boolean not null,
    method text collate "C" not null,
    type text collate "C" not null,
    id text collate "C" not null,
    owner text collate "C" not null,
    body bytea not null,
    primary key (resource, version)
);
create index fhir_version_updated on fhir_version (updated, resource);
create index fhir_version_type_updated on fhir_version (type, updated, resource);
"""

GRANTS = """
grant select, insert, update, delete on fhir_resource, fhir_version to pacsd_app;
grant usage on sequence fhir_resource_pk to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (RESOURCES, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
