"""The reducer of outputs that nobody has seen yet: classes of an input, or classes of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lime_callback.outputs.segmentation_reducers import ClassRegion, Reducer


@dataclass(frozen=True)
class ByShape(Reducer):
    """Takes outputs ``[m, K]`` as they are, and of outputs with pixels each class's region.

    Args:
        region: reduces outputs with pixels.
    """

    region: ClassRegion = field(default_factory=ClassRegion)

    def pin(self, output: Any) -> Tensor | None:
        """Return the regions; ``None`` of outputs without pixels."""
        return self.region.pin(output) if isinstance(output, Tensor) and output.shape[2:].numel() > 1 else None

    def pin_more(self, pinned: Tensor, output: Tensor) -> Tensor:
        """See :class:`Reducer`."""
        return self.region.pin_more(pinned, output)

    def without_value(self, pinned: Tensor, size: int) -> Tensor:
        """See :class:`Reducer`."""
        return self.region.without_value(pinned, size)

    def region_counts(self, pinned: Tensor, output: Tensor) -> Tensor:
        """See :class:`Reducer`."""
        return self.region.region_counts(pinned, output)

    def for_pixels(self, sizes: tuple[int, ...]) -> ByShape:
        """See :class:`Reducer`."""
        return ByShape(self.region.for_pixels(sizes))

    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """See :class:`Reducer`."""
        if pinned is None:  # a class of which a single value is kept, ``[m, K, 1, 1]``, has no pixels either
            return output.flatten(1) if output.ndim > 2 and output.shape[2:].numel() == 1 else output
        return self.region(output, pinned)
