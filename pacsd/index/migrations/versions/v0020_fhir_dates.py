"""Pages of a wide span of dates come from the newest resource on, whoever's the others are; a column nobody read."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Of what fulfils `le2020` the newest fifty are wanted. An index by the span gathers and sorts all of it, one by the
# resource alone leads past the rows of every other parameter; here those of one stand in order, with all that is asked.
WALKED = """
create index fhir_date_newest on fhir_date (param, resource, organisation, low, high) where position = 0;
"""

UNREAD = """
alter table fhir_code_system drop column loaded_at;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (WALKED, UNREAD):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
