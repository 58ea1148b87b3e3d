"""What FHIR searches look up: a row for each value that a search parameter finds in a resource."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# The number by which references lead to a resource, as fhir.search.keys computes it.
NAMES = """
alter table fhir_resource add column key bigint generated always as (
    ('x' || substr(encode(sha256((type || '/' || id)::bytea), 'hex'), 1, 16))::bit(64)::bigint) stored;
create index fhir_resource_key on fhir_resource (key);
create index fhir_resource_type on fhir_resource (type, pk) include (organisation) where not deleted;
"""

# `param` is the number of a parameter's name (fhir.search.keys). `position` is 0, or tells which components of a
# composite belong together. Widest columns first: there are some twenty of these rows for each resource.
# An index by value holds what a search needs, with the resource before what only filters: searches walk it in the order
# of their pages. The index by resource is small, as its keys repeat.
VALUES = """
create table fhir_token (
    resource bigint not null, code bigint not null, system bigint not null,
    param integer not null, organisation integer not null, position smallint not null
);
create index fhir_token_value on fhir_token (param, code, resource, system, organisation);
create index fhir_token_resource on fhir_token (resource);

create table fhir_reference (
    resource bigint not null, target bigint not null,
    param integer not null, organisation integer not null, position smallint not null
);
create index fhir_reference_value on fhir_reference (param, target, resource, organisation);
create index fhir_reference_resource on fhir_reference (resource);

create table fhir_string (
    resource bigint not null, exact bigint not null,
    param integer not null, organisation integer not null, position smallint not null, value text collate "C" not null
);
create index fhir_string_value on fhir_string (param, value, resource, organisation);
create index fhir_string_resource on fhir_string (resource);

create table fhir_uri (
    resource bigint not null, param integer not null, organisation integer not null, position smallint not null,
    value text collate "C" not null
);
create index fhir_uri_value on fhir_uri (param, value, resource, organisation);
create index fhir_uri_resource on fhir_uri (resource);

create table fhir_date (
    resource bigint not null, low bigint not null, high bigint not null,
    param integer not null, organisation integer not null, position smallint not null
);
create index fhir_date_low on fhir_date (param, low, high, resource, organisation) where position = 0;
create index fhir_date_high on fhir_date (param, high, low, resource, organisation) where position = 0;
create index fhir_date_resource on fhir_date (resource);

create table fhir_number (
    resource bigint not null, system bigint not null, code bigint not null, unit bigint not null,
    param integer not null, organisation integer not null, position smallint not null,
    low numeric not null, high numeric not null
);
create index fhir_number_low on fhir_number (param, low, high, resource, organisation) where position = 0;
create index fhir_number_high on fhir_number (param, high, low, resource, organisation) where position = 0;
create index fhir_number_resource on fhir_number (resource);
"""

# A code says which parameter it stands under: without this the planner multiplies two chances that are one.
STATISTICS = """
create statistics fhir_token_codes (dependencies, ndistinct) on param, code from fhir_token;
create statistics fhir_reference_targets (dependencies, ndistinct) on param, target from fhir_reference;
"""

TEXTS = """
create table fhir_text (
    resource bigint primary key, organisation integer not null, narrative tsvector not null, content tsvector not null
);
create index fhir_text_narrative on fhir_text using gin (narrative);
create index fhir_text_content on fhir_text using gin (content);
"""

# Rows come and seldom change: statistics and the visibility map must follow sooner than a fifth of the table.
UPKEEP = "".join(f"""
alter table {table} set (autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
""" for table in ("fhir_token", "fhir_reference", "fhir_string", "fhir_uri", "fhir_date", "fhir_number"))

# With this the links to next pages are signed, by whichever process made them.
SIGNING = """
create table fhir_search_secret (secret bytea not null);
insert into fhir_search_secret select sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea);
"""

GRANTS = """
grant select, insert, update, delete on
    fhir_token, fhir_reference, fhir_string, fhir_uri, fhir_date, fhir_number, fhir_text to pacsd_app;
grant select on fhir_search_secret to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (NAMES, VALUES, STATISTICS, TEXTS, UPKEEP, SIGNING, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
