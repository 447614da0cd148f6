"""What every view is: settings in, features out. A view holds no state and never changes its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lime_callback.features import Features
    from lime_callback.layout import Layout


class View(ABC):
    """One way to cut an input into features."""

    name: str

    @abstractmethod
    def features(
        self,
        inputs: Tensor,
        *,
        layout: str | Layout = "CHW",
        wavelengths: Sequence[float] | None = None,
        batch: Mapping[str, Any] | None = None,
    ) -> Features:
        """Cut ``inputs`` into features.

        Args:
            inputs: ``[B, *dims]``, on any device; they are only read.
            layout: the axes of one input.
            wavelengths: of the channels, in nm; a view's own wavelengths come first.
            batch: further entries of the batch that the inputs come from, one row an input, for masks named by their
                key.

        Returns:
            Features on the inputs' device.

        Raises:
            ValueError: if the inputs and the view's settings do not fit.
        """
