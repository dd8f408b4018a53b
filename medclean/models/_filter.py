"""What a filter is: a model of arrays, which needs no torch."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from medclean.errors import MissingError
from medclean.volume import Given, Image


class Filter:
    """Denoises single slices by themselves, with nothing to learn.

    It states the same facts as a ``Model`` and takes arrays, so that it runs in the processes that
    read and write, on every processor, without the time that importing torch takes. Where a model
    is asked for, ``Model.of`` makes it one.
    """

    @dataclass(frozen=True)
    class Options:
        """No options."""

    kind: Literal["filter"] = "filter"
    scope: Literal["slice"] = "slice"
    context = 1
    receptive_field: int | None
    stride = 1
    learns_from: Literal["pairs"] = "pairs"
    wants_sigma = False
    wants_scale = True
    in_units: Literal[True] = True
    training_only = ()
    code: str
    package = ""
    licence = ""

    def __init__(self, options: Any) -> None:
        """Take the options.

        Raises:
            MissingError: The package that it needs is not here, or broken.
        """
        need(self.package, self.licence)
        self.options = options

    def denoise(self, images: Image, given: Given) -> Image:
        """Slices ``(N, 1, H, W)`` of any H and W to denoised ones, in the unit ``given`` states."""
        raise NotImplementedError


def need(package: str, licence: str) -> None:
    """Nothing, if a package that medclean does not bring for its licence works, or none is needed.

    Raises:
        MissingError: It is not installed, or cannot be imported.
    """
    if not package:
        return
    if not find_spec(package):
        raise MissingError(
            f"the Python package {package} is not installed; its licence is for {licence}: "
            f"where you may, `python -m pip install {package}`"
        )
    if why := broken(package):
        raise MissingError(
            f"the Python package {package} is installed, and cannot be imported ({why}): "
            f"`python -m pip install --force-reinstall {package}`"
        )


def broken(package: str) -> str:
    """Why a package that is installed cannot be imported; ``""`` where it can."""
    try:
        import_module(package)
    except (ImportError, OSError) as error:  # OSError: a library that it loads
        return str(error) or type(error).__name__
    return ""
