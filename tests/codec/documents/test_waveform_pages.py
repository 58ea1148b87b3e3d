"""Waveforms on paper: expectations are the standard's formulas applied to known signals, in millimetres."""

import itertools
import re

import numpy
import pytest
from lxml import etree

from pacsd.codec.documents.drawing import Clip, Polyline, Text
from pacsd.codec.documents.pdf import pdf
from pacsd.codec.documents.svg import svg
from pacsd.codec.documents.waveform_pages import MAX_PAGES, pages
from pacsd.faults import Fault, PacsdError
from tests.codec.documents.recordings import (
    GENERAL_ECG,
    HEMODYNAMIC,
    LEADS,
    MICROVOLT,
    TWELVE_LEAD,
    VOICE,
    Bulk,
    channel,
    group,
    instance,
    square,
)
from tests.codec.documents.reports import attributes_of, coded, value
from tests.codec.documents.test_reports import streams

SVG = "{http://www.w3.org/2000/svg}"


def twelve(frequency_hz=500, *, seconds=10, height=1000, **more):
    samples = square(frequency_hz, seconds=seconds, height=height, channels=12)
    return instance(group(samples, [channel(one, **more) for one in LEADS], frequency_hz=frequency_hz)), Bulk(samples)


def traces(drawing, page=0):
    return [line for part in drawing.pages[page].parts if isinstance(part, Clip) for line in part.parts]


def texts(drawing, page=0):
    return [part.text for part in drawing.pages[page].parts if isinstance(part, Text)]


def points_of_svg(document):
    root = etree.fromstring(document)
    assert root.get("viewBox").split()[2:] == [root.get(side).removesuffix("mm") for side in ("width", "height")]
    return [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iter(SVG + "polyline")
        if line.getparent().get("clip-path")
    ]


@pytest.mark.parametrize("frequency_hz", [250, 500, 1000, 8000])
def test_one_millivolt_is_ten_millimetres_and_one_second_twenty_five(frequency_hz):
    document, bulk = twelve(frequency_hz)
    rhythm = points_of_svg(svg(pages(document, bulk, sop_class_uid=TWELVE_LEAD)))[-1]
    low, high = max(y for _, y in rhythm), min(y for _, y in rhythm)
    top = [x for x, y in rhythm if y == high]
    assert low - high == pytest.approx(10.0, abs=1e-6)
    assert top[-1] - top[0] == pytest.approx(25.0 - 25.0 / frequency_hz, abs=0.011)
    assert top[0] - rhythm[0][0] == pytest.approx(25.0, abs=0.011)        # it begins at the first second
    assert rhythm[-1][0] - rhythm[0][0] == pytest.approx(250.0, abs=0.11)


def test_microvolts_sensitivity_and_correction_come_to_the_same():
    document, bulk = twelve(500, height=400, unit=MICROVOLT, sensitivity=1.25, t003A0212=value("DS", 2))
    (*_, rhythm) = traces(pages(document, bulk, sop_class_uid=TWELVE_LEAD))
    heights = [y for _, y in rhythm.points]
    assert max(heights) - min(heights) == pytest.approx(10.0)            # 400 × 1.25 µV × 2 = 1 mV


def test_the_pdf_is_to_scale_too():
    document, bulk = twelve(500)
    content = streams(pdf(pages(document, bulk, sop_class_uid=TWELVE_LEAD)))
    assert content.startswith("2.834646 0 0 2.834646 0 0 cm")             # 72 / 25.4 points a millimetre
    rhythm = re.findall(r"([\d.]+) ([\d.]+) [ml](?= )", max(content.split("\n"), key=len))
    heights = [float(y) for _, y in rhythm]
    assert max(heights) - min(heights) == pytest.approx(10.0, abs=2e-3)


