"""What harms an image is caught, by the figure that is there for it; what helps it is not."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

import phantoms
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.physics.signal import gradients
from medclean.physics.signal.body import body_mask
from medclean.physics.signal.noise_level import noise_at, noise_level
from medclean.quality import safety
from medclean.quality.gates import parse
from medclean.quality.limits import TABLE, judged, rows
from medclean.volume import Given

KINDS = ("CT", "MR")
CLEAN = {kind: phantoms.clean(kind) for kind in KINDS}
NOISY = {kind: phantoms.noisy(CLEAN[kind], kind) for kind in KINDS}


def parts(before, after, kind, padding=None):
    """Of a file a slice."""
    padding = np.zeros(before.shape, bool) if padding is None else padding
    images = zip(before, after, padding, strict=True)
    made = {f"{n}.dcm": safety.measure([(b, a, p)], kind) for n, (b, a, p) in enumerate(images)}
    return {path: part for path, part in made.items() if part}


def figures(before, after, kind, padding=None):
    found = parts(before, after, kind, padding)
    return safety.figures(found, modality=kind, scale=phantoms.SCALE[kind])


def verdicts(found, kind):
    told = judged(found, kind)
    return {row.figure: told[row.figure]["verdict"] for row in rows(kind)}


def denoised(images, kind, spec):
    """By a model of the catalogue that is told the true level."""
    denoiser = Denoiser.of(spec)
    engine = Engine.on(Rung("cpu", 1), denoiser.model(kind), normaliser=denoiser.normaliser(kind))
    unit = "HU" if kind == "CT" else "au"
    given = Given(unit, phantoms.SCALE[kind], (1, 1, 1), kind, sigma=phantoms.SIGMA[kind])
    return engine.denoise(images[:, None], given)


ALL_GREEN = dict.fromkeys(("bias", "structure", "edges", "noise", "spot"), "green")


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_itself_passes(kind):
    found = figures(NOISY[kind], CLEAN[kind], kind)
    assert verdicts(found, kind) == ALL_GREEN
    assert found.noise < 0.2


@pytest.mark.parametrize(("spec", "kind"), [("nlm", "CT"), ("nlm", "MR"), ("dgan", "MR")])
def test_a_good_denoiser_passes(spec, kind):
    found = figures(NOISY[kind], denoised(NOISY[kind], kind, spec), kind)
    assert verdicts(found, kind) == ALL_GREEN
    assert found.noise < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_blurred_edges_are_caught(kind):
    found = figures(NOISY[kind], denoised(NOISY[kind], kind, "gaussian:sigma=2"), kind)
    assert verdicts(found, kind)["edges"] == "red"
    assert found.edges == pytest.approx(0.7, abs=0.07)
    assert "blurred" in judged(found, kind)["edges"]["says"]


@pytest.mark.parametrize("shift", [8, -8])
def test_shifted_ct_numbers_are_caught(shift):
    found = figures(NOISY["CT"], CLEAN["CT"] + np.float32(shift), "CT")
    assert verdicts(found, "CT") == ALL_GREEN | {"bias": "red"}
    told = judged(found, "CT")["bias"]
    assert (told["value"], told["unit"]) == (pytest.approx(8, abs=0.5), "HU")
    assert ("up" if shift > 0 else "down") in told["says"]


def test_bias_of_the_others_is_a_share_of_scale():
    bright = CLEAN["MR"] * np.float32(1.2)
    found = figures(CLEAN["MR"], bright, "MR")
    inside = body_mask(CLEAN["MR"][0], "MR")
    mean = 20 * CLEAN["MR"][0][inside].mean() / 1000
    assert found.pooled["bias"] == pytest.approx(mean, rel=0.1)
    assert found.bias > 1.2 * mean  # where it is brightest
    assert verdicts(found, "MR")["bias"] == "red"


@pytest.mark.parametrize("kind", KINDS)
def test_an_erased_lesion_is_caught_where_it_was(kind):
    at, radius = (1, 70, 90), 5
    there = 2.5 * phantoms.SIGMA[kind] * phantoms.lesion(CLEAN[kind].shape, at, radius)
    sick = phantoms.noisy(CLEAN[kind] + there, kind)
    found = figures(sick, CLEAN[kind], kind)
    assert verdicts(found, kind) == ALL_GREEN | {"spot": "red"}  # no other figure can see it
    place = found.at["spot"]
    assert (place.path, place.frame) == ("1.dcm", 0)
    assert np.hypot(place.row - at[1], place.column - at[2]) <= radius
    assert judged(found, kind)["spot"]["at"] == place._asdict()
    kept = figures(sick, CLEAN[kind] + there, kind)
    assert verdicts(kept, kind) == ALL_GREEN


MANY = 40
STACKS = {kind: phantoms.clean(kind, MANY, 128) for kind in KINDS}


def in_one(images, wrong):
    """The images, with something else in the place of one."""
    images = images.copy()
    images[17] = wrong
    return images


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", ["up and down", "ramp", "one value", "another slice", "blurred"])
def test_what_is_right_on_average_and_wrong_in_places_is_caught(kind, harm):
    clean = STACKS[kind]
    sign = np.where(np.arange(MANY) % 2, -1, 1)[:, None, None]
    slope = np.linspace(-1, 1, clean.shape[2])
    body = body_mask(clean[17], kind)
    swing = {"CT": 50, "MR": 80}[kind]
    after = {
        "up and down": clean + swing * sign,
        "ramp": clean + swing * slope,
        "one value": in_one(clean, np.where(body, np.median(clean[17][body]), clean[17])),
        "another slice": in_one(clean, clean[5]),
        "blurred": in_one(clean, ndimage.gaussian_filter(clean[17], 3)),
    }[harm].astype(np.float32)
    found = figures(phantoms.noisy(clean, kind), after, kind)
    together = safety.Figures(**found.pooled)
    figure = "edges" if harm == "blurred" else "bias"
    assert verdicts(together, kind)[figure] == "green"  # all slices as one show nothing of it
    assert verdicts(found, kind)[figure] == "red"
    at = judged(found, kind)[figure]["at"]
    if harm not in ("up and down", "ramp"):
        assert (at["path"], at["frame"]) == ("17.dcm", 0)
    if harm == "ramp":
        assert at["column"] in (16, 112)  # the middle of a region at one side


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_of_many_slices_is_no_accident(kind):
    found = figures(phantoms.noisy(STACKS[kind], kind), STACKS[kind], kind)
    assert verdicts(found, kind) == ALL_GREEN
    small = np.tile(STACKS[kind][:, 50:74, 50:74], (10, 1, 1))
    found = figures(phantoms.noisy(small, kind), small, kind)
    assert verdicts(replace(found, edges=1), kind) == ALL_GREEN
    assert found.edges == found.pooled["edges"]


def test_a_body_that_was_never_there_is_caught():
    air = np.full_like(STACKS["CT"], -1000)
    before = phantoms.noisy(in_one(STACKS["CT"], air[0]), "CT")
    found = figures(before, STACKS["CT"], "CT")
    assert verdicts(found, "CT")["structure"] == "red"
    assert found.at["structure"].path == "17.dcm"


def test_noise_in_one_slice_is_caught():
    loud = np.random.default_rng(9).normal(0, 60, STACKS["CT"][17].shape)
    after = in_one(STACKS["CT"], STACKS["CT"][17] + loud)
    found = figures(phantoms.noisy(STACKS["CT"], "CT"), after.astype(np.float32), "CT")
    assert found.pooled["noise"] < 0.5
    assert (found.at["noise"].path, verdicts(found, "CT")["noise"]) == ("17.dcm", "red")


@pytest.mark.parametrize("kind", KINDS)
def test_a_lesion_cannot_hide_behind_all_that_a_denoiser_changes(kind):
    clean, sigma = CLEAN[kind], phantoms.SIGMA[kind]
    broad = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=clean.shape), (0, 25, 25))
    changed = (clean + 0.8 * sigma * broad / broad.std()).astype(np.float32)
    assert verdicts(figures(NOISY[kind], changed, kind), kind)["spot"] == "green"
    there = 3 * sigma * phantoms.lesion(clean.shape, (1, 70, 90), 4)
    sick = phantoms.noisy(clean + there, kind)
    found = figures(sick, changed, kind)
    assert verdicts(found, kind)["spot"] == "red"
    assert found.at["spot"].path == "1.dcm"


@pytest.mark.parametrize("strength", ["in the middle", "smooth"])
def test_noise_that_is_not_even_or_not_white_is_no_spot(strength):
    rows, columns = np.mgrid[:160, :160] / 160 - 0.5
    noise = np.random.default_rng(8).normal(0, 25, (9, 160, 160))
    if strength == "smooth":  # as MR is interpolated to twice its size
        spectrum = np.fft.fft2(noise)
        spectrum[:, 40:120] = spectrum[:, :, 40:120] = 0
        noise = 2 * np.fft.ifft2(spectrum).real
    else:
        noise *= 1 + 2 * np.exp(-(rows**2 + columns**2) / 0.02)
    clean = np.repeat(CLEAN["CT"], 3, axis=0)
    found = figures((clean + noise).astype(np.float32), clean, "CT")
    assert verdicts(found, "CT") == ALL_GREEN


def test_what_nobody_can_see_resembles_nothing():
    clean = np.rint(CLEAN["MR"])
    faint = ndimage.gaussian_filter(clean, (0, 1, 1))
    nearly = clean + np.float32(0.02) * (faint - clean)  # far below a shade
    assert verdicts(figures(clean, nearly, "MR"), "MR") == ALL_GREEN
    within = NOISY["MR"] + np.float32(0.1) * (faint - clean)  # far below the noise
    assert verdicts(figures(NOISY["MR"], within, "MR"), "MR") == ALL_GREEN
    gone = ndimage.gaussian_filter(clean, (0, 2, 2))  # a real loss, where there is hardly noise
    assert verdicts(figures(clean, gone, "MR"), "MR")["structure"] == "red"


def test_noise_that_is_added_is_caught():
    more = phantoms.noisy(NOISY["CT"], "CT")
    louder = NOISY["CT"] + (more - NOISY["CT"])[::-1]
    found = figures(NOISY["CT"], louder, "CT")
    assert found.pooled["noise"] == pytest.approx(2**0.5, rel=0.05)
    assert verdicts(found, "CT")["noise"] == "red"
    assert found.at["noise"].path == "1.dcm"  # which got its own noise a second time
    assert found.noise == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_removed_noise_has_no_structure_and_a_removed_image_has(kind):
    images = CLEAN[kind]
    white = np.random.default_rng(5).normal(0, phantoms.SIGMA[kind], images.shape)
    pure = figures((images + white).astype(np.float32), images, kind)
    assert pure.structure < 0.02
    half = figures(NOISY[kind], NOISY[kind] - images / 4, kind)
    assert half.structure > 0.4


def test_what_is_unchanged_adds_nothing():
    images, padding = NOISY["CT"], np.zeros(NOISY["CT"].shape, bool)
    assert safety.measure(zip(images, images, padding, strict=True), "CT") is None
    assert figures(images, images, "CT") == safety.Figures()
    assert verdicts(safety.Figures(), "CT") == ALL_GREEN
    one = images.copy()
    one[1] = CLEAN["CT"][1]
    assert figures(images, one, "CT").noise < 0.2  # the others do not dilute it


def test_parts_add_up_exactly_in_any_order_and_after_json():
    made = parts(NOISY["MR"], CLEAN["MR"], "MR")
    told = json.loads(json.dumps({path: asdict(part) for path, part in made.items()}))
    again = {path: safety.Part(**told[path]) for path in reversed(told)}
    expected = safety.figures(made, modality="MR", scale=1000)
    assert safety.figures(again, modality="MR", scale=1000) == expected
    size = len(json.dumps(told)) / len(told)
    assert size < 2000  # bytes that the journal spends on a slice


def test_frames_of_one_file_are_as_files_of_one_frame():
    before, after = NOISY["CT"], CLEAN["CT"]
    padding = np.zeros(before.shape, bool)
    whole = safety.measure(zip(before, after, padding, strict=True), "CT")
    found = safety.figures({"all.nii": whole}, modality="CT", scale=4000)
    single = figures(before, after, "CT")
    assert found.at["spot"].frame == int(single.at["spot"].path[0])
    for name in ("bias", "structure", "edges", "noise", "spot"):
        assert getattr(found, name) == pytest.approx(getattr(single, name), rel=1e-9)


def test_figures_are_what_they_are_said_to_be():
    before, after = NOISY["MR"][:1], denoised(NOISY["MR"][:1], "MR", "gaussian")
    found = figures(before, after, "MR")
    body = body_mask(before[0], "MR")
    change = (after - before)[0]
    steep = [ndimage.gaussian_gradient_magnitude(image[0], 2.0) for image in (before, after)]
    alike = np.corrcoef(change[body], after[0][body])[0, 1]
    steeper = np.corrcoef(np.abs(change[body]), steep[1][body])[0, 1]
    assert found.pooled["structure"] == pytest.approx(max(abs(alike), steeper), abs=0.02)
    strong = body & (steep[0] >= np.quantile(steep[0][body], 0.98))
    ratio = np.median(steep[1][strong] / steep[0][strong])
    assert found.pooled["edges"] == pytest.approx(ratio, abs=0.02)
    levels = noise_level(after[0]) / noise_level(before[0])
    assert found.pooled["noise"] == pytest.approx(levels, rel=0.15)


def test_padding_is_no_part_of_the_image():
    padding = np.zeros(NOISY["CT"].shape, bool)
    padding[:, :, 100:] = True
    before = np.where(padding, np.float32(-3024), NOISY["CT"])
    after = np.where(padding, np.float32(-3024), CLEAN["CT"])
    found = figures(before, after, "CT", padding)
    assert verdicts(found, "CT") == ALL_GREEN
    blurred = np.where(padding, before, ndimage.gaussian_filter(before, (0, 2, 2)))
    assert figures(before, blurred, "CT", padding).edges < 0.85  # its rim is no edge that is kept


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 7), (64, 64)])
def test_images_without_a_body_or_too_small_for_one_cannot_be_measured(shape):
    flat, rng = np.full((1, *shape), 7, np.float32), np.random.default_rng(0)
    other = rng.normal(7, 1, flat.shape).astype(np.float32)
    for before, after in ((flat, other), (other, flat)):
        told = judged(figures(before, after, "MR"), "MR")
        assert all(told[row.figure]["verdict"] in ("green", "amber", "red") for row in rows("MR"))
    told = judged(figures(flat, flat - 1, "MR"), "MR")
    assert told["bias"]["value"] is None
    assert (told["verdict"], told["bias"]["verdict"]) == ("amber", "amber")


def test_every_second_pixel_of_the_gaussian():
    image = NOISY["MR"][0][:77, :60]
    found = gradients.field(image)
    mean = ndimage.gaussian_filter(image.astype(np.float64), 2)[::2, ::2]
    slope = ndimage.gaussian_gradient_magnitude(image.astype(np.float64), 2)[::2, ::2]
    np.testing.assert_allclose(found.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(found.slope, slope, rtol=1e-3, atol=1e-2)
    white = np.random.default_rng(0).normal(0, 3, (256, 256)).astype(np.float32)
    assert gradients.local_mean(white).std() == pytest.approx(3 * gradients.NOISE, rel=0.05)
    square = np.mean(gradients.field(white).slope ** 2)  # of two components
    assert square**0.5 == pytest.approx(3 * gradients.SLOPE_NOISE * 2**0.5, rel=0.05)


def test_noise_at_some_places_is_that_of_the_slice():
    image = CLEAN["CT"][0] + np.random.default_rng(4).normal(0, 30, CLEAN["CT"][0].shape)
    places = np.nonzero(body_mask(CLEAN["CT"][0], "CT")[4:-4, 4:-4])
    assert noise_at(image, *(p + 4 for p in places))[:2] == pytest.approx((30, 30), rel=0.1)
    smooth = ndimage.gaussian_filter(image - CLEAN["CT"][0], 1)
    found = noise_at(smooth, *(p + 4 for p in places))
    assert (found.level, found.widest) == pytest.approx((smooth.std(),) * 2, rel=0.3)
    assert found.finest < 0.6 * found.level


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("name", ["gaussian", "median", "wavelet"])
def test_noise_that_is_left_is_measured_in_every_slice_however_smooth_it_is(modality, name):
    """It need not level off: at which lag it does is chance, and the finest detail is near 0."""
    noisy, clean = NOISY[modality], CLEAN[modality]
    after = denoised(noisy, modality, name)
    for k in range(len(noisy)):
        body = body_mask(clean[k], modality)
        errors = [image[k][body] - clean[k][body] for image in (noisy, after)]
        before, left = (np.median(np.abs(error - np.median(error))) for error in errors)
        found = figures(noisy[k : k + 1], after[k : k + 1], modality).pooled["noise"]
        assert found == pytest.approx(left / before, rel=0.45)


def test_the_table_holds_together():
    assert {row.figure for row in TABLE} <= set(vars(safety.Figures()))
    for row in TABLE:
        assert row.amber.least <= row.green.least < row.green.most < row.amber.most
        assert row.reason
        assert row.fine
        assert row.beyond
        assert row.below or not row.green.least


def test_gates():
    shifted = safety.Figures(bias=-5.2, edges=0.8, spot=3.0)
    ct, mr = judged(shifted, "CT"), judged(shifted, "MR")
    crossed = {
        "bias=5HU": ("bias is 5.2 HU, above 5 HU", None),
        "bias=5%": (None, "bias is 5.2%, above 5%"),
        "bias=5.2HU": (None, None),
        "edges=0.9": ("edges is 0.8, below 0.9",) * 2,
        "edges=0.8": (None, None),
        "spot=2": ("spot is 3, above 2",) * 2,
    }
    for text, expected in crossed.items():
        (gate,) = parse(text)
        assert (gate.crossed(ct), gate.crossed(mr)) == expected
    unknown = judged(replace(shifted, bias=None), "CT")
    asked, other = parse("bias=5HU,bias=2%")
    assert "bias=5HU cannot be judged" in asked.crossed(unknown)
    assert other.crossed(unknown) is None  # it is for MR and PET
    assert not any(gate.crossed(judged(safety.Figures(), "CT")) for gate in (asked, other))
    assert parse(None) == ()
    assert len(parse("bias=5HU, bias=2%,noise=1")) == 3
