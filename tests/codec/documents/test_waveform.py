import numpy
import pytest

from pacsd.codec.documents.leads import lead, twelve_leads
from pacsd.codec.documents.waveform import MAX_VALUES, groups
from pacsd.faults import Fault, PacsdError
from tests.codec.documents.recordings import LEADS, MICROVOLT, Bulk, channel, group, instance
from tests.codec.documents.reports import coded, value

COUNTS = numpy.arange(-6, 6).reshape(4, 3)


def one(samples, interpretation="SS", channels=3, **more):
    leads = [channel("I")] * channels
    return groups(instance(group(samples, leads, frequency_hz=100, interpretation=interpretation, **more)))[0]


@pytest.mark.parametrize(
    ("interpretation", "kind"),
    [("SB", "i1"), ("SS", "<i2"), ("SL", "<i4"), ("SV", "<i8")],
)
@pytest.mark.parametrize("inline", [True, False])
def test_samples_of_every_signed_width(interpretation, kind, inline):
    samples = COUNTS.astype(kind)
    found = one(samples, interpretation, inline=inline).read(1, 2, Bulk(samples))
    assert found.tolist() == COUNTS[1:3].tolist()


@pytest.mark.parametrize(("interpretation", "kind"), [("UB", "u1"), ("US", "<u2"), ("UL", "<u4"), ("UV", "<u8")])
def test_samples_of_every_unsigned_width(interpretation, kind):
    samples = numpy.full((4, 3), -1, kind[:-2] + "i" + kind[-1]).view(kind)
    assert one(samples, interpretation).read(0, 1, Bulk(samples)).tolist() == [[int(numpy.iinfo(kind).max)] * 3]


@pytest.mark.parametrize(
    ("interpretation", "codes", "linear"),
    [   # ITU-T G.711: decoder output values of tables 2a/2b (µ-law, ×4) and 1a/1b (A-law, ×8)
        ("MB", [0xFF, 0x7F, 0x80, 0x00, 0xF0], [0, 0, 8031 * 4, -8031 * 4, 30 * 4]),
        ("AB", [0xD5, 0x55, 0xAA, 0x2A, 0x80], [8, -8, 4032 * 8, -4032 * 8, 688 * 8]),
    ],
)
def test_companded_samples_are_expanded(interpretation, codes, linear):
    samples = numpy.array(codes, "u1").reshape(-1, 1)
    assert one(samples, interpretation, channels=1).read(0, 9, Bulk(samples)).ravel().tolist() == linear


def test_values_are_sample_times_sensitivity_times_correction_plus_baseline():
    described = channel("I", MICROVOLT, sensitivity=1.25, t003A0212=value("DS", 2), t003A0213=value("DS", -10))
    samples = numpy.array([[100], [0]], "<i2")
    found = groups(instance(group(samples, [described], frequency_hz=100)))[0]
    assert found.channels[0].values(samples[:, 0]).tolist() == [240.0, -10.0]


@pytest.mark.parametrize(
    ("more", "shift_s"),
    [
        ({"t003A0214": value("DS", 0.5)}, 0.5),
        ({"t003A0215": value("DS", 25)}, 0.25),
        ({"t003A0215": value("DS", 25), "t003A0218": value("DS", 1)}, 1.25),
    ],
)
def test_skew_in_seconds_or_samples_and_offset_move_a_channel(more, shift_s):
    samples = numpy.zeros((2, 1), "<i2")
    found = groups(instance(group(samples, [channel("I", **more)], frequency_hz=100)))[0]
    assert found.channels[0].shift_s == shift_s


def test_time_offset_is_in_milliseconds():
    assert one(COUNTS.astype("<i2"), t00181068=value("DS", 1500)).time_offset_s == 1.5


def test_padding_is_no_sample():
    padding = {"vr": "OW", "InlineBinary": "AIA="}       # 0x8000
    samples = numpy.array([[1], [-32768]], "<i2")
    found = one(samples, channels=1, t5400100A=padding)
    assert found.is_padding(samples).ravel().tolist() == [False, True]
    assert not one(samples, channels=1).is_padding(samples).any()


def lies(**changes):
    return group(COUNTS.astype("<i2"), [channel("I")] * 3, frequency_hz=100) | {k[1:]: v for k, v in changes.items()}


