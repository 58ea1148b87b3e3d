"""Reading records costs what is new of them, however many processes wrote some; columns nobody read are gone."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# `anchored`: the number of the record that the last anchor of the chain names. Chains that have ended, which are nearly
# all of them, stand in neither index. A key is written in the transaction of its event, and neither is ever removed, so
# that looking for each key's event once more found nothing and cost half of it. Searches begin with keys: nobody looks
# for events by their time alone.
STATEMENTS = """
alter table audit_chain add column anchored bigint not null default 0;
create index audit_chain_open on audit_chain (writer) where not ended and problem = '';
create index audit_chain_moved on audit_chain (writer) where number <> anchored;
alter table audit_key drop constraint audit_key_event_fkey;
drop index audit_event_recorded;
alter table audit_anchor drop column made_at;
alter table audit_delivery drop column updated_at;
"""


def upgrade() -> None:
    """Change everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(STATEMENTS.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
