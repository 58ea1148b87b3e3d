import pytest

from tests.web.fakes import Web


@pytest.mark.parametrize("path", ["/studies", "/studies/1.2/metadata"])
@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("charset=utf-8", None, 200),
        ("charset=UTF-8", "iso-8859-1", 200),
        ("charset=iso-8859-1", "utf-8", 406),
        ("", "iso-8859-1", 406),
        ("", "iso-8859-1, utf-8;q=0.5", 200),
        ("", "iso-8859-1, *;q=0.1", 200),
        ("", "utf-8;q=0", 406),
        ("", "", 200),
    ],
)
def test_text_is_utf8_or_refused(path, query, header, status):
    headers = {} if header is None else {"Accept-Charset": header}
    answer = Web().get(f"{path}?{query}", headers=headers)
    assert answer.status_code == status
    if status == 406:
        assert answer.json()["acceptable"] == ["utf-8"]


def test_frames_are_no_text():
    path = "/studies/1.2/series/1.3/instances/1.4/frames/1"
    assert Web().get(path, headers={"Accept-Charset": "iso-8859-1"}).status_code == 200


def test_the_accept_parameter_decides_before_the_header():
    answer = Web().get("/studies/1.2/metadata?accept=application/json", headers={"Accept": "image/png"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
