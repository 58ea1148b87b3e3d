"""Sockets ask the database once a look for all that they hear, and more only of what has something to say."""

from typing import Any

import pytest

from fhir.http.event_socket import EventSockets, _Listener
from fhir.store import events
from tests.fhir.subscription.test_subscriptions import Press, hook, press
from tests.fhir.subscription.test_topics import parameters, subscribe, told

__all__ = ["hook", "press"]


class Client:
    """What a client was sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send_text(self, text: str) -> None:
        self.sent.append(text)


def listener(press: Press) -> tuple[_Listener, list[float]]:
    now = [0.0]
    sockets = EventSockets(press.house.server, press.service.scope_of, None, clock=lambda: now[0])   # type: ignore[arg-type]
    return _Listener(sockets, Client(), press.house.asker.scope, "http://x/fhir"), now               # type: ignore[arg-type]


def test_silent_subscriptions_cost_one_statement_a_look(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = told("backport-heartbeat-period", valueUnsignedInt=60)
    idents = [subscribe(press, "", **heartbeat) for _ in range(3)]
    press.turn()
    one, now = listener(press)
    for ident in idents:
        one._begin(ident, lambda: press.house.asker.scope, plain=False)
    asked: list[Any] = []
    news = events.news

    def counted(*args: Any) -> Any:
        asked.append(args)
        return news(*args)

    monkeypatch.setattr(events, "news", counted)
    assert one._stirred() == [] and len(asked) == 1
    press.put("a")
    press.turn()
    stirred = one._stirred()
    assert [each.id for each in stirred] == idents
    for each in stirred:
        (text,) = one._news(each)
        assert "Patient/a" in text
    assert one._stirred() == []
    now[0] += 60.0
    (text,) = one._news(one._stirred()[0])
    assert '"heartbeat"' in text
    assert len(one._stirred()) == 2                          # the others have not shown yet that they live


def test_a_subscription_that_is_changed_or_deleted_stirs(press: Press) -> None:
    first, second = subscribe(press, ""), subscribe(press, "")
    press.turn()
    one, _ = listener(press)
    for ident in (first, second):
        one._begin(ident, lambda: press.house.asker.scope, plain=False)
    resource = press.house.get(f"Subscription/{first}").json()
    assert press.house.put(f"Subscription/{first}", {**resource, "status": "off"}).status_code == 200
    assert press.house.delete(f"Subscription/{second}").status_code == 204
    assert [each.id for each in one._stirred()] == [first, second]
    for each in one._stirred():
        with pytest.raises(Exception, match=r"off|deleted"):
            one._news(each)
    assert parameters(press.house.get("Subscription/$status").json())["status"] == "off"
