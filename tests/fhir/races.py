"""Rounds of clients that want the same at the same time, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import httpx

from tests.fhir.house import BASE, JSON, House, patient

SYSTEM = "http://hospital.example/mrn"
Sent = tuple[str, str, Any, dict[str, str]]      # method, path, body, headers


class Broken(AssertionError):
    """A promise was not kept."""


def at_once(house: House, sent: Iterable[Sent]) -> list[httpx.Response]:
    """All of these in flight together; the answers in their order."""
    async def all_of_them() -> list[httpx.Response]:
        async with house.client() as client:
            return await asyncio.gather(*(
                client.request(method, f"{BASE}/{path}", json=body, headers={"content-type": JSON, **headers})
                for method, path, body, headers in sent
            ))  # fmt: skip

    return asyncio.run(all_of_them())


def creates(house: House, number: int, *, clients: int = 64) -> None:
    """Conditional creates with one key, of which half have another identifier too, by which others ask."""
    one, other = f"r{number}", f"r{number}-too"
    body = patient(identifier=[{"system": SYSTEM, "value": one}, {"system": SYSTEM, "value": other}])
    keys = [f"identifier={SYSTEM}|{one}", f"identifier={other}"]
    answers = at_once(house, [("POST", "Patient", body, {"if-none-exist": keys[n % 2]}) for n in range(clients)])
    expect(answers, {201: 1, 200: clients - 1})
    if len({answer.headers["location"] for answer in answers}) != 1:
        raise Broken("two who asked with one key were told of two resources")
    found = house.get(f"Patient?identifier={SYSTEM}|{one}").json()
    if found["total"] != 1:
        raise Broken(f"{found['total']} resources with one key")


def upserts(house: House, number: int, *, clients: int = 16) -> None:
    """Conditional updates with one key that say different things, beside transactions that do."""
    value = f"u{number}"
    query, full_url = f"Patient?identifier={SYSTEM}|{value}", "urn:uuid:0"
    def body(n: int) -> dict[str, Any]:
        return patient(identifier=[{"system": SYSTEM, "value": value}], birthDate=f"{1900 + n}")
    def wrapped(n: int) -> dict[str, Any]:
        request = {"method": "PUT", "url": query} if n % 4 == 1 else {
            "method": "POST", "url": "Patient", "ifNoneExist": query.partition("?")[2]}  # fmt: skip
        return {"resourceType": "Bundle", "type": "transaction",
                "entry": [{"fullUrl": full_url, "resource": body(n), "request": request}]}  # fmt: skip
    answers = at_once(house, [
        ("POST", "", wrapped(n), {}) if n % 2 else ("PUT", query, body(n), {}) for n in range(clients)
    ])  # fmt: skip
    expect(answers, {200: None, 201: None})
    found = house.get(query).json()
    if found["total"] != 1:
        raise Broken(f"{found['total']} resources with one key")
    gap_free(house, f"Patient/{found['entry'][0]['resource']['id']}")


def updates(house: House, number: int, *, clients: int = 16) -> None:
    """Updates that all name the newest version: one of them may make the next."""
    name = f"Patient/v{number}"
    def body(n: int) -> dict[str, Any]:
        return patient(id=f"v{number}", birthDate=f"{1900 + n}")
    house.put(name, body(99))
    answers = at_once(house, [("PUT", name, body(n), {"if-match": 'W/"1"'}) for n in range(clients)])
    expect(answers, {200: 1, 412: clients - 1})
    winner = next(answer for answer in answers if answer.status_code == 200)
    if house.get(name).content != winner.content:
        raise Broken("what is read is not what the winner was told")
    at_once(house, [("PUT", name, body(n), {}) if n % 3 else ("DELETE", name, None, {}) for n in range(clients)])
    gap_free(house, name)


def transactions(house: House, number: int, *, clients: int = 8, resources: int = 6) -> None:
    """Transactions that write the same resources in different order: all are done, one after the other."""
    names = [f"t{number}-{one}" for one in range(resources)]
    def body(n: int, seed: random.Random) -> dict[str, Any]:
        order = seed.sample(names, len(names)) if n > 1 else names[:: 1 if n else -1]
        return {"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": patient(id=name, birthDate=f"{1900 + n}"),
             "request": {"method": "PUT", "url": f"Patient/{name}"}}
            for name in order]}  # fmt: skip
    seed = random.Random(number)
    answers = at_once(house, [("POST", "", body(n, seed), {}) for n in range(clients)])
    expect(answers, {200: clients})
    last = {house.get(f"Patient/{name}").json()["birthDate"] for name in names}
    if len(last) != 1:
        raise Broken(f"the last word of transactions is that of several: {last}")
    for name in names:
        gap_free(house, f"Patient/{name}", versions=clients)


RACES = (creates, upserts, updates, transactions)


def expect(answers: list[httpx.Response], wanted: dict[int, int | None]) -> None:
    """Raises Broken unless statuses are these, so many of each (None: any number)."""
    got = Counter(answer.status_code for answer in answers)
    if set(got) - set(wanted) or any(count is not None and got[status] != count for status, count in wanted.items()):
        strange = next((one.text[:300] for one in answers if one.status_code not in wanted), "")
        raise Broken(f"{dict(got)} instead of {wanted} {strange}")


def gap_free(house: House, name: str, *, versions: int | None = None) -> None:
    """Raises Broken unless versions are 1, 2, 3 …, each later than the one before."""
    told = house.get(f"{name}/_history?_count=1000").json()["entry"]
    numbers = [one["response"]["etag"] for one in told]
    times = [one["response"]["lastModified"] for one in told]
    if numbers != [f'W/"{n}"' for n in range(len(told), 0, -1)] or len(set(times)) != len(times):
        raise Broken(f"{name} has versions {numbers} of {times}")
    if times != sorted(times, reverse=True) or (versions is not None and len(told) != versions):
        raise Broken(f"{name} has {len(told)} versions of {times}")
