"""Security keys, and other authenticators of W3C Web Authentication, as second factors."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# `id`: the credential's (WebAuthn 4), nobody else's; `credential`: its public key, as Attested Credential Data (6.5.1).
# `sign_count`: the newest counter that it showed (6.1.1). `copied_at`: it showed an older one, and counts no more.
AUTHENTICATORS = """
create table oauth_authenticator (
    id bytea primary key,
    number uuid not null unique,
    user_pk bigint not null references oauth_user on delete cascade,
    name text not null,
    credential bytea not null,
    sign_count bigint not null,
    made_at timestamptz not null default now(),
    used_at timestamptz,
    copied_at timestamptz
);
create index oauth_authenticator_user on oauth_authenticator (user_pk);
grant select, insert, update, delete on oauth_authenticator to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(AUTHENTICATORS)


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
