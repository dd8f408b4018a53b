"""A normaliser loses nothing: what goes in comes back, with all that is known about it."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as forall
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medclean.catalog import NORMALISERS
from medclean.volume import Given

IMAGES = arrays(np.float32, (2, 1, 3, 4), elements=st.floats(-32768, 65535, width=32))


def known(scale: Any, unit: str = "au") -> Given:
    modality = "CT" if unit == "HU" else "MR"
    return Given(unit, scale, (3.0, 1.0, 1.0), modality, sigma=12.5, bias=1.25, suv=2e-4)


@pytest.mark.parametrize("name", list(NORMALISERS))
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@forall(images=IMAGES, scale=st.floats(1e-3, 1e5))
def test_inverse_undoes_forward(name: str, convert: Any, images: Any, scale: float) -> None:
    normaliser, source = NORMALISERS.make(name), convert(images)
    given = known(scale if name != "ct" else 4000.0, "HU" if name == "ct" else "au")
    normal, _ = normaliser.forward(source, given)
    restored = normaliser.inverse(normal, given, source)
    assert type(restored) is type(source)
    assert restored.dtype == source.dtype
    np.testing.assert_allclose(restored, images, rtol=1e-6, atol=1e-3 if name == "ct" else 1e-6)


@pytest.mark.parametrize(("name", "scale"), [("scale", 730.0), ("ct", 4000.0)])
def test_what_is_known_is_normalised_alike(name: str, scale: float) -> None:
    given = known(scale)
    normal, new = NORMALISERS.make(name).forward(np.full((1, 1, 2, 2), 365, np.float32), given)
    assert new.unit == "1"
    assert new.scale == 1
    assert new.sigma == pytest.approx(12.5 / scale)
    assert new.spacing == given.spacing
    if name == "scale":
        assert normal.ravel()[0] == 0.5


def test_a_batch_of_several_series_keeps_a_scale_each() -> None:
    scale = torch.tensor([100.0, 400.0]).reshape(2, 1, 1, 1)
    normal, new = NORMALISERS.make("scale").forward(torch.full((2, 1, 4, 4), 200.0), known(scale))
    assert normal[:, 0, 0, 0].tolist() == [2.0, 0.5]
    assert new.scale.flatten().tolist() == [1.0, 1.0]
    assert new.sigma.flatten().tolist() == pytest.approx([0.125, 0.03125])


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_pixels_far_brighter_than_the_series_are_kept_and_not_shown_to_the_network(
    convert: Any,
) -> None:
    source = convert(np.array([-1000, -400, 0, 100, 400, 4000], np.float32))
    normaliser, given = NORMALISERS.make("scale"), known(100.0)
    normal, _ = normaliser.forward(source, given)
    assert normal.tolist() == [-4, -4, 0, 1, 4, 4]
    halved = normaliser.inverse(normal / 2, given, source)
    assert halved.tolist() == [-1000, -200, 0, 50, 200, 4000]


def test_ct_keeps_the_source_outside_the_clip_and_the_network_inside() -> None:
    source = np.array([-2000, -1024, -1000, 40, 3000, 3071], np.float32)
    ct, given = NORMALISERS.make("ct"), known(4000.0, "HU")
    normal, _ = ct.forward(source, given)
    assert (normal.min(), normal.max()) == (0, 1)
    changed = ct.inverse(np.full_like(normal, 0.25), given, source)
    assert changed.tolist() == [-2000, -1024, 0, 0, 0, 3071]
