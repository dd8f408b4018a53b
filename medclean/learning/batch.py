"""What one training step sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from medclean.errors import DataError
from medclean.volume import Given


@dataclass(frozen=True, eq=False)
class Batch:
    """Normalised images, and what is known about them.

    Attributes:
        noisy: ``(N, C, H, W)``: C neighbouring slices or frames.
        given: What is known about ``noisy``, in its units.
        reference: ``(N, 1, H, W)``: the same images without noise, other ones where a model
            learns unpaired, None where it learns from noisy images alone.
        teacher: ``(N, 1, H, W)``: what a teacher made of ``noisy``, for distillation.
        shared: What ``Learner.shared`` made of this batch; the stepper fills it in.
    """

    noisy: Tensor
    given: Given
    reference: Tensor | None = None
    teacher: Tensor | None = None
    shared: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def clean(self) -> Tensor:
        """The reference, for losses that cannot do without.

        Raises:
            DataError: There is none.
        """
        if self.reference is None:
            raise DataError(
                "this model learns from clean images, and the data set has none: "
                "prepare one from clean images and train with --noise"
            )
        return self.reference
