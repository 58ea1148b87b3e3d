"""Which packs stand without what their alternates give back."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# thin: whether the pack of an alternate was made thin; false: it is not worth it; null: nobody decided. What is true
# stands among the blobs: this only keeps workers from looking at every pack again
THIN = """
alter table alternate add thin boolean;
create index alternate_undecided on alternate (pack) where thin is null;
create index alternate_thin on alternate (pack) where thin;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(THIN)


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
