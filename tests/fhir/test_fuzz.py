"""A slice of requests made at random; `python -m tests.soak.fhir_fuzz` sends them for as long as one likes."""

from collections import Counter

from conformance.fhir.server import Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from tests.fhir.fuzz import Fuzzer
from tests.fhir.schema_fuzz import fuzz, operations
from tests.server import Server as Ours

REQUESTS = 1000


def test_nothing_made_at_random_breaks_the_server(running_server: Ours) -> None:
    server = Server(f"http://127.0.0.1:{running_server.http_port}/fhir")
    try:
        statuses = Counter(answer.status for _, answer in Fuzzer(server, seed=1).run(REQUESTS))
    finally:
        server.close()
    assert sum(statuses.values()) == REQUESTS
    assert statuses[200] > 50 and statuses[201] > 20 and statuses[400] > 50, statuses   # it asks for what is there, too


def test_a_seed_makes_the_same_requests_again(running_server: Ours) -> None:
    server = Server(f"http://127.0.0.1:{running_server.http_port}/fhir")
    try:
        first, second, other = (Fuzzer(server, seed) for seed in (1, 1, 2))
    finally:
        server.close()
    assert [first.request(number) for number in range(50)] == [second.request(number) for number in range(50)]
    assert first.request(0) != other.request(0)


def test_nothing_that_schemathesis_makes_of_our_description_breaks_the_server(running_server: Ours) -> None:
    statuses = fuzz(f"http://127.0.0.1:{running_server.http_port}/fhir", ("Patient", "ImagingStudy"), 1, examples=2,
                    some=20)  # fmt: skip
    assert sum(statuses.values()) > 40 and {200, 400} <= statuses.keys(), statuses


def test_the_description_has_every_interaction_and_operation() -> None:
    found = {(one.method.upper(), one.path) for one in operations("http://x/fhir", ("Patient",))}
    assert {(one.method, f"/{one.path}") for one in INTERACTIONS} <= found
    assert {one.name for one in OPERATIONS} == {path.rpartition("$")[2] for _, path in found if "$" in path}
