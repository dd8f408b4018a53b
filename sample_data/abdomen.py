"""An abdomen made of formulas, in HU, and the noise that a low-dose CT scan would add to it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import iradon, radon

Array = NDArray[np.float64]

SIZE = 512  # pixels a side
SPACING = 0.7  # mm
PLACES = np.arange(8) * 5.0 - 17.5  # z in mm; the head lies at the higher end
WATER = 0.0195  # attenuation per mm at about 70 keV
VIEWS = 720  # over half a turn
PHOTONS = 7e4  # a detector pixel and view, in air
ELECTRONIC = 8.0  # standard deviation of a reading without photons, in photons
CUT = 0.85  # of the detector's Nyquist frequency: where the soft kernel ends


def slices() -> Array:
    """``(slices, rows, columns)`` in HU, rounded to nothing; air is -1000."""
    return np.stack([_slice(z) for z in PLACES])


def noise(clean: Array, rng: np.random.Generator) -> Array:
    """What filtered back-projection makes of the photons' statistics; to be added to ``clean``.

    Each ray's variance is that of -log of its reading: 1 / N + electronic variance / N^2. Only
    the noise is reconstructed, so that the anatomy keeps its sharpness.

    Args:
        clean: One slice in HU, ``(SIZE, SIZE)``.
        rng: Draws the readings.
    """
    angles = np.arange(VIEWS) * 180 / VIEWS
    half = ndimage.zoom(clean, 0.5, order=1)  # attenuation need not be sharp
    mu = (half + 1000).clip(0) / 1000 * WATER * SPACING * 2 * _field_of_view(half.shape[0])
    rays = ndimage.zoom(radon(mu, angles[::4], circle=True), (2, 4), order=1)
    counts = PHOTONS * np.exp(-ndimage.gaussian_filter1d(rays, 1, axis=0))
    spread = np.sqrt(1 / counts + (ELECTRONIC / counts) ** 2)
    errors = _soft(rng.normal(size=rays.shape) * spread)
    return np.asarray(iradon(errors, angles, SIZE, circle=True)) / SPACING / WATER * 1000


def _field_of_view(size: int) -> Array:
    """1 in the circle that all views see, else 0."""
    rows, columns = np.mgrid[:size, :size] - size // 2
    return (np.hypot(rows, columns) <= size // 2).astype(np.float64)


def _soft(sinogram: Array) -> Array:
    """The window of a soft-tissue kernel along the detector; the ramp comes with ``iradon``."""
    frequency = np.fft.rfftfreq(sinogram.shape[0])[:, None] / 0.5
    window = np.where(frequency < CUT, 0.5 + 0.5 * np.cos(np.pi * frequency / CUT), 0)
    return np.fft.irfft(np.fft.rfft(sinogram, axis=0) * window, sinogram.shape[0], axis=0)


def _slice(z: float) -> Array:
    """Painted from the outside in: later strokes cover earlier ones."""
    offsets = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING
    y, x = np.meshgrid(offsets, offsets, indexing="ij")  # to the back, to the left (LPS), in mm
    hu = np.full((SIZE, SIZE), -1000.0)
    texture = np.random.default_rng(round(1000 + 10 * z))

    def paint(value: float | Array, where: Array) -> None:
        hu[:] = hu * (1 - where) + value * where

    def blob(cx: float, cy: float, a: float, b: float, turn: float = 0, lobes: str = "") -> Array:
        """A soft-edged ellipse whose outline swings; lobes as in "2:0.1:0.5 3:0.05:1"."""
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        u, v = ((x - cx) * cos + (y - cy) * sin) / a, ((y - cy) * cos - (x - cx) * sin) / b
        radius, angle = np.hypot(u, v), np.arctan2(v, u)
        outline = np.ones_like(radius)
        for lobe in lobes.split():
            count, depth, phase = map(float, lobe.split(":"))
            outline += depth * np.cos(count * angle - phase)
        return (0.5 + (outline - radius) * min(a, b) / 1.4).clip(0, 1)

    def grain(size: float, strength: float) -> Array:
        """Tissue is not even."""
        field = ndimage.gaussian_filter(texture.normal(size=(SIZE, SIZE)), size / SPACING)
        return field * (strength / field.std())

    body = blob(0, 0, 163, 112, lobes="2:0.02:0 4:0.015:3.1")
    for thickness, value in ((9.0, -40), (6.5, -900)):  # the table: a shell with foam inside
        depth = np.abs(y - 128 + 0.0006 * x**2)
        paint(value, (thickness - depth).clip(0, 1) * (np.abs(x) < 150 + thickness))
    paint(20, blob(0, 0, 164.5, 113.5, lobes="2:0.02:0 4:0.015:3.1"))  # skin
    paint(-104 + grain(4, 5), body)
    wall = "2:0.03:0 4:0.03:3.1 6:0.015:0.8"
    paint(52 + grain(2.5, 6), blob(0, 3, 143, 93, lobes=wall))
    paint(-98 + grain(5, 6), blob(0, -4, 132, 80, lobes=wall))  # fat inside
    for side in (-1, 1):  # muscles of the back and along the spine
        paint(56 + grain(2, 7), blob(side * 38, 72, 30, 21, side * 14, "3:0.06:1"))
        paint(58 + grain(2, 5), blob(side * 34, 34, 14, 19, side * 20))
    for place in np.deg2rad(np.arange(8) * 24.0 + 96 + 0.7 * z):  # ribs run obliquely
        for side in (-1, 1):
            rx, ry = side * 139 * np.sin(place), 3 - 90 * np.cos(place)
            if ry > -70:
                turn = side * np.rad2deg(np.arctan2(90 * np.sin(place), 139 * np.cos(place)))
                paint(560, blob(rx, ry, 9.5, 4.2, turn))
                paint(230, blob(rx, ry, 7.3, 2.3, turn))

    lobes = "3:0.10:2.6 2:0.06:1"
    paint(108 + grain(2, 4), blob(-62 + z / 4, -16, 66, 60 + z / 3, -18, lobes))  # liver
    paint(108 + grain(2, 4), blob(-12 + z / 3, -50, 44 + z / 2, 20 + z / 4, 6, "3:0.06:0"))
    vessels = [(-90, -4, 4.5), (-58, -34, 3.8), (-40, -6, 5.5), (-70, -58, 2.6), (-98, 20, 2.8)]
    for vx, vy, r in vessels:
        paint(152, blob(vx + z * 0.5, vy - z * 0.3, r * 1.7, r, vx + 100))
    radius = np.sqrt(max(1.0, 110 - z**2 / 4))
    paint(64, blob(-88, -30, radius, 0.9 * radius, 0, "3:0.05:1"))  # a metastasis
    paint(86, blob(-52, -54, 5.5, 5.2))  # a faint one
    paint(10, blob(-112, 2, 4.2, 4.2))  # a cyst
    paint(8, blob(-28, 2, 13, 10 + z / 8, -35))  # gall bladder
    paint(112 + grain(2, 4), blob(104, 26, 22, 38 + z / 3, -24, "3:0.06:2"))  # spleen
    paint(-85, blob(66, -40, 40, 27, -12))
    paint(42, blob(66, -40, 38, 25, -12, "3:0.05:1"))  # stomach, its content and its air
    paint(18, blob(66, -39, 34, 21.5, -12, "3:0.05:1"))
    paint(-950, blob(64, -52, 25, 8, 0) * (0.5 - (y + 48) / 1.4).clip(0, 1))
    for side, level in ((-1, 1.0), (1, 1.1)):  # kidneys
        kx, ky = side * 66, 40
        paint(190, blob(kx, ky, 22 * level, 28 - z / 4, side * 18, "2:0.04:0"))
        paint(120, blob(kx - side * 3, ky, 13.5 * level, 19 - z / 4, side * 18, "5:0.12:0"))
        paint(-80, blob(kx - side * 13, ky - 1, 9.5, 9, side * 18, "3:0.1:0"))  # hilum
    paint(118 + grain(1.5, 8), blob(22, -12, 34, 9, -22, "5:0.10:1 3:0.08:2"))  # pancreas
    for bx, by, a in ((30, -62, 12), (4, -66, 11), (96, -22, 12), (-30, -64, 9)):  # bowel
        paint(60, blob(bx, by + z / 5, a, a * 0.8, bx, "3:0.07:0"))
        paint(22, blob(bx, by + z / 5, a - 2.2, a * 0.8 - 2.2, bx, "3:0.07:0"))
    paint(-900, blob(97, -25 + z / 5, 6, 4.2))
    paint(182, blob(12, 22, 10.5, 10.5))  # aorta, with a calcified plaque
    paint(640, blob(20.6, 18, 1.1, 3.2, 25))
    paint(150, blob(-18, 20, 12, 8.5, -15))  # vena cava
    paint(158, blob(-8, -8, 7.5, 6, 30))  # portal vein

    trabecula = grain(0.9, 45)
    paint(620, blob(0, 50, 25, 19, 0, "2:0.05:0 3:0.03:1.6"))  # vertebra, canal, processes
    paint(190 + trabecula, blob(0, 50, 23, 17, 0, "2:0.05:0 3:0.03:1.6"))
    for side in (-1, 1):
        paint(520, blob(side * 16, 72, 5, 9, side * 30))
        paint(430, blob(side * 32, 74, 17, 3.8, side * 12))
    paint(560, blob(0, 88, 4, 14))
    paint(300, blob(0, 89, 2, 11))
    paint(30, blob(0, 73, 11.5, 8.5))
    paint(45, blob(0, 73, 6, 5))
    return ndimage.gaussian_filter(hu, 0.55 / SPACING)  # the scanner's sharpness
