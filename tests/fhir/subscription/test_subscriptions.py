"""Subscriptions against real end points: what is told, in which order, and what becomes of those that do not answer."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fhir.outgoing import Door, client
from fhir.restoration import Restoration
from fhir.store import subscriptions as rows
from fhir.subscription import channel
from fhir.subscription.channel import Channel, of
from fhir.subscription.service import MOST_FAILURES, Subscriptions
from pacsd.faults import Fault, PacsdError
from tests.fhir.house import House, opened


@dataclass
class Hook:
    """An end point: what it was told, and what it answers."""

    server: ThreadingHTTPServer
    told: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            made.told.append((self.command, self.path, dict(self.headers), body))
            self.send_response(made.status)
            self.send_header("Location", "http://169.254.169.254/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hook(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@dataclass
class Press:
    """A house and who tells its subscribers."""

    house: House
    service: Subscriptions

    def turn(self) -> None:
        with self.house.pool.connection() as connection:                      # as if every pause were over
            connection.execute("update fhir_subscription set due_at = now(), taken_until = '-infinity'")
        for one in self.service.settle():
            self.service.serve(one)

    def subscribe(self, endpoint: str, criteria: str = "Patient?gender=male", **more: Any) -> str:
        channel = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json", **more}
        channel = {name: value for name, value in channel.items() if value is not None}
        told = {"status": "requested", "reason": "test", "criteria": criteria, "channel": channel}
        answer = self.house.post("Subscription", {"resourceType": "Subscription", **told})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def status(self, ident: str) -> tuple[str, str]:
        told = self.house.get(f"Subscription/{ident}").json()
        return told["status"], told.get("error", "")

    def put(self, ident: str, gender: str = "male", **more: Any) -> None:
        answer = self.house.put(f"Patient/{ident}", {"resourceType": "Patient", "id": ident, "gender": gender, **more})
        assert answer.status_code in (200, 201), answer.text


@pytest.fixture
def press(database: str, tmp_path: Path) -> Iterator[Press]:
    with opened(database, tmp_path / "blobs") as house:
        scopes = {house.keys[code]: house.member(code).scope for code in house.keys}
        yield Press(house, Subscriptions(house.server, scopes.__getitem__, Door(("127.0.0.0/8",))))


def test_a_subscriber_is_told_of_what_fulfils_the_criteria_from_when_it_is_active(press: Press, hook: Hook) -> None:
    press.put("before")
    ident = press.subscribe(hook.url, header=["Authorization: Bearer x"])
    press.turn()
    assert press.status(ident) == ("active", "")
    press.put("a")
    press.put("b", gender="female")
    press.put("c")
    press.turn()
    assert [(method, path) for method, path, _, _ in hook.told] == [
        ("PUT", "/hook/Patient/a"), ("PUT", "/hook/Patient/c")]
    _, _, headers, body = hook.told[0]
    assert headers["Authorization"] == "Bearer x" and headers["Content-Type"] == "application/fhir+json"
    assert json.loads(body)["id"] == "a"
    press.turn()
    assert len(hook.told) == 2
    press.put("b", gender="male")
    press.turn()
    assert hook.told[-1][1] == "/hook/Patient/b" and len(hook.told) == 3


def test_without_payload_only_that_something_changed_is_told(press: Press, hook: Hook) -> None:
    press.subscribe(hook.url, payload=None)
    press.turn()
    press.put("a")
    press.turn()
    assert [(method, path, body) for method, path, _, body in hook.told] == [("POST", "/hook", b"")]


def test_a_change_that_commits_late_is_told(press: Press, hook: Hook) -> None:
    press.subscribe(hook.url)
    press.turn()
    with press.house.pool.connection() as connection, connection.transaction():
        connection.execute("""insert into fhir_resource (pk, organisation, version, updated, deleted, method, type, id,
            owner, body) select nextval('fhir_resource_pk'), organisation, 1, now(), false, 'PUT', 'Patient', 'late',
            '', '{"resourceType":"Patient","id":"late"}' from fhir_resource limit 1""")
        press.put("early")
        press.turn()
        press.turn()
    assert [path for _, path, _, _ in hook.told] == ["/hook/Patient/early"]
    (followed,) = rows.follows(press.house.pool)
    assert looked(press, followed) == ["late"] and looked(press, followed) == []


def looked(press: Press, followed: int, limit: int = rows.PAGE) -> list[str]:
    """What the next look finds, page by page."""
    found: list[str] = []
    seen: rows.Look | None = None
    scope = press.house.member("east").scope
    while True:
        with press.house.pool.connection() as connection, connection.transaction():
            seen = rows.look(connection, followed, seen)
            assert seen is not None
            page = rows.changed(connection, scope, "Patient", seen, deletions=True, limit=limit)
            found += [one.name.id for one in page]
            if len(page) < limit:
                rows.looked(connection, followed, seen)
                return found
            seen = seen._replace(after=(page[-1].updated, page[-1].pk))


def test_what_does_not_arrive_is_told_later_in_order_and_no_other_waits_for_it(press: Press, hook: Hook) -> None:
    ident, other = press.subscribe(hook.url), press.subscribe("http://127.0.0.1:1/nobody")
    press.turn()
    hook.status = 503
    press.put("a")
    press.put("b")
    press.turn()
    assert [path for _, path, _, _ in hook.told] == ["/hook/Patient/a"]
    hook.status = 200
    press.put("c")
    press.turn()
    assert [path for _, path, _, _ in hook.told[1:]] == [f"/hook/Patient/{one}" for one in "abc"]
    assert press.status(ident)[0] == "active" and press.status(other)[0] == "active"


def test_who_never_answers_is_given_up_with_the_reason(press: Press, hook: Hook) -> None:
    ident = press.subscribe(hook.url)
    press.turn()
    hook.status = 302
    press.put("a")
    for _ in range(MOST_FAILURES):
        press.turn()
    assert press.status(ident) == ("error", "the endpoint answered 302") and len(hook.told) == MOST_FAILURES
    press.turn()
    assert len(hook.told) == MOST_FAILURES and not rows.follows(press.house.pool)


def test_a_gone_end_point_is_given_up_at_once(press: Press, hook: Hook) -> None:
    ident = press.subscribe(hook.url)
    press.turn()
    hook.status = 410
    press.put("a")
    press.turn()
    assert press.status(ident)[0] == "error"


NEVER: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("Patient?nonsense=1", {}, "unknown here"), ("Nothing", {}, "resource type"),
    ("Patient?_include=Patient:link", {}, "neither include"), ("Patient", {"type": "email"}, "rest-hook"),
    ("Patient", {"payload": "application/fhir+xml"}, "payload"),
    ("Patient", {"header": ["Host: other"]}, "may not be set"), ("Patient", {"header": ["X: a\r\nY: b"]}, "header"),
    ("Patient", {"header": [": x"]}, "header"),
    ("Patient", {"endpoint": "file:///etc/passwd"}, "http or https"),
    ("Patient", {"endpoint": "http://u:p@example.org/"}, "http or https"),
    ("Patient", {"endpoint": "http://169.254.169.254/latest"}, "not opened"),
    ("Patient", {"endpoint": "http://10.0.0.1/"}, "not opened"),
    ("Patient", {"endpoint": "http://[::1]/"}, "not opened"),
    ("Patient", {"endpoint": "http://[::ffff:10.0.0.1]/"}, "not opened"),
    ("Patient", {"endpoint": "http://[64:ff9b::10.0.0.1]/"}, "not opened"),
    ("Patient", {"endpoint": "http://[2002:a00:1::]/"}, "not opened"),
    ("Patient", {"endpoint": "http://[::10.0.0.1]/"}, "not opened"),
    ("Patient", {"endpoint": "http://example.org:99999/"}, "http or https"),
    ("Patient", {"endpoint": "http://example.org:port/"}, "http or https"),
    ("Patient", {"endpoint": "http://[example.org/"}, "http or https"),
    ("Patient", {"endpoint": "http://:p@example.org/"}, "http or https"),
)  # fmt: skip


def test_what_will_never_be_told_is_an_error_at_once(press: Press, hook: Hook) -> None:
    idents = [press.subscribe(criteria=criteria, **{"endpoint": hook.url, **more}) for criteria, more, _ in NEVER]
    press.turn()
    for ident, (_, _, reason) in zip(idents, NEVER, strict=True):
        status, error = press.status(ident)
        assert status == "error" and reason in error, reason


def test_loopback_is_closed_unless_it_is_opened_and_names_are_looked_up() -> None:
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "224.0.0.1", "100.64.0.1", "fe80::1%lo"):
        with pytest.raises(PacsdError):
            Door().address(host, 80)

    def both(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    with pytest.raises(PacsdError) as raised:
        Door(resolve=both).address("rebinding.example", 80)
    assert raised.value.fault is Fault.REFUSED
    assert Door(("10.0.0.0/8",), resolve=both).address("rebinding.example", 80) == "93.184.216.34"
    with pytest.raises(PacsdError):
        of({"channel": "x"})


def test_a_subscription_ends_and_sees_only_what_its_organisation_sees(press: Press, hook: Hook) -> None:
    ident = press.subscribe(hook.url)
    press.turn()
    press.house.act_as(press.house.member("west"))
    press.put("theirs")
    press.turn()
    assert hook.told == []
    press.house.act_as(press.house.member("east"))
    told = press.house.get(f"Subscription/{ident}").json()
    assert press.house.put(f"Subscription/{ident}", {**told, "end": "2020-01-01T00:00:00Z"}).status_code == 200
    press.turn()
    press.put("a")
    press.turn()
    assert press.status(ident)[0] == "off" and hook.told == [] and not rows.follows(press.house.pool)
    press.house.delete(f"Subscription/{ident}")
    press.turn()


def test_one_that_cannot_be_worked_on_leaves_the_others_their_turn(press: Press, hook: Hook) -> None:
    mine = press.house.asker
    press.house.act_as(press.house.member("west"))
    press.subscribe("http://" + "a" * 70 + ".example/")                       # no name by its form
    press.house.act_as(mine)
    good = press.subscribe(hook.url)
    scope_of = press.service.scope_of

    def scope(key: int) -> Any:
        if key == press.house.keys["west"]:
            raise KeyError(key)          # an organisation that the settings no longer have
        return scope_of(key)

    press.service = replace(press.service, scope_of=scope)
    press.turn()
    press.put("a")
    press.turn()
    assert press.status(good)[0] == "active" and [path for _, path, _, _ in hook.told] == ["/hook/Patient/a"]


def test_a_turn_ends_in_time_and_goes_on_with_the_next(press: Press, hook: Hook) -> None:
    press.subscribe(hook.url)
    press.turn()
    for name in "abc":
        press.put(name)
    passed = iter(range(0, 1_000, 50))
    press.service = replace(press.service, monotonic=lambda: float(next(passed)))
    press.turn()
    assert [path for _, path, _, _ in hook.told] == ["/hook/Patient/a"]
    press.turn()
    press.turn()
    assert [path for _, path, _, _ in hook.told] == [f"/hook/Patient/{one}" for one in "abc"]


def test_who_answers_a_byte_at_a_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "DEADLINE_S", 0.3)
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as caller:
            caller.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            try:
                while not over.wait(0.02):
                    caller.sendall(b"x")
            except OSError:
                pass                     # the caller went away

    with socket.create_server(("127.0.0.1", 0)) as listening, client() as asking:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        begun = time.monotonic()
        where = Channel(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        with pytest.raises(PacsdError) as raised:
            channel.tell(asking, Door(("127.0.0.0/8",)), where, "Patient/a", b"")
        assert raised.value.fault is Fault.UNAVAILABLE and time.monotonic() - begun < 5
        over.set()
        thread.join()


def test_thousands_of_changes_at_once_are_found_once(press: Press, hook: Hook) -> None:
    ident = press.subscribe(hook.url)
    press.turn()
    with press.house.pool.connection() as connection:
        connection.execute("""insert into fhir_resource (pk, organisation, type, id, version, updated, deleted, method,
            owner, body) select -n, (select organisation from fhir_resource where id = %s), 'Patient', 'n' || n, 1,
            now(), false, 'PUT', '', '{}' from generate_series(1, 5001) n""", (ident,))  # fmt: skip
        [pk] = connection.execute("select pk from fhir_resource where id = %s", (ident,)).fetchone() or [0]
    found = looked(press, pk, 500)
    assert len(found) == len(set(found)) == 5001 and looked(press, pk, 500) == []


def test_a_look_that_another_has_finished_begins_anew(press: Press, hook: Hook) -> None:
    press.subscribe(hook.url)
    press.turn()
    (followed,) = rows.follows(press.house.pool)
    press.put("a")
    with press.house.pool.connection() as connection, connection.transaction():
        begun = rows.look(connection, followed)
    assert begun is not None and looked(press, followed) == ["a"]
    with press.house.pool.connection() as connection, connection.transaction():
        again = rows.look(connection, followed, begun)
    assert again is not None and again.since != begun.since and again.after is None


def test_changes_are_told_a_page_at_a_time_as_far_as_a_turn_goes(press: Press, hook: Hook) -> None:
    press.subscribe(hook.url)
    press.turn()
    for number in range(7):
        press.put(f"p{number}")
    passed = iter(range(0, 1_000, 15))
    press.service = replace(press.service, page=2, monotonic=lambda: float(next(passed)))
    press.turn()
    told = [path for _, path, _, _ in hook.told]
    assert 0 < len(told) < 7 and press.service._looks
    press.service = replace(press.service, monotonic=time.monotonic)
    press.turn()
    assert [path for _, path, _, _ in hook.told] == [f"/hook/Patient/p{number}" for number in range(7)]
    assert not press.service._looks


def test_a_look_goes_back_no_further_than_the_oldest_transaction_that_ran_at_the_last(press: Press) -> None:
    press.subscribe("http://127.0.0.1:1/nobody")
    press.turn()
    (followed,) = rows.follows(press.house.pool)

    def reach() -> float:
        looked(press, followed)
        with press.house.pool.connection() as connection:
            row = connection.execute("select extract(epoch from now() - seen_at) from fhir_subscription").fetchone()
        return float(row[0]) if row else -1.0

    assert rows.CLOCKS_S - 1 < reach() < rows.CLOCKS_S + 30
    with press.house.pool.connection() as other, other.transaction():
        other.execute("select set_config('pacsd.begun', now()::text, true)")
        with press.house.pool.connection() as connection:
            connection.execute("update fhir_subscription set seen_at = now()")
        began = time.monotonic()
        assert reach() >= rows.CLOCKS_S + (time.monotonic() - began) - 1


def test_a_look_knows_of_transactions_that_run_beside_it(press: Press) -> None:
    press.subscribe("http://127.0.0.1:1/nobody")
    press.turn()
    (followed,) = rows.follows(press.house.pool)
    with press.house.pool.connection() as other, other.transaction():
        row = other.execute("select now()").fetchone()
        with press.house.pool.connection() as connection, connection.transaction():
            seen = rows.look(connection, followed)
            role = connection.execute("select current_user").fetchone()
    assert row is not None and seen is not None
    assert (row[0] - seen.next_time).total_seconds() >= rows.CLOCKS_S
    assert role == ("pacsd_app",)


def test_what_is_written_as_of_an_earlier_time_between_two_pages_is_told_by_the_next_look(press: Press) -> None:
    press.subscribe("http://127.0.0.1:1/nobody")
    press.turn()
    (followed,) = rows.follows(press.house.pool)
    for ident in ("a", "b", "c"):
        press.put(ident)
    pool, scope = press.house.pool, press.house.member("east").scope
    with pool.connection() as connection:
        connection.execute("update fhir_subscription set seen_at = now() - interval '1 hour'")
    with pool.connection() as connection, connection.transaction():
        begun = rows.look(connection, followed)
        assert begun is not None
        page = rows.changed(connection, scope, "Patient", begun, limit=2)
    with pool.connection() as connection, connection.transaction():      # later than the look goes back, and long ago
        row = connection.execute("select now() - interval '30 minutes'").fetchone()
        assert row is not None
        rows.look_back(connection, row[0])
        connection.execute("""insert into fhir_resource (pk, organisation, version, updated, deleted, method, type, id,
            owner, body) select nextval('fhir_resource_pk'), organisation, 1, %s, false, 'PUT', 'Patient', 'restored',
            '', '{"resourceType":"Patient","id":"restored"}' from fhir_resource where id = 'a'""", (row[0],))
    begun = begun._replace(after=(page[-1].updated, page[-1].pk))
    with pool.connection() as connection, connection.transaction():
        again = rows.look(connection, followed, begun)
        assert again is not None
        assert [one.name.id for one in rows.changed(connection, scope, "Patient", again, limit=2)] == ["c"]
        rows.looked(connection, followed, again)
    assert looked(press, followed) == ["restored"]


def test_what_is_written_as_of_an_earlier_time_is_told(press: Press, hook: Hook) -> None:
    """A crash left it in the journal alone."""
    press.subscribe(hook.url)
    press.turn()
    press.put("old")
    press.turn()
    assert len(hook.told) == 1
    with press.house.pool.connection() as connection:
        connection.execute("delete from fhir_resource where id = 'old'")
        connection.execute("update fhir_subscription set seen_at = now() + interval '1 hour'")
    house = press.house
    assert Restoration(house.server.units, house.journal, house.keys, house.server.extract).rebuild() == 1
    press.turn()
    assert [path for _, path, _, _ in hook.told] == ["/hook/Patient/old"] * 2
