"""The grammar of specs, catalogues read from files, levels, jobs: what a mistake is answered."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from medclean.catalog import MASKS, MODELS, NOISES
from medclean.errors import Exit, UsageError
from medclean.jobs._setting import changed, settings, values
from medclean.jobs.denoise import DenoiseJob
from medclean.options import build, over, parse, split
from medclean.volume import Given, Volume, level_of, scale_of

CT = Given("HU", 4000.0, (5.0, 0.7, 0.7), "CT")


@dataclass(frozen=True)
class Example:
    """One field of each type."""

    depth: int = 3
    weight: float = 1.0
    clip: bool = False
    clamp: float | None = None
    sigma: float | str = 0.05
    norm: Literal["batch", "group"] = "batch"
    factor: Literal[1, 2] = 1
    betas: tuple[float, ...] = (0.9, 0.999)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("dgan", "dgan:width=64,streams=[1,2],groups=1"),
        ("dgan:groups=2,fusion=sum", "dgan:width=64,streams=[1,2],groups=2,fusion=sum"),
        ("dgan:streams=[1,3,6]", "dgan:width=64,streams=[1,3,6],groups=1"),
        ("rrg:groups=2", "rrg:groups=2"),
    ],
)
def test_a_spec_over_another_leaves_the_options_that_it_does_not_name(spec, expected):
    assert over(spec, "dgan:width=64,streams=[1,2],groups=1") == expected


def test_text_becomes_the_type_of_its_field():
    spec = "x:depth=7,weight=1e-3,clip=true,clamp=2,sigma=20HU,norm=group,factor=2,betas=[0,0.9]"
    made = build(Example, parse(spec)[1], "x")
    assert made == Example(7, 1e-3, True, 2.0, "20HU", "group", 2, (0.0, 0.9))
    assert build(Example, {"sigma": "0.1", "clamp": "none"}, "x") == Example(sigma=0.1)


def test_brackets_hold_commas_and_colons_and_nest():
    name, options = parse("gan:extractor=[vgg19:weights=[a,b:c],layer=3],l1=5")
    assert (name, options["l1"]) == ("gan", "5")
    assert parse(options["extractor"]) == ("vgg19", {"weights": "a,b:c", "layer": "3"})
    assert split("gaussian:sigma=1|x:y=[a|b]", "|") == ["gaussian:sigma=1", "x:y=[a|b]"]


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("dgna", "no model 'dgna'; did you mean 'dgan'?"),
        ("dgan:widht=3", "dgan has no option 'widht'; did you mean 'width'?"),
        ("dgan:width=three", "dgan: width is 'three', expected a whole number"),
        ("dgan:l1_weight=nan", "l1_weight is 'nan', expected a number"),
        ("dgan:patch=17", "patch is '17', expected 16 or 34 or 70"),
        ("wavelet:wavelet=db1", "expected haar or db2 or db4 or sym4 or sym8 or coif1"),
        ("mirnet:clamp=1", "clamp is '1', expected true or false"),
        ("rrg:streams=[1,x]", "expected a whole number, or several with commas in brackets"),
        ("TV", "no model 'TV'; did you mean 'tv'?"),
        ("nlm:strength=0", "nlm: strength is 0, expected more than 0"),
        ("nlm:sigma=abc", "nlm: level 'abc', expected 0.05, 5% or a number with a unit"),
        ("nlm:sigma=-0.05", "expected 0 or more"),
        ("dgan:width", "expected name:key=value,key=value, got 'width'"),
        ("dgan:width=3,width=4", "got 'width=4'"),
        ("dgan:pool=a:b", "write pool=[a:b], in brackets"),
        ("dgan:pool=[a", "brackets do not match"),
    ],
)
def test_a_mistake_is_explained(spec, hint):
    with pytest.raises(UsageError) as error:
        MODELS.make(spec)
    assert hint in str(error.value)
    assert error.value.status == 2


@pytest.mark.parametrize("catalog", [MASKS, MODELS, NOISES])
def test_entries_are_read_from_files_and_every_option_has_its_line_of_help(catalog):
    for name in catalog:
        entry = catalog.entry(name)
        assert entry.summary.endswith(".")
        assert all(option.help for option in entry.options.values()), name


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.01, 40), ("1%", 40), ("20HU", 20), ("20 HU", 20), (".5HU", 0.5), ("1E2HU", 100)],
)
def test_levels_are_relative_to_the_scale_or_have_a_unit(level, expected):
    assert CT.absolute(level) == pytest.approx(expected)


@pytest.mark.parametrize("level", ["20Bq/ml", "5au"])
def test_a_level_in_another_unit_is_refused(level):
    with pytest.raises(UsageError, match="number in HU"):
        CT.absolute(level)


@pytest.mark.parametrize("level", ["", "HU", "-1HU", -0.1, float("nan"), float("inf"), "1.2.3"])
def test_what_is_no_level_is_refused_at_once(level):
    with pytest.raises(ValueError, match="level"):
        level_of(level)


def test_a_volume_says_what_is_known_of_it():
    slices = np.full((2, 4, 5), 1000, np.float32)
    volume = Volume(slices, np.diag([5.0, 0.7, 0.7, 1.0]), "HU", "CT", 4000.0)
    given = volume.with_array(2 * slices).given(sigma=12.5)
    assert (given.unit, given.scale, given.sigma) == ("HU", 4000, 12.5)
    assert given.spacing == pytest.approx((5, 0.7, 0.7))
    assert given.times(1 / 4000).sigma == pytest.approx(12.5 / 4000)


def test_scale_leaves_padding_out():
    series = np.arange(2000, dtype=np.float32)
    assert scale_of(series, "MR", padding=series >= 1000) == pytest.approx(998, abs=0.1)
    assert scale_of(0 * series, "PT") == 1
    assert scale_of(series, "CT") == 4000


def test_one_status_stands_for_many():
    assert Exit.of([Exit.DONE, Exit.PARTIAL, Exit.CANNOT_WRITE, Exit.NOTHING_TO_DO]) == 6
    assert Exit.of([Exit.STOPPED, Exit.BUG]) == 75
    assert Exit.of([]) == 0


def test_a_job_knows_its_settings_by_kind(tmp_path):
    job = DenoiseJob((tmp_path,), "nlm", strength=0.5, syntax="rle", batch=3)
    assert all(setting.help for setting in settings(DenoiseJob).values())
    assert changed(job, "result") == {"model": "nlm", "strength": 0.5}
    assert changed(job, "form") == {"syntax": "rle"}
    assert values(job)["studies"] == [str(tmp_path)]
    with pytest.raises(ValueError, match="strength is 2, expected 0 to 1"):
        DenoiseJob((tmp_path,), "nlm", strength=2)
