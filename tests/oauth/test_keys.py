"""Keys that sign: published before they do, kept after, sealed in the index; and the file with the secret."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_keys
from pacsd.oauth.keys import SigningKeys
from pacsd.oauth.sealing import Sealer
from pacsd.oauth.secret_file import read_secret
from tests.oauth.house import House

DAY_S = 86_400.0


def test_keys_rotate_and_tokens_of_the_old_one_count_on(house: House) -> None:
    keys = house.provider.keys
    old = keys.sign({"n": 1}, kind="at+jwt")
    house.now[0] += 29.5 * DAY_S
    assert len(keys.document()["keys"]) == 2            # type: ignore[arg-type]
    assert key_id(keys.sign({"n": 2}, kind="at+jwt")) == key_id(old)
    house.now[0] += 1 * DAY_S
    new = keys.sign({"n": 3}, kind="at+jwt")
    assert key_id(new) != key_id(old)
    published = KeySet.import_key_set(keys.document())  # type: ignore[arg-type]
    assert [jwt.decode(one, published, algorithms=["RS256"]).claims["n"] for one in (old, new)] == [1, 3]
    house.now[0] += 29 * DAY_S
    assert key_id(old) not in {one["kid"] for one in keys.document()["keys"]}      # type: ignore[attr-defined]


def key_id(token: str) -> str:
    from pacsd.access.signed import _part

    return str(_part(token, 0)["kid"])


def test_processes_that_start_at_once_agree_on_one_key(house: House) -> None:
    with house.pool.connection() as connection:
        connection.execute("delete from oauth_key")

    def signer(_: int) -> str:
        own = SigningKeys(house.pool, house.provider.sealer, every=timedelta(days=30), bits=2048)
        return key_id(own.sign({}, kind="JWT"))

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(signer, range(4)))) == 1


def test_index_holds_no_private_key_and_no_secret_in_the_clear(house: House) -> None:
    house.provider.keys.document()
    for _, public, sealed, _ in oauth_keys.signing_keys(house.pool):
        assert set(public) == {"kid", "use", "alg", "kty", "n", "e"} and b'"d"' not in sealed
    with house.pool.connection() as connection:
        kept = str(connection.execute("select array_agg(c::text) from oauth_client c").fetchone())
        kept += str(connection.execute("select array_agg(u::text) from oauth_user u").fetchone())
    assert "correct horse" not in kept and house.secrets["his"] not in kept and "$argon2id$" in kept


def test_another_secret_opens_nothing() -> None:
    sealed = Sealer(b"a" * 32).seal("x", b"content")
    for sealer, purpose, content in ((Sealer(b"b" * 32), "x", sealed), (Sealer(b"a" * 32), "y", sealed),
                                     (Sealer(b"a" * 32), "x", sealed[:-1]), (Sealer(b"a" * 32), "x", b"")):  # fmt: skip
        with pytest.raises(PacsdError) as caught:
            sealer.open(purpose, content)
        assert caught.value.fault is Fault.INVALID
    assert Sealer(b"a" * 32).open("x", sealed) == b"content"


def test_secret_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: read_secret(None, tmp_path), range(8)))
    assert len(made) == 1
    file = tmp_path / "oauth-secret"
    assert file.stat().st_mode & 0o777 == 0o600 and os.listdir(tmp_path) == ["oauth-secret"]
    file.chmod(0o644)
    with pytest.raises(PacsdError):
        read_secret(None, tmp_path)
    for content in ("", "not base64", "c2hvcnQ="):
        other = tmp_path / "other"
        other.write_text(content)
        other.chmod(0o600)
        with pytest.raises(PacsdError):
            read_secret(other, tmp_path)
