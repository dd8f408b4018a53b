"""Undersampled k-space of one or several receive coils."""

from dataclasses import dataclass

from torch import Tensor

from medclean.physics.signal.fourier import to_image, to_kspace


@dataclass(frozen=True, eq=False)
class Fourier:
    """``A x = M F S x``: coil sensitivities, the transform of ``signal.fourier``, the mask.

    ``F`` is orthonormal and centred, so ``A* A = 1`` where all is sampled and the squared
    sensitivities add up to 1 (Pruessmann et al., Magnetic Resonance in Medicine 42, 1999).

    Attributes:
        mask: ``(H, W)``, true where k-space is sampled; the zero frequency at ``n // 2``.
        sensitivities: ``(coils, H, W)``, complex; None for one even coil.
    """

    mask: Tensor
    sensitivities: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Sampled k-space ``(N, coils, H, W)`` of complex or real images ``(N, 1, H, W)``."""
        coils = images if self.sensitivities is None else images * self.sensitivities
        return to_kspace(coils) * self.mask

    def adjoint(self, data: Tensor) -> Tensor:
        """Complex images ``(N, 1, H, W)`` of k-space ``(N, coils, H, W)``: zero-filled, combined.

        Of real images it is the real part.
        """
        coils = to_image(data * self.mask)
        if self.sensitivities is None:
            return coils
        return (coils * self.sensitivities.conj()).sum(1, keepdim=True)
