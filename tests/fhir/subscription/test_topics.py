"""Subscriptions by topic (R5 Backport): handshake, numbered events, deletions, heartbeat, and what is asked for."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from fhir.format import json as fhir_json
from fhir.interaction.services import Claims
from fhir.store import canonicals, events
from fhir.store.canonicals import Canonicals
from fhir.validation.check import Validator
from pacsd.faults import Fault, PacsdError
from tests.fhir.subscription.test_subscriptions import Hook, Press, hook, press

__all__ = ["hook", "press"]
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
TOPIC = "urn:pacsd:fhir:SubscriptionTopic:patient"


def told(name: str, **value: Any) -> dict[str, Any]:
    return {"extension": [{"url": BACKPORT + name, **value}]}


def subscribe(press: Press, endpoint: str, *filters: str, content: str = "id-only", **more: Any) -> str:
    """A Subscription by topic, by rest-hook or, without an end point, by WebSocket."""
    channel = {"type": "rest-hook", "endpoint": endpoint} if endpoint else {"type": "websocket"}
    channel |= {"payload": "application/fhir+json", "_payload": told("backport-payload-content", valueCode=content)}
    resource = {
        "resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": TOPIC,
        "channel": {**channel, **more},
    }  # fmt: skip
    if filters:
        named = [{"url": BACKPORT + "backport-filter-criteria", "valueString": one} for one in filters]
        resource["_criteria"] = {"extension": named}
    answer = press.house.post("Subscription", resource)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def parameters(bundle: dict[str, Any]) -> dict[str, Any]:
    """The status of a notification by name; events as a list of their parts."""
    first = bundle["entry"][0]["resource"]
    found: dict[str, Any] = {"events": []}
    for one in first["parameter"]:
        if one["name"] == "notification-event":
            parts = {part["name"]: part for part in one["part"]}
            found["events"].append((parts["event-number"]["valueString"],
                                    parts.get("focus", {}).get("valueReference", {}).get("reference")))  # fmt: skip
        else:
            found[one["name"]] = next(value for name, value in one.items() if name.startswith("value"))
    return found


def bundles(hook: Hook) -> list[dict[str, Any]]:
    assert {(method, path) for method, path, _, _ in hook.told} <= {("POST", "/hook")}
    return [json.loads(body) for _, _, _, body in hook.told]


def test_a_handshake_comes_first_and_then_events_by_their_numbers(press: Press, hook: Hook) -> None:
    ident = subscribe(press, hook.url, "Patient?gender=male", content="full-resource")
    press.turn()
    assert press.status(ident) == ("active", "")
    press.put("a")
    press.put("b", gender="female")
    press.put("c")
    press.turn()
    handshake, told = bundles(hook)
    assert parameters(handshake) == {"subscription": {"reference": f"Subscription/{ident}"}, "topic": TOPIC,
                                     "status": "requested", "type": "handshake", "events": [],
                                     "events-since-subscription-start": "0"}  # fmt: skip
    found = parameters(told)
    assert found["events"] == [("1", "Patient/a"), ("2", "Patient/c")]
    assert (found["type"], found["status"], found["events-since-subscription-start"]) == (
        "event-notification", "active", "2")  # fmt: skip
    assert [one["resource"]["id"] for one in told["entry"][1:]] == ["a", "c"]
    assert told["entry"][1]["request"] == {"method": "PUT", "url": "Patient/a"}
    for one in (handshake, told):
        wrong = [issue for issue in Validator().check(fhir_json.read(json.dumps(one).encode()))
                 if issue.severity in ("error", "fatal")]  # fmt: skip
        assert wrong == []
    press.turn()
    assert len(hook.told) == 2


def test_a_deletion_is_told_to_those_whose_filters_it_fulfilled(press: Press, hook: Hook) -> None:
    press.put("old")
    press.put("other", gender="female")
    subscribe(press, hook.url, "Patient?gender=male")
    press.turn()
    for ident in ("old", "other"):
        assert press.house.delete(f"Patient/{ident}").status_code in (200, 204)
    press.turn()
    told = bundles(hook)[-1]
    assert parameters(told)["events"] == [("1", "Patient/old")]
    (entry,) = told["entry"][1:]
    assert entry["request"] == {"method": "DELETE", "url": "Patient/old"} and "resource" not in entry
    assert press.house.get("Patient/old").status_code == 410
    assert press.house.get("Patient?gender=male").json()["total"] == 0


def test_an_empty_notification_names_nothing_and_a_small_one_comes_in_parts(press: Press, hook: Hook) -> None:
    most = told("backport-max-count", valuePositiveInt=2)
    subscribe(press, hook.url, content="empty", **most)
    press.turn()
    for ident in ("a", "b", "c"):
        press.put(ident)
    press.turn()
    found = [parameters(one) for one in bundles(hook)[1:]]
    assert [one["events"] for one in found] == [[("1", None), ("2", None)], [("3", None)]]
    assert all("topic" not in one for one in found) and all(len(one["entry"]) == 1 for one in bundles(hook))


def test_what_is_not_taken_is_told_again_under_its_number(press: Press, hook: Hook) -> None:
    ident = subscribe(press, hook.url)
    hook.status = 500
    press.turn()
    assert press.status(ident) == ("requested", "")
    hook.status = 200
    press.turn()
    assert press.status(ident) == ("active", "")
    hook.status = 500
    press.put("a")
    press.turn()
    press.put("b")
    hook.status = 200
    press.turn()
    assert [parameters(one)["events"] for one in bundles(hook)[2:]] == [
        [("1", "Patient/a")], [("1", "Patient/a"), ("2", "Patient/b")]]  # fmt: skip


def test_a_silent_subscription_shows_that_it_is_alive(press: Press, hook: Hook) -> None:
    subscribe(press, hook.url, **told("backport-heartbeat-period", valueUnsignedInt=60))
    press.turn()
    press.turn()
    assert len(hook.told) == 1
    with press.house.pool.connection() as connection:
        connection.execute("update fhir_subscription set heard_at = now() - interval '61 seconds'")
    press.turn()
    press.turn()
    assert [parameters(one)["type"] for one in bundles(hook)] == ["handshake", "heartbeat"]


def test_events_that_were_missed_are_asked_for_and_what_may_not_be_seen_has_no_name(press: Press) -> None:
    ident = subscribe(press, "")
    press.turn()
    for name in ("a", "b", "c"):
        press.put(name)
    press.turn()
    press.turn()
    status = press.house.get(f"Subscription/{ident}/$status").json()["entry"][0]["resource"]
    assert parameters({"entry": [{"resource": status}]})["events-since-subscription-start"] == "3"
    asked = press.house.get(f"Subscription/{ident}/$events?eventsSinceNumber=2&content=full-resource").json()
    assert parameters(asked)["type"] == "query-event"
    assert parameters(asked)["events"] == [("2", "Patient/b"), ("3", "Patient/c")]
    assert [one["resource"]["id"] for one in asked["entry"][1:]] == ["b", "c"]
    until = press.house.get(f"Subscription/{ident}/$events?eventsUntilNumber=1&content=empty").json()
    assert parameters(until)["events"] == [("1", None)]
    with press.house.pool.connection() as connection:            # it is another organisation's now
        connection.execute("update fhir_resource set organisation = %s where id = 'b'", (press.house.keys["west"],))
    assert parameters(press.house.get(f"Subscription/{ident}/$events").json())["events"] == [
        ("1", "Patient/a"), ("2", None), ("3", "Patient/c")]  # fmt: skip
    press.house.act_as(press.house.member("west"))
    for path in ("$events", "$status", "$get-ws-binding-token"):
        assert press.house.get(f"Subscription/{ident}/{path}").status_code == 404
    assert press.house.get("Subscription/$status").json().get("entry") is None


def test_events_are_forgotten_after_a_day(press: Press) -> None:
    ident = subscribe(press, "")
    press.turn()
    press.put("a")
    press.turn()
    press.turn()
    with press.house.pool.connection() as connection:
        connection.execute("update fhir_subscription_event set noted_at = now() - interval '2 days'")
    events.forget(press.house.pool)
    asked = parameters(press.house.get(f"Subscription/{ident}/$events").json())
    assert (asked["events"], asked["events-since-subscription-start"]) == ([], "1")


def test_of_events_that_were_forgotten_nothing_is_posted(press: Press, hook: Hook) -> None:
    subscribe(press, hook.url)
    press.turn()
    hook.status = 500
    press.put("a")
    press.turn()
    with press.house.pool.connection() as connection:
        connection.execute("delete from fhir_subscription_event")
    hook.status, before = 200, len(hook.told)
    press.turn()
    assert len(hook.told) == before
    press.put("b")
    press.turn()
    assert parameters(bundles(hook)[-1])["events"] == [("2", "Patient/b")]


def test_deletions_of_many_are_held_at_once_and_told_in_their_order(press: Press, hook: Hook) -> None:
    idents = [f"p{number}" for number in range(9)]
    for ident in idents:
        press.put(ident, gender="male" if ident != "p4" else "female")
    subscribe(press, hook.url, "Patient?gender=male")
    press.turn()
    for ident in reversed(idents):
        assert press.house.delete(f"Patient/{ident}").status_code == 204
    held: list[int] = []
    inside = press.house.server.units.inside

    def counted(*args: Any, **told: Any) -> Any:
        held.append(len(told["held"]))
        return inside(*args, **told)

    press.house.server.units.inside = counted                # type: ignore[method-assign]
    press.turn()
    assert held == [9]
    assert [one[1] for one in parameters(bundles(hook)[-1])["events"]] == [
        f"Patient/{ident}" for ident in reversed(idents) if ident != "p4"]  # fmt: skip


FIVE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
FOUR = "http://hl7.org/fhir/4.3/StructureDefinition/extension-SubscriptionTopic."
OWN = "http://east.example/topics/women"


def trigger(*parts: dict[str, Any], current: str = "gender=female", **criteria: Any) -> dict[str, Any]:
    query = [{"url": "current", "valueString": current}, *({"url": name, **one} for name, one in criteria.items())]
    of_type = {"url": "resource", "valueUri": "http://hl7.org/fhir/StructureDefinition/Patient"}
    return {"url": FOUR + "resourceTrigger", "extension": [of_type, *parts, {"url": "queryCriteria",
                                                                              "extension": query}]}  # fmt: skip


def keep_topic(press: Press, *extensions: dict[str, Any], ident: str = "topic") -> None:
    code = {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]}
    told = [{"url": FIVE + "url", "valueUri": OWN}, *extensions]
    answer = press.house.put(f"Basic/{ident}", {"resourceType": "Basic", "id": ident, "code": code, "extension": told})
    assert answer.status_code in (200, 201), answer.text


def follow(press: Press, endpoint: str, *filters: str) -> str:
    ident = subscribe(press, endpoint, *filters)
    resource = press.house.get(f"Subscription/{ident}").json()
    assert press.house.put(f"Subscription/{ident}", {**resource, "criteria": OWN}).status_code == 200
    return ident


def test_a_topic_that_a_client_keeps_is_followed(press: Press, hook: Hook) -> None:
    keep_topic(press, {"url": FIVE + "status", "valueCode": "active"}, trigger(),
               {"url": FOUR + "canFilterBy", "extension": [{"url": "filterParameter", "valueString": "birthdate"}]})
    ident = follow(press, hook.url, "birthdate=gt2000")
    press.turn()
    assert press.status(ident) == ("active", "")
    press.put("a", "female", birthDate="2001-01-01")
    press.put("b", "female", birthDate="1999-01-01")
    press.put("c", "male", birthDate="2001-01-01")
    press.turn()
    handshake, told = bundles(hook)
    assert parameters(handshake)["topic"] == OWN and parameters(told)["events"] == [("1", "Patient/a")]
    assert press.house.delete("Patient/a").status_code == 204
    press.turn()
    assert parameters(bundles(hook)[-1])["events"] == [("2", "Patient/a")]
    assert press.house.delete("Basic/topic").status_code == 204
    press.turn()
    assert press.status(ident)[0] == "error"


def test_a_topic_that_cannot_be_looked_up_now_is_looked_up_later(
    press: Press, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_topic(press, trigger())
    ident = follow(press, hook.url)

    def busy(*_: Any) -> None:
        raise PacsdError(Fault.UNAVAILABLE, "the index took too long")

    with monkeypatch.context() as patched:
        patched.setattr(Canonicals, "found", busy)
        press.turn()
        assert press.status(ident) == ("requested", "")
        assert press.house.get(f"Subscription/{ident}/$status").status_code == 503
    press.turn()
    assert press.status(ident) == ("active", "")


def test_a_topic_is_read_once_for_each_of_its_versions(
    press: Press, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    class Counted:
        @staticmethod
        def read(body: bytes) -> dict[str, Any]:
            bodies.append(body)
            return fhir_json.read(body)

    keep_topic(press, trigger())
    follow(press, hook.url)
    monkeypatch.setattr(canonicals, "json", Counted)
    for _ in range(3):
        press.turn()
    assert len(bodies) == 1
    keep_topic(press, {"url": FIVE + "status", "valueCode": "active"}, trigger())
    press.turn()
    press.turn()
    assert len(bodies) == 2


def test_a_topic_of_creations_and_updates_tells_no_deletion(press: Press, hook: Hook) -> None:
    both = [{"url": "supportedInteraction", "valueCode": one} for one in ("create", "update")]
    keep_topic(press, trigger(*both, resultForDelete={"valueCode": "test-fails"}))
    follow(press, hook.url)
    press.turn()
    press.put("a", "female")
    press.turn()
    assert press.house.delete("Patient/a").status_code == 204
    press.turn()
    assert [one["events"] for one in map(parameters, bundles(hook))] == [[], [("1", "Patient/a")]]


@pytest.mark.parametrize(("extensions", "said"), [
    ((), "one resourceTrigger"),
    ((trigger(), trigger()), "one resourceTrigger"),
    (({"url": FIVE + "status", "valueCode": "draft"}, trigger()), "not active"),
    ((trigger({"url": "fhirPathCriteria", "valueString": "true"}),), "fhirPathCriteria"),
    ((trigger(previous={"valueString": "gender=male"}),), "previous"),
    ((trigger({"url": "supportedInteraction", "valueCode": "create"}),), "create and update"),
    ((trigger(current="nonsense=1"),), "nonsense"),
    ((trigger(), {"url": FOUR + "notificationShape", "extension": [{"url": "include", "valueString": "x"}]}),
     "further"),
    ((trigger(), {"url": FOUR + "canFilterBy", "extension": [{"url": "filterParameter", "valueString": "name"}]}),
     "filtered by name"),
])  # fmt: skip
def test_a_topic_that_asks_for_more_is_an_error_with_its_reason(
    press: Press, hook: Hook, extensions: tuple[dict[str, Any], ...], said: str
) -> None:
    keep_topic(press, *extensions)
    ident = follow(press, hook.url, "birthdate=gt2000")
    press.turn()
    status, error = press.status(ident)
    assert status == "error" and said in error and hook.told == []


def test_topics_of_others_and_those_with_one_url_are_none(press: Press, hook: Hook) -> None:
    mine = press.house.asker
    press.house.act_as(press.house.member("west"))
    keep_topic(press, trigger(), ident="theirs")
    press.house.act_as(mine)
    ident = follow(press, hook.url)
    press.turn()
    assert press.status(ident)[0] == "error"
    for name in ("one", "two"):
        keep_topic(press, trigger(), ident=name)
    ident = follow(press, hook.url)
    press.turn()
    assert press.status(ident) == ("error", "several topics have that URL: name the version, too")


def test_what_a_url_of_ones_own_means_is_said_by_nobody_else(press: Press, hook: Hook) -> None:
    mine = press.house.member("east", "west")
    press.service = replace(press.service, scope_of=lambda _: mine.scope)
    press.house.act_as(press.house.member("west"))
    keep_topic(press, trigger(current="gender=male"), ident="theirs")
    press.house.act_as(mine)
    borrowed = follow(press, hook.url)
    press.turn()
    assert press.status(borrowed) == ("active", "")
    keep_topic(press, trigger(), ident="own")
    ident = follow(press, "")
    press.turn()
    press.put("a", "female")
    press.put("b", "male")
    press.turn()
    press.turn()
    assert press.status(ident) == press.status(borrowed) == ("active", "")
    told = press.house.get(f"Subscription/{ident}/$events?content=id-only").json()
    assert parameters(told)["events"] == [("1", "Patient/a")]


@pytest.mark.parametrize(("change", "said"), [
    ({"_payload": told("backport-payload-content", valueCode="all")}, "backport-payload-content is one of"),
    (told("backport-heartbeat-period", valueUnsignedInt=0), "backport-heartbeat-period"),
    ({"_type": told("backport-channel-type", valueCoding={"code": "zulip"})}, "rest-hook or websocket"),
])  # fmt: skip
def test_what_cannot_be_told_like_that_is_an_error_with_its_reason(
    press: Press, hook: Hook, change: dict[str, Any], said: str
) -> None:
    ident = subscribe(press, hook.url, **change)
    press.turn()
    status, error = press.status(ident)
    assert status == "error" and said in error and hook.told == []


def test_filters_are_searches_of_the_topic_and_wrong_questions_are_refused(press: Press, hook: Hook) -> None:
    for text in ("Observation?code=1", "Patient?nonsense=1"):
        ident = subscribe(press, hook.url, text)
        press.turn()
        assert press.status(ident)[0] == "error"
    plain = press.subscribe(hook.url)
    assert press.house.get(f"Subscription/{plain}/$events").status_code == 400
    assert press.house.get(f"Subscription/{plain}/$get-ws-binding-token").status_code == 400
    ident = subscribe(press, "")
    for query in ("eventsSinceNumber=x", "eventsSinceNumber=99999999999999999999", "content=all", "other=1"):
        assert press.house.get(f"Subscription/{ident}/$events?{query}").status_code == 400
    assert press.house.get("Subscription/$get-ws-binding-token").status_code == 400
    assert press.house.get("Subscription/$get-ws-binding-token?id=none").status_code == 404
    answer = press.house.get(f"Subscription/{ident}/$get-ws-binding-token").json()["parameter"]
    assert [one["name"] for one in answer] == ["token", "expiration", "subscription", "websocket-url"]
    assert answer[3]["valueUrl"] == "ws://pacs.example/fhir/ws"
    assert datetime.fromisoformat(answer[1]["valueDateTime"]).tzinfo is not None


def test_topics_stand_in_the_capability_statement(press: Press) -> None:
    claims = replace(press.house.server.claims, topics=(TOPIC,), socket="ws")
    assert isinstance(claims, Claims)
    press.house.app._server = replace(press.house.server, claims=claims)
    rest = press.house.get("metadata").json()["rest"][0]
    assert rest["extension"][0]["valueUri"] == "ws://pacs.example/fhir/ws"
    (of_subscriptions,) = [one for one in rest["resource"] if one["type"] == "Subscription"]
    assert [one["valueCanonical"] for one in of_subscriptions["extension"]] == [TOPIC]
    assert of_subscriptions["supportedProfile"] == [BACKPORT + "backport-subscription"]
    assert {one["name"] for one in of_subscriptions["operation"]} >= {"status", "events", "get-ws-binding-token"}
