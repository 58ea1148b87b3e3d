"""Up to when everything that the journal says is known to be in effect."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MARK = """
create table caught_up (
    one boolean primary key default true check (one),
    reached timestamptz not null
);
grant select, insert, update on caught_up to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(MARK.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
