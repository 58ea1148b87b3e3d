"""Who signs in, which programs act for them, and what was granted. Of secrets there are hashes, or sealed bytes."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# `secret`: SHA-256 of a secret of 256 random bits. `scopes`: what it may ask for; `roles`: what it is when it acts for
# itself. `certificate`: thumbprint of the one that it shows (RFC 8705 2.2).
CLIENTS = """
create table oauth_client (
    client_id text collate "C" primary key,
    organisation integer not null references organisation,
    name text not null,
    method text collate "C" not null,
    secret bytea,
    keys jsonb,
    keys_url text,
    certificate text collate "C",
    redirect_uris text[] collate "C" not null default '{}',
    scopes text[] collate "C" not null default '{}',
    roles text[] collate "C" not null default '{}',
    grants text[] collate "C" not null default '{}',
    trusted boolean not null default false,
    launches boolean not null default false,
    made_at timestamptz not null default now(),
    removed_at timestamptz
);
"""

# `username` is folded. `second_factor`: the sealed secret of TOTP, `confirmed` once a code of it was shown; `last_step`
# is the newest time step that a code was taken of, so that none is taken twice.
USERS = """
create table oauth_user (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    username text collate "C" not null unique,
    name text not null,
    password text not null,
    roles text[] collate "C" not null,
    patient_authority text,
    patient_id text,
    fhir_user text not null default '',
    locked boolean not null default false,
    totp bytea,
    totp_confirmed boolean not null default false,
    totp_step bigint not null default 0,
    made_at timestamptz not null default now(),
    password_at timestamptz not null default now()
);
create table oauth_attempt (
    subject bytea not null,
    address text collate "C" not null,
    failures integer not null default 0,
    until timestamptz not null default '-infinity',
    last_at timestamptz not null default now(),
    primary key (subject, address)
);
create index oauth_attempt_last on oauth_attempt (last_at);
create table oauth_device (
    id bytea primary key,
    user_pk bigint not null references oauth_user on delete cascade,
    seen_at timestamptz not null default now()
);
"""

# `level`: what of signing in is done; a session is one only at `full`.
SESSIONS = """
create table oauth_session (
    id bytea primary key,
    number uuid not null unique,
    user_pk bigint not null references oauth_user on delete cascade,
    level text collate "C" not null,
    methods text[] collate "C" not null,
    address text not null,
    agent text not null,
    made_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index oauth_session_user on oauth_session (user_pk);
create index oauth_session_expires on oauth_session (expires_at);
"""

# A grant is what a person allowed a client; its codes and refresh tokens are a family that falls together.
GRANTS = """
create table oauth_grant (
    id uuid primary key,
    client_id text collate "C" not null references oauth_client,
    user_pk bigint not null references oauth_user on delete cascade,
    session bytea references oauth_session on delete set null,
    offline boolean not null,
    scopes text[] collate "C" not null,
    audience text[] collate "C" not null,
    patient_authority text,
    patient_id text,
    patient text not null default '',
    encounter text not null default '',
    nonce text not null default '',
    methods text[] collate "C" not null,
    signed_in_at timestamptz not null,
    made_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_why text
);
create index oauth_grant_user on oauth_grant (user_pk);
create index oauth_grant_client on oauth_grant (client_id);
create index oauth_grant_session on oauth_grant (session);
create index oauth_grant_expires on oauth_grant (expires_at);
create table oauth_code (
    hash bytea primary key,
    grant_id uuid not null references oauth_grant on delete cascade,
    redirect_uri text not null,
    challenge text not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index oauth_code_grant on oauth_code (grant_id);
create table oauth_refresh (
    hash bytea primary key,
    grant_id uuid not null references oauth_grant on delete cascade,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index oauth_refresh_grant on oauth_refresh (grant_id);
create table oauth_launch (
    hash bytea primary key,
    client_id text collate "C" not null references oauth_client,
    organisation integer not null references organisation,
    username text collate "C" not null default '',
    patient_authority text,
    patient_id text,
    patient text not null default '',
    encounter text not null default '',
    expires_at timestamptz not null,
    used_at timestamptz
);
create index oauth_launch_expires on oauth_launch (expires_at);
"""

# What may be used once: ids of client assertions; and ids of tokens that were revoked alone.
ONCE = """
create table oauth_once (
    hash bytea primary key,
    expires_at timestamptz not null
);
create index oauth_once_expires on oauth_once (expires_at);
create table oauth_revoked (
    hash bytea primary key,
    expires_at timestamptz not null
);
create index oauth_revoked_expires on oauth_revoked (expires_at);
"""

KEYS = """
create table oauth_key (
    id text collate "C" primary key,
    public jsonb not null,
    sealed bytea not null,
    signs_from timestamptz not null,
    made_at timestamptz not null default now()
);
"""

APP = """
grant select, insert, update, delete on oauth_client, oauth_user, oauth_attempt, oauth_device,
    oauth_session, oauth_grant, oauth_code, oauth_refresh, oauth_launch, oauth_once, oauth_revoked, oauth_key
    to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (CLIENTS, USERS, SESSIONS, GRANTS, ONCE, KEYS, APP):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
