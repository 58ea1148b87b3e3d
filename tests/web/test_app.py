import pytest

from pacsd.web.addresses import DICOM_WEB
from pacsd.web.app import OPERATIONS, PAGES, TRANSACTIONS, create_app
from tests.web.fakes import Web, services


def test_every_transaction_is_declared_once():
    declared = [(one.method, DICOM_WEB + one.path) for one in TRANSACTIONS]
    declared += [(one.method, one.path) for one in (*OPERATIONS, *PAGES)]
    assert len(declared) == len(set(declared))
    assert all(one.clause for one in TRANSACTIONS)


def test_an_unknown_resource_is_a_problem():
    answer = Web().get("/nothing")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "allow"), [("/studies", "GET, HEAD, OPTIONS, POST"), ("/series", "GET, HEAD, OPTIONS")]
)
def test_methods(path, allow):
    web = Web()
    refused = web.request("DELETE", "/dicom-web" + path)
    assert refused.status_code == 405 and refused.headers["allow"] == allow
    options = web.request("OPTIONS", "/dicom-web" + path)
    assert options.status_code == 204 and options.headers["allow"] == allow


def test_other_origins_may_not_read_unless_they_are_allowed():
    origin = {"Origin": "http://viewer.example"}
    assert "access-control-allow-origin" not in Web().get("/studies", headers=origin).headers
    allowed = Web(allowed_origins=("http://viewer.example",))
    assert allowed.get("/studies", headers=origin).headers["access-control-allow-origin"] == "http://viewer.example"
    assert "access-control-allow-origin" not in allowed.get("/studies", headers={"Origin": "http://evil.example"}).headers


def test_a_page_of_an_allowed_origin_may_send_and_read_what_the_services_need():
    web = Web(allowed_origins=("http://viewer.example",))
    asked = {
        "Origin": "http://viewer.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,range,if-none-match,authorization",
    }
    preflight = web.request("OPTIONS", "/dicom-web/studies", headers=asked)
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-methods"].split(", ")
    assert {one.method for one in TRANSACTIONS} | {"HEAD", "OPTIONS"} <= set(allowed)
    assert "if-none-match" in preflight.headers["access-control-allow-headers"]
    exposed = web.get("/studies", headers={"Origin": "http://viewer.example"}).headers["access-control-expose-headers"]
    assert {"ETag", "Content-Range", "Warning", "Location", "Link"} <= set(exposed.split(", "))
    refused = web.request("OPTIONS", "/dicom-web/studies", headers={**asked, "Origin": "http://evil.example"})
    assert refused.status_code == 400


def test_health():
    web = Web(ready=lambda: {"index": True, "blobs": False})
    assert web.request("GET", "/health/live").json() == {"status": "live"}
    answer = web.request("GET", "/health/ready")
    assert answer.status_code == 503 and answer.json()["parts"] == {"index": True, "blobs": False}
    assert Web().request("GET", "/health/ready").status_code == 200


def test_metrics_are_what_is_handed_in():
    answer = Web(metrics=lambda: b"pacsd_up 1\n").request("GET", "/metrics")
    assert answer.text == "pacsd_up 1\n" and answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_other_applications_stand_beside_and_are_counted():
    counted = []

    async def other(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    web = Web()
    made = services(web.archive, count=lambda name, answer: counted.append((name, answer.status)))
    web.app = create_app(made, {"/fhir": other})
    assert web.request("GET", "/fhir/Patient/1").text == "/fhir/Patient/1"
    assert web.request("POST", "/fhir").text == "/fhir" and web.request("GET", "/fhirs").status_code == 404
    assert counted[:2] == [("fhir GET", 200), ("fhir POST", 200)]