def test_twelve_leads_stand_in_three_rows_of_four_with_a_rhythm_strip():
    document, bulk = twelve()
    drawing = pages(document, bulk, sop_class_uid=TWELVE_LEAD)
    names = [part for part in drawing.pages[0].parts if isinstance(part, Text) and part.text in LEADS]
    assert [part.text for part in names] == [
        "I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    assert len({part.y_mm for part in names}) == 4
    assert [round(b.x_mm - a.x_mm, 6) for a, b in itertools.pairwise(names[:4])] == [62.5] * 3


def test_columns_follow_each_other_in_time():
    frequency = 100
    samples = numpy.repeat(numpy.arange(1000, dtype="<i2").reshape(-1, 1), 12, 1)      # a ramp: value tells time
    document = instance(group(samples, [channel(one) for one in LEADS], frequency_hz=frequency))
    drawing = pages(document, Bulk(samples), sop_class_uid=TWELVE_LEAD)
    clips = [part for part in drawing.pages[0].parts if isinstance(part, Clip)]
    for column, clip in enumerate(clips[:4]):
        base = next(y for x, y in clip.parts[0].points if x == pytest.approx(clip.x_mm))
        first = clip.parts[0].points[0]
        seconds = (clip.x_mm - first[0]) / 25
        assert seconds == pytest.approx(2.5 * column)
        assert (first[1] - base) / 10 == pytest.approx(2.5 * column * frequency * 0.001, abs=1e-6)


def test_a_short_recording_shows_its_start_in_every_column():
    document, bulk = twelve(seconds=2)
    drawing = pages(document, bulk, sop_class_uid=TWELVE_LEAD)
    clips = [part for part in drawing.pages[0].parts if isinstance(part, Clip)]
    assert len(clips) == 12                                               # no rhythm strip
    assert all(clip.parts[0].points[0][0] == pytest.approx(clip.x_mm) for clip in clips)


def test_large_deflections_lower_the_gain_and_the_legend_says_so():
    document, bulk = twelve(height=12_000)
    drawing = pages(document, bulk, sop_class_uid=TWELVE_LEAD)
    assert any("5 mm/mV" in text for text in texts(drawing))
    heights = [y for _, y in traces(drawing)[-1].points]
    assert max(heights) - min(heights) == pytest.approx(60.0)


def test_every_row_has_its_calibration_pulse():
    document, bulk = twelve()
    drawing = pages(document, bulk, sop_class_uid=TWELVE_LEAD)
    pulses = [part for part in drawing.pages[0].parts if isinstance(part, Polyline) and len(part.points) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        xs, ys = zip(*pulse.points, strict=True)
        assert ys[1] - ys[2] == pytest.approx(10.0) and xs[3] - xs[2] == pytest.approx(5.0)


def test_missing_samples_leave_a_gap():
    samples = square(100, seconds=10)
    samples[300:400] = -32768
    padding = {"vr": "OW", "InlineBinary": "AIA="}
    document = instance(group(samples, [channel("I")], frequency_hz=100, t5400100A=padding))
    before, behind = traces(pages(document, Bulk(samples), sop_class_uid=GENERAL_ECG))
    assert behind.points[0][0] - before.points[-1][0] == pytest.approx(25.0 * 1.01)


def test_other_leads_are_stacked_and_named_by_their_source():
    samples = square(100, channels=3)
    names = ["Lead II", "Thoracic respiration", "Unknown lead"]
    document = instance(group(samples, [channel(one) for one in names], frequency_hz=100))
    drawing = pages(document, Bulk(samples), sop_class_uid=GENERAL_ECG)
    assert [text for text in texts(drawing) if text.endswith("  0 s")] == [
        "II  0 s", "Thoracic respiration  0 s", "Unknown lead  0 s"]
    assert len(traces(drawing)) == 3


def test_a_pressure_has_a_scale_of_its_own():
    samples = numpy.array([[80], [120]] * 500, "<i2")
    mmhg = coded("millimetre of mercury", "mm[Hg]", "UCUM")
    document = instance(group(samples, [channel("Aortic pressure", mmhg, sensitivity=1)], frequency_hz=100))
    drawing = pages(document, Bulk(samples), sop_class_uid=HEMODYNAMIC)
    said = texts(drawing)
    assert "Aortic pressure (mmHg)  0 s" in said and {"80", "100", "120"} <= set(said)       # 10 mm are 20 mmHg
    heights = [y for _, y in traces(drawing)[0].points]
    assert max(heights) - min(heights) == pytest.approx(20.0)
    assert not any("mm/mV" in text for text in said)


def test_audio_is_drawn_without_a_unit():
    samples = numpy.tile(numpy.array([0xFF, 0x80, 0x00], "u1"), 8000).reshape(-1, 1)
    document = instance(group(samples, [channel("Voice", None, sensitivity=1)], frequency_hz=8000, interpretation="MB"))
    drawing = pages(document, Bulk(samples), sop_class_uid=VOICE)
    assert len(traces(drawing)) == 1 and "Voice  0 s" in texts(drawing)


def test_a_long_recording_is_cut_and_says_so_and_is_not_read_whole():
    seconds, frequency = 3600, 200
    samples = numpy.zeros((seconds * frequency, 2), "<i2")
    bulk = Bulk(samples)
    document = instance(group(samples, [channel("I"), channel("II")], frequency_hz=frequency))
    drawing = pages(document, bulk, sop_class_uid=GENERAL_ECG)
    assert len(drawing.pages) == MAX_PAGES
    assert f"shown: the first {MAX_PAGES * 30} s of 3600 s" in texts(drawing, MAX_PAGES - 1)
    assert bulk.most_bytes < 100_000


def test_more_channels_than_strips_is_said():
    samples = square(100, seconds=2, channels=100)
    document = instance(group(samples, [channel(f"C{one}") for one in range(100)], frequency_hz=100))
    drawing = pages(document, Bulk(samples), sop_class_uid=GENERAL_ECG)
    assert "shown: 72 of 100 channels" in texts(drawing) and len(drawing.pages) == MAX_PAGES


@pytest.mark.parametrize("sop_class_uid", [TWELVE_LEAD, GENERAL_ECG, HEMODYNAMIC])
@pytest.mark.parametrize("unit", [MICROVOLT, coded("x", "kPa", "UCUM")])
@pytest.mark.parametrize(
    "more",
    [
        {"sensitivity": 1e308}, {"sensitivity": -1e-308}, {"sensitivity": 0}, {"t003A0212": value("DS", 1e300)},
        {"t003A0213": value("DS", 1.7e308)}, {"t003A0218": value("DS", 1e300)}, {"t003A0215": value("DS", -1e300)},
    ],
)  # fmt: skip
def test_factors_without_measure_draw_nothing_that_is_none(sop_class_uid, unit, more):
    samples = square(100, channels=12)
    document = instance(group(samples, [channel(one, unit, **more) for one in LEADS], frequency_hz=100))
    drawing = pages(document, Bulk(samples), sop_class_uid=sop_class_uid)
    found = svg(drawing)
    assert b"nan" not in found and b"inf" not in found and len(found) < 2_000_000
    assert pdf(drawing).endswith(b"%%EOF\n")


def test_more_groups_than_pages_is_said():
    samples = square(100, seconds=2)
    document = instance(*[group(samples, [channel("I")], frequency_hz=100) for _ in range(MAX_PAGES + 1)])
    drawing = pages(document, Bulk(*[samples] * (MAX_PAGES + 1)), sop_class_uid=GENERAL_ECG)
    assert any("there is more in the instance" in text for text in texts(drawing))


def test_a_billion_samples_a_second_are_refused_or_drawn_in_bounds():
    document = instance(group(square(100), [channel("I")], frequency_hz=1e9) | {"003A0010": value("UL", 2**32 - 1)})
    with pytest.raises(PacsdError) as refused:
        pages(document, Bulk(square(100)), sop_class_uid=GENERAL_ECG)
    assert refused.value.fault is Fault.TOO_MUCH


def test_text_in_a_waveform_is_escaped():
    nasty = "</text><script>alert(1)</script>"
    samples = square(100)
    note = {"00700006": value("ST", nasty)}
    document = instance(
        group(samples, [channel(nasty)], frequency_hz=100, t003A0020=value("SH", nasty)),
        t00100020=value("LO", nasty), t0040B020=value("SQ", note),
    )  # fmt: skip
    root = etree.fromstring(svg(pages(document, Bulk(samples), sop_class_uid=GENERAL_ECG)))
    assert not list(root.iter("{*}script"))
    assert nasty in "".join(root.itertext())


def test_statements_and_measurements_stand_above_and_points_in_time_do_not():
    samples = square(100)
    notes = [
        {"00700006": value("ST", "Sinus rhythm")},
        {"0040A043": value("SQ", coded("QT interval")), "0040A30A": value("DS", 368),
         "004008EA": value("SQ", coded("milliseconds", "ms", "UCUM"))},
        {"0040A043": value("SQ", coded("P onset")), "0040A130": value("CS", "POINT")},
    ]  # fmt: skip
    document = instance(group(samples, [channel("I")], frequency_hz=100), t0040B020=value("SQ", *notes))
    said = texts(pages(document, Bulk(samples), sop_class_uid=GENERAL_ECG))
    assert "Sinus rhythm" in said and "QT interval: 368 ms" in said and "P onset" not in " ".join(said)


def test_the_real_ecg_as_svg_and_pdf(data_folder):
    from pydicom import dcmread

    path = data_folder / "dicom/modality/ecg/waveform_ecg.dcm"
    found = dcmread(path)
    bulk = Bulk(*(numpy.frombuffer(one.WaveformData, "u1") for one in found.WaveformSequence))
    drawing = pages(attributes_of(path), bulk, sop_class_uid=TWELVE_LEAD)
    assert len(drawing.pages) == 2
    said = texts(drawing)
    assert "RITMO SINUSALE   ECG NORMALE" in said
    assert "25 mm/s  ·  10 mm/mV  ·  0.05–300 Hz  ·  1000 samples/s  ·  RHYTHM" in said
    assert any("42 y" in text for text in said)
    lines = points_of_svg(svg(drawing))
    assert len(lines) == 13 + 12
    # the highest R wave of the rhythm strip, by the formula: sample × 1.25 µV, 10 mm/mV
    samples = numpy.frombuffer(found.WaveformSequence[0].WaveformData, "<i2").reshape(-1, 12)[:, 1]
    heights = [y for _, y in lines[12]]
    expected = (int(samples.max()) - int(samples.min())) * 1.25 / 1000 * 10
    assert max(heights) - min(heights) == pytest.approx(expected, abs=0.011)
    assert pdf(drawing) == pdf(drawing)
