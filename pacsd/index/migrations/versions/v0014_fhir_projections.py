"""Projections into FHIR: how far the archive was walked through, and resources that clients and the archive share."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# after: the key of the last subject that was projected; an index that is new, or was rebuilt, has no row.
SWEEP = """
create table fhir_sweep (
    kind text collate "C" primary key,
    after bigint not null default 0,
    finished boolean not null default false
);
"""

# owner 'shared <subject>': a client's resource about a subject of the archive, which both change
SHARED = """
create index fhir_resource_shared on fhir_resource (owner, organisation) where owner like 'shared %';
"""

# reports by whom they are about: a patient may be known by nothing else
REPORTS = """
create index diagnostic_report_patients on diagnostic_report using gin (patient_ids);
"""

GRANTS = """
grant select, insert, update, delete on fhir_sweep to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (SWEEP, SHARED, REPORTS, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
