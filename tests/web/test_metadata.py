from tests.web.fakes import Web, parts_of


def test_metadata_is_the_archives_text_in_one_body():
    web = Web()
    answer = web.get("/studies/1.2/series/1.3/metadata")
    assert answer.content == b"".join(web.archive.texts)
    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_long_metadata_is_streamed_with_its_length():
    web = Web()
    web.archive.texts = [b"[", *[b'{"a":"' + b"x" * (3 << 20) + b'"},'] * 4, b"{}]"]
    answer = web.get("/studies/1.2/metadata", headers={"Accept-Encoding": "identity"})
    assert answer.content == b"".join(web.archive.texts)
    assert answer.headers["content-length"] == str(len(answer.content))


def test_urls_in_metadata_are_those_the_client_used():
    web = Web()
    answer = web.get("/studies/1.2/series/1.3/instances/1.4/metadata", headers={"Host": "archive.example:8443"})
    assert answer.json()[0]["00081190"]["Value"] == ["http://archive.example:8443/dicom-web"]


def test_metadata_as_xml():
    answer = Web().get("/studies/1.2/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    [(headers, content)] = parts_of(answer)
    assert headers["Content-Type"] == "application/dicom+xml"
    assert b'<Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName></Alphabetic>' in content


def test_no_such_study():
    assert Web().get("/studies/9.9/metadata").status_code == 404
