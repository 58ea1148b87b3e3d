"""Keys of events fit an index, whatever clients name."""

from pacsd.audit.keys import of_address, of_agent, of_entity, of_name, of_patient


def test_keys_of_endless_names_are_short_and_those_of_short_ones_are_whole() -> None:
    endless = "𠮷\0" * 5_000
    for key in (of_patient(endless, endless), of_entity(endless), of_agent(endless), of_name(endless),
                of_address(endless)):  # fmt: skip
        assert len(key.encode()) < 2_600 and "\0" not in key
    assert of_patient("EAST", "1") == "p EAST 1" and of_entity("Patient/1") == "e Patient/1"
