"""Channels of event reports that end by themselves, and the pauses of subscribers that cannot be reached."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# channel_until: who holds the channel renews it; past it the channel is nobody's, as after a crash
# failures, due_at: of reports on associations that this server opens
CHANNELS = """
alter table subscriber
    add column channel_until timestamptz,
    add column failures integer not null default 0,
    add column due_at timestamptz not null default '-infinity';
update subscriber set channel = null;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(CHANNELS.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
