"""Where the body is in a slice."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from medclean.volume import Image, Mask

CT_BODY = -500.0  # HU, half way between air and water
ROUNDING = 1e-5  # of the largest value: what differs by less is constant
SMALL = 0.1  # of the largest piece: smaller pieces are specks or the table


def body_mask(image: Image, modality: str) -> Mask:
    """True inside the body: cavities count as inside, specks and thin tables do not.

    CT is cut at -500 HU. Elsewhere Otsu's threshold (1979) finds the bright class of the
    square root of the smoothed slice; the root keeps bright fat or fluid from hiding the rest.

    Args:
        image: ``(rows, columns)``, in HU for CT, any unit else.
        modality: ``"CT"``, or anything else for the rule without units.

    Returns:
        ``(rows, columns)``; empty where the slice is constant.
    """
    return body_within(ndimage.gaussian_filter(np.asarray(image, np.float64), 2), modality)


def body_within(smooth: NDArray[np.floating], modality: str) -> Mask:
    """The same for a slice that is smooth already; see ``body_mask``."""
    if modality == "CT":
        bright = smooth > CT_BODY
    elif np.ptp(smooth) > ROUNDING * np.abs(smooth).max():
        root = np.sqrt(smooth - smooth.min())
        bright = root > threshold_otsu(root)
    else:
        bright = np.zeros(smooth.shape, bool)
    pieces, count = ndimage.label(bright)
    if not count:
        return bright
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0  # what is not bright
    return ndimage.binary_fill_holes((sizes >= SMALL * sizes.max())[pieces])
