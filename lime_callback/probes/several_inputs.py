"""Several inputs of a model, read out of batches as one image and put back into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.probes.batch_entries import inputs_at, key_text, place_of, with_entry
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.views.inputs.joined import join, split

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.inputs.joined import InputPart
    from lime_callback.views.layout import Layout


@dataclass(frozen=True)
class SeveralInputs:
    """Makes one image of several entries of a batch that are inputs of one model.

    Args:
        keys: of the entries, in the order in which the model takes them.
        layout: see :func:`~lime_callback.views.inputs.joined.join`.
    """

    keys: tuple[Any, ...]
    layout: Layout

    @property
    def __name__(self) -> str:
        """The keys, as the user may write them."""
        return f"[{', '.join(map(key_text, self.keys))}]"

    def __call__(self, batch: Any) -> Tensor:
        """The inputs as one, ``[B, *dims]``.

        Raises:
            ValueError: if an input is missing, or is no tensor of numbers, or they do not belong together.
        """
        return join(self._inputs(batch), self.layout)[0]

    def parts(self, batch: Any) -> tuple[InputPart, ...]:
        """Where each input lies in the joined one."""
        return join(self._inputs(batch), self.layout)[1]

    def put(self, batch: Any, joined: Tensor, parts: tuple[InputPart, ...]) -> Any:
        """A copy of the batch in which the inputs are those of the joined one, ``[B, *dims]``."""
        for key, x in zip(self.keys, split(joined, parts, self.layout).values(), strict=True):
            batch = with_entry(batch, BatchKeys(input=key).input_of(batch), x)
        return batch

    def last_place(self, batch: Any) -> Any:
        """Where the last of the inputs is; labels stand beside it, or after it."""
        return place_of(BatchKeys(input=self.keys[-1]).input_of(batch))

    def _inputs(self, batch: Any) -> dict[str, Tensor]:
        found = {
            str(key) if isinstance(key, (str, int)) else key_text(key): inputs_at(
                batch, BatchKeys(input=key).input_of(batch)
            )
            for key in self.keys
        }
        for name, x in found.items():
            if isinstance(x, list):
                raise ValueError(
                    f"`input_key` should name inputs that share a shape where it names several. Found a list at "
                    f"{name}; let the dataset crop or resize the images."
                )
        return found
