"""Which of k-space is sampled, one pattern a file: ``mask(shape, rng) -> bool``.

Masks lie in the k-space of ``signal.fourier``, the zero frequency at ``n // 2`` of each axis. The
last axis is the readout. Patterns of lines choose whole readouts along the axis before it. Of a
volume ``(D, H, W)``, patterns of points choose readouts in the plane ``(D, H)``, and radial and
spiral are stacks, alike in each of ``D`` planes.
"""
