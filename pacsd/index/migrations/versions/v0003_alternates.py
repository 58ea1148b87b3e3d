"""Packs that hold the instances of another pack in another coding."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# examined: whether an alternate was made, or there was nothing to make one of; only under a rule anybody asks
ALTERNATE = """
alter table pack add examined boolean not null default false;
create index pack_unexamined on pack (series) where not examined;

create table alternate (
    pack bigint primary key references pack on delete cascade,
    instances integer not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    key text collate "C" not null unique,
    sidecar_key text collate "C" not null unique
);
grant select, insert, update, delete on alternate to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(ALTERNATE.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
