"""What is opened to somebody, or denied, beside what whole organisations open to each other."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# organisation: whose data; grantee, grantee_subject, roles, purposes: to whom, empty where to anybody.
# About one study, or about a patient as an authority knows them: never by a key, for either may come later.
GRANT = """
create table access_grant (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    grantee integer references organisation,
    permits boolean not null,
    valid_from timestamptz not null,
    valid_until timestamptz,
    revoked_at timestamptz,
    name text collate "C" not null unique,
    kind text collate "C" not null,
    grantee_subject text collate "C" not null,
    roles text[] collate "C" not null,
    purposes text[] collate "C" not null,
    study_instance_uid text collate "C" not null,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    said_by text collate "C" not null,
    reason text collate "C" not null,
    check ((study_instance_uid <> '') <> (patient_id <> ''))
);
create index access_grant_grantee on access_grant (grantee) where revoked_at is null;
create index access_grant_owner on access_grant (organisation, pk);
"""

GRANTS = """
grant select, insert, update, delete on access_grant to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (GRANT, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
