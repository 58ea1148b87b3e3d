"""history (http://hl7.org/fhir/R4/http.html#history)."""

from tests.fhir.house import BASE, House, issue, patient


def walked(house: House, path: str) -> list[dict]:
    """All entries, page by page."""
    entries, url = [], f"{BASE}/{path}"
    while url:
        page = house.get(url)
        assert page.status_code == 200, page.text
        told = page.json()
        entries += told.get("entry", [])
        url = next((link["url"] for link in told["link"] if link["relation"] == "next"), "")
    return entries


def test_a_history_has_every_version_the_last_first(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    house.put("Patient/p", patient(id="p", gender="male"))
    house.delete("Patient/p")
    told = house.get("Patient/p/_history").json()
    assert told["type"] == "history" and told["total"] == 3
    assert [(one["request"]["method"], one["request"]["url"], one["response"]["status"], one["response"]["etag"])
            for one in told["entry"]] == [
        ("DELETE", "Patient/p", "204", 'W/"3"'), ("PUT", "Patient/p", "200", 'W/"2"'),
        ("PUT", "Patient/p", "201", 'W/"1"'),
    ]  # fmt: skip
    assert "resource" not in told["entry"][0] and told["entry"][1]["resource"]["gender"] == "male"
    assert all(one["fullUrl"] == f"{BASE}/Patient/p" for one in told["entry"])


def test_pages_stay_as_they_were_while_versions_are_added(house: House) -> None:
    for number in range(7):
        house.put(f"Patient/p{number % 3}", patient(id=f"p{number % 3}", birthDate=f"200{number}"))
    house.post("Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
    first = house.get("Patient/_history?_count=3").json()
    house.put("Patient/p0", patient(id="p0", birthDate="2020"))
    after = next(one["url"] for one in first["link"] if one["relation"] == "next")
    rest = walked(house, after.removeprefix(BASE + "/"))
    years = [one["resource"]["birthDate"] for one in (*first["entry"], *rest)]
    assert years == [f"200{number}" for number in reversed(range(7))]
    assert len(walked(house, "_history?_count=2")) == 9


def test_a_history_may_begin_at_a_time_or_be_of_one(house: House) -> None:
    times = []
    for year in ("2001", "2002", "2003"):
        times.append(house.put("Patient/p", patient(id="p", birthDate=year)).json()["meta"]["lastUpdated"])
    def years(query: str) -> list[str]:
        return [one["resource"]["birthDate"] for one in walked(house, f"Patient/p/_history?{query}")]
    assert years(f"_since={times[1]}") == ["2003", "2002"]
    assert years(f"_at={times[1]}") == ["2002"]
    assert years(f"_at={times[2][:4]}") == ["2003", "2002", "2001"]
    assert years("_at=1999") == [] and years("_since=1999-12-31T23:59:59.5%2B08:00") == ["2003", "2002", "2001"]


def test_what_a_history_cannot_take_is_refused_or_told_of(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    for query in ("_count=0", "_count=x", "_count=-1", "_since=tomorrow", "_at=2001-13", "_cursor=%00", "_cursor=AAAA"):
        assert issue(house.get(f"Patient/p/_history?{query}"))[0] == 400, query
    assert house.get("Patient/p/_history?_count=1000000000").status_code == 200
    assert house.get("Patient/p/_history?color=red").status_code == 200
    assert house.get("Patient/p/_history?color=red", prefer="handling=strict").status_code == 400
    assert issue(house.get("Patient/nobody/_history")) == (404, "not-found")
