"""The table of SOP classes against pynetdicom's list of the standard's."""

from pynetdicom import sop_class as reference

from pacsd.dimse.sop_classes import SOP_CLASSES, STORAGE_CLASSES, Model, Service, sop_class


def test_every_standard_storage_class_is_declared() -> None:
    declared = {one.uid for one in STORAGE_CLASSES if not one.retired}
    assert declared >= set(reference._STORAGE_CLASSES.values())


def test_no_uid_stands_twice() -> None:
    assert len({one.uid for one in SOP_CLASSES}) == len(SOP_CLASSES)


def test_query_retrieve_classes_have_a_model() -> None:
    for one in SOP_CLASSES:
        queried = one.service in (Service.FIND, Service.MOVE, Service.GET)
        assert (one.model is not None) == (queried and one.non_patient is None)
    found = sop_class("1.2.840.10008.5.1.4.1.2.2.1")
    assert found is not None and found.model is Model.STUDY_ROOT and found.service is Service.FIND
