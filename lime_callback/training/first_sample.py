"""A first look at the data where there is no sanity check: one sample of the set, read without a trace."""

from __future__ import annotations

import copy
from typing import Any

from torch.utils.data import DataLoader, IterableDataset


def has_validation(trainer: Any) -> bool:
    """Whether there will be validation batches, as far as is known when training starts."""
    known = trainer.num_val_batches
    return bool(trainer.enable_validation and (not known or sum(known) > 0))


def first_sample(trainer: Any) -> Any:
    """The first sample of the validation or test set, as a batch on its device; ``None`` if that would leave a trace.

    The loader is not iterated, which would draw from the global random state. Call it where random state is kept.
    """
    loader = _first(trainer.test_dataloaders if trainer.state.fn == "test" else trainer.val_dataloaders)
    if loader is None:  # no validation in the first epoch: a loader that was passed is there all the same
        loader = _first(trainer.fit_loop.epoch_loop.val_loop._data_source.instance)
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    sample = copy.copy(loader.dataset)[0]  # a copy, for data sets that count
    module = trainer.lightning_module
    # Without a batch sampler the data set deals in batches itself.
    batch = loader.collate_fn([sample] if loader.batch_sampler is not None else sample)
    batch = trainer.precision_plugin.convert_input(batch)
    batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)


def _first(loaders: Any) -> Any:
    while isinstance(loaders, (list, tuple, dict)) and loaders:
        loaders = next(iter(loaders.values() if isinstance(loaders, dict) else loaders))
    return loaders
