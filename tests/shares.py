"""How several processes share the tests (`make test JOBS=2`): by file, as files share nothing but servers.

Files that use the same server are run by one process, so that it starts once. What takes long begins first, so that at
the end no process waits for another's long file.
"""

from collections.abc import Mapping

from xdist.scheduler import LoadFileScheduling

# In this order, then all else; what is missing here costs time and nothing more.
TOGETHER: Mapping[str, tuple[str, ...]] = {
    "browser": ("tests/browser/test_film.py", "tests/browser/test_ohif.py", "tests/browser/test_other_origin.py"),
    "hospitals": tuple(f"tests/end_to_end/test_{name}.py" for name in (
        "commands", "non_patient", "isolation", "clients", "hostile")),
    "guarded": ("tests/security/", "tests/conformance/test_security.py", "tests/browser/test_security_keys.py",
                "tests/browser/test_sign_in.py"),
    "running_server": ("tests/web/test_every_image.py", "tests/web/test_rendered_server.py",
                       "tests/web/test_store_round_trip.py", "tests/web/test_dicomweb_client.py",
                       "tests/web/test_transcoding.py", "tests/web/test_conditional_server.py",
                       "tests/web/test_wado_uri.py", "tests/web/test_rendered_documents.py", "tests/fhir/clients/",
                       "tests/fhir/test_fuzz.py", "tests/fhir/http/test_bounds.py", "tests/conformance/test_ours.py",
                       "tests/conformance/test_oru.py", "tests/conformance/test_command.py",
                       "tests/conformance/test_fhir.py", "tests/conformance/test_liars.py",
                       "tests/end_to_end/test_fhir_sockets.py"),
}  # fmt: skip
FIRST = ("tests/test_durability.py", "tests/end_to_end/", "tests/browser/", "tests/conformance/", "tests/test_")


def share_of(nodeid: str) -> str:
    """What a test is run with: its file, or the name of what several files share."""
    file = nodeid.partition("::")[0]
    return next((name for name, places in TOGETHER.items() if file.startswith(places)), file)


def turn(nodeid: str) -> tuple[int, int]:
    """Where a test's share stands in the order; equal ones stay as they were collected."""
    share = share_of(nodeid)
    if share in TOGETHER:
        return 0, list(TOGETHER).index(share)
    return 1, next((place for place, start in enumerate(FIRST) if share.startswith(start)), len(FIRST))


class Shares(LoadFileScheduling):
    """Gives each process one share after the other, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