@pytest.mark.parametrize(
    "broken",
    [
        lies(t003A0005=value("US", 4)),
        lies(t003A0005=value("US", 0), t003A0200=value("SQ")),
        lies(t003A0010=value("UL", 0)),
        lies(t003A0010=value("UL", -5)),
        lies(t003A001A=value("DS", 0)),
        lies(t003A001A=value("DS", "NaN")),
        lies(t003A001A=value("DS", 1e300)),
        lies(t54001006=value("CS", "XX")),
        lies(t54001010=None),
        lies(t54001010={"vr": "OW", "InlineBinary": "%%%"}),
    ],
)
def test_counts_that_make_no_sense_are_refused(broken):
    with pytest.raises(PacsdError) as refused:
        groups(instance(broken))
    assert refused.value.fault is Fault.MALFORMED


def test_an_instance_without_a_waveform_is_malformed():
    with pytest.raises(PacsdError) as refused:
        groups({})
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("inline", [True, False])
def test_data_shorter_than_its_counts_is_refused(inline):
    samples = COUNTS.astype("<i2")
    found = groups(instance(group(samples, [channel("I")] * 3, frequency_hz=100, inline=inline) | {
        "003A0010": value("UL", 1_000_000),
    }))[0]  # fmt: skip
    with pytest.raises(PacsdError) as refused:
        found.read(0, 1000, Bulk(samples))
    assert refused.value.fault is Fault.MALFORMED


def test_a_stretch_of_too_many_samples_is_refused_before_it_is_read():
    bulk = Bulk(b"")
    found = groups(instance(lies(t003A0010=value("UL", 2**32 - 1))))[0]
    with pytest.raises(PacsdError) as refused:
        found.read(0, MAX_VALUES, bulk)
    assert refused.value.fault is Fault.TOO_MUCH and bulk.most_bytes == 0


def described(source):
    return groups(instance(group(numpy.zeros((1, 1), "<i2"), [channel("x") | {"003A0208": value("SQ", source)}],
                                 frequency_hz=100)))[0].channels[0]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (coded("Lead I (Einthoven)", "5.6.3-9-1", "SCPECG"), "I"),
        (coded("whatever", "2:62", "MDC"), "aVR"),
        (coded("Lead III", "9", "99X"), "III"),
        (coded("AVF", "9", "99X"), "aVF"),
        (coded("Lead v6", "9", "99X"), "V6"),
        (coded("V4R", "9", "99X"), ""),
        (coded("I-II difference", "9", "99X"), ""),
        (coded("Respiration", "9", "99X"), ""),
        (coded("whatever", "2:99", "MDC"), ""),
    ],
)
def test_leads_are_known_by_code_or_by_name(source, name):
    assert lead(described(source)) == name


def test_twelve_leads_are_twelve_each_once():
    def channels(*names):
        samples = numpy.zeros((1, len(names)), "<i2")
        return groups(instance(group(samples, [channel(one) for one in names], frequency_hz=100)))[0].channels

    assert set(twelve_leads(channels(*LEADS, "Respiration"))) == set(LEADS)
    assert twelve_leads(channels(*list(LEADS)[:11])) == {}
    assert twelve_leads(channels(*LEADS, "I")) == {}


def test_the_real_ecg_agrees_with_its_own_measurements(data_folder):
    """Einthoven's law holds on every sample, and the R wave is where the recorder found it."""
    from pydicom import dcmread

    from tests.codec.documents.reports import attributes_of

    path = data_folder / "dicom/modality/ecg/waveform_ecg.dcm"
    data = dcmread(path).WaveformSequence[0].WaveformData
    first = groups(attributes_of(path))[0]
    samples = first.read(0, 10_000, Bulk(numpy.frombuffer(data, "u1")))
    places = twelve_leads(first.channels)
    leads = {name: first.channels[place].values(samples[:, place]) for name, place in places.items()}
    assert abs(leads["I"] + leads["III"] - leads["II"]).max() <= 2.5      # µV, two steps of rounding
    assert abs(leads["aVR"] + leads["aVL"] + leads["aVF"]).max() <= 7.5
    assert abs(int(leads["II"][1400:1650].argmax()) + 1400 - 1526) < 15   # annotated fiducial point of the second beat
