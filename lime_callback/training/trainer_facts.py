"""What a trainer knows about the run and does not say in one call."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lime_callback.training.first_sample import has_validation

if TYPE_CHECKING:
    from collections.abc import Sequence

AWAY = "lime_files"  # in the working directory, for runs whose folder is on another machine
_ADDRESS = re.compile(r"([A-Za-z][\w+.-]+):/+(.*)")  # Lightning makes `file:/` of `file://`; a drive has one letter


def run_folder(trainer: Any) -> Path:
    """The run's folder: where the first logger writes its own files, or the trainer's root without one.

    ``trainer.log_dir`` is the same for TensorBoard and CSV, and for other loggers a folder that runs share; there this
    takes ``save_dir/name/version``, as ``ModelCheckpoint`` does, in the trainer's root for loggers that have no folder.
    """
    for logger in trainer.loggers:
        own = getattr(logger, "log_dir", None)
        if isinstance(own, (str, Path)):
            return local(own)
        if isinstance(getattr(logger, "save_dir", None), (str, Path)):
            return local(logger.save_dir) / str(logger.name) / _version(logger)
    root = local(trainer.default_root_dir)
    for logger in trainer.loggers:
        if getattr(logger, "name", None) and getattr(logger, "version", None) not in (None, ""):
            return root / str(logger.name) / _version(logger)
    return root


def local(where: str | Path) -> Path:
    """A folder of this machine for a path or an address: of one like ``s3://bucket/run``, one below :data:`AWAY`.

    Tables are appended to, replaced as a whole and waited for, which remote stores do not do.
    """
    address = _ADDRESS.fullmatch(str(where))
    if address is None:
        return Path(where)
    scheme, rest = address.groups()
    return Path("/", rest) if scheme in ("file", "local") else Path(AWAY, scheme, rest)


def away_text(folder: Path) -> str:
    """Say where the files are of a run whose folder is on another machine; nothing for other folders."""
    if folder.parts[0] != AWAY:
        return ""
    return (
        "the run's folder is not on this machine: history, explanations and pictures are files in "
        f"{folder.absolute()}. Copy them from there."
    )


def _version(logger: Any) -> str:
    return f"version_{logger.version}" if isinstance(logger.version, int) else str(logger.version)


def logging_step(trainer: Any) -> int:
    """The step under which Lightning logs the scalars of the loop that ends: what the module has logged as ``"step"``.

    That is the usual way to an axis of epochs. Where nothing is logged so, it is the training's step. To be called in
    all processes, since it may gather the value from them.
    """
    results = trainer._results
    for logged in (results or {}).values():
        meta = logged.meta
        whole = meta.dataloader_idx is None or not meta.add_dataloader_idx  # with a loader's number it is another name
        if not logged.has_reset and meta.logger and meta.on_epoch and whole and meta.forked_name(False) == "step":
            return int(results._get_cache(logged, on_step=False))
    return training_step(trainer)


def training_step(trainer: Any) -> int:
    """The batches that the training has stepped through; with several optimizers ``global_step`` is another."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def epoch_number(trainer: Any) -> int:
    """The epoch's number, counted from 1.

    Lightning counts from 0, and outside of ``fit``, and at its end, has counted the last epoch already.
    """
    return int(trainer.current_epoch + _runs(trainer))


def _runs(trainer: Any) -> bool:
    """Whether an epoch of the training has begun and not ended."""
    progress = trainer.fit_loop.epoch_progress.current
    return bool(trainer.state.fn == "fit" and progress.ready > progress.completed)


def epochs_trained(trainer: Any) -> float:
    """How far the training has come, in epochs.

    With fractions where validation runs within an epoch, and where the training ended within one, as by ``max_steps``.
    """
    total, runs = trainer.num_training_batches, _runs(trainer)
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready  # of the epoch that runs, or was the last
    part = min(done / total, 1.0) if total and math.isfinite(total) else float(done > 0)
    if not runs:  # Lightning counts the last epoch as a whole
        part = part - 1 if done and trainer.current_epoch else 0.0
    return float(trainer.current_epoch) + part


def is_last_explained(trainer: Any, epoch: int, every_n_epochs: int | Literal["auto"]) -> bool:
    """Whether no epoch after this one will be explained, as far as the trainer knows.

    Args:
        trainer: the trainer.
        epoch: the explained epoch, counted from 1.
        every_n_epochs: how many epochs lie between explained ones; with ``"auto"`` the last one is explained.
    """
    if trainer.state.fn != "fit" or trainer.should_stop:
        return True
    most = -1 if trainer.max_epochs is None else trainer.max_epochs
    return bool(0 <= most < epoch + (1 if every_n_epochs == "auto" else every_n_epochs))


def is_last_validation(trainer: Any) -> bool:
    """Whether no validation comes after the one that runs, or has just ended, as far as the trainer knows.

    Without validation: whether no epoch comes after this one.
    """
    if trainer.state.fn != "fit" or trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step:
        return True
    most = -1 if trainer.max_epochs is None else trainer.max_epochs
    if most < 0 or trainer.current_epoch + (trainer.check_val_every_n_epoch or 1) < most:
        return False
    done, batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready, trainer.num_training_batches
    interval = getattr(trainer, "val_check_batch", None) or math.inf  # none without validation
    return not (interval < math.inf and done + interval <= batches)


def validations_left(trainer: Any) -> int | None:
    """How many validations come after the one that runs, or has just ended, as far as that is known."""
    most = -1 if trainer.max_epochs is None else trainer.max_epochs
    if most < 0:
        return None
    every = trainer.check_val_every_n_epoch or 1
    done, batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready, trainer.num_training_batches
    interval = getattr(trainer, "val_check_batch", None) or math.inf  # none without validation
    inside = batches // interval if interval <= batches < math.inf else 1
    left = inside - done // interval if inside > 1 else 0
    return int((most // every - epoch_number(trainer) // every) * inside + left)


def evaluated_batches(trainer: Any, counts: Sequence[float]) -> list[float]:
    """How many batches each loader of a validation or test gives: ``counts``, unless loaders give batches together.

    A ``CombinedLoader`` of another mode than ``"sequential"`` gives batches of all its loaders at once, under number 0.
    """
    loader = getattr(getattr(trainer, "_evaluation_loop", None), "_combined_loader", None)
    mode = getattr(loader, "_mode", "sequential")
    if mode == "sequential" or not counts:
        return list(counts)
    return [min(counts) if mode == "min_size" else max(counts)]


def ends_soon(trainer: Any) -> bool:
    """Whether the process was told to end: a cluster then kills it within seconds."""
    return bool(getattr(trainer, "received_sigterm", False))


def samples_text(trainer: Any, which: str) -> str:
    """What the samples of this loop are, in words; ``which`` follows "samples"."""
    kind = "test" if trainer.state.fn == "test" else "validation"
    kind = kind if trainer.state.fn != "fit" or has_validation(trainer) else "training"
    return f"{kind} samples{which}"


def most_samples(trainer: Any) -> int | None:
    """How many samples a loop of :func:`samples_text` goes through at most; ``None`` where a loader does not know."""
    if trainer.state.fn == "test":
        loaders, batches = trainer.test_dataloaders, trainer.num_test_batches
    elif trainer.state.fn != "fit" or has_validation(trainer):
        loaders, batches = trainer.val_dataloaders, trainer.num_val_batches
    else:
        loaders, batches = trainer.train_dataloader, [trainer.num_training_batches]
    loader = loaders[0] if isinstance(loaders, (list, tuple)) and len(loaders) == 1 else loaders
    size, rows = _size(loaders), getattr(loader, "batch_size", None)
    if size is None or not isinstance(rows, int) or len(batches) != 1 or not math.isfinite(batches[0]):
        return size
    return min(size, int(batches[0]) * rows * int(trainer.world_size))


def validation_size(trainer: Any) -> int | None:
    """How many samples the validation loaders have, or ``None`` where a loader does not know."""
    return _size(trainer.val_dataloaders)


def _size(loaders: Any) -> int | None:
    left, total = [loaders], 0
    while left:
        loader = left.pop()
        if isinstance(loader, (list, tuple, dict)):
            left += loader.values() if isinstance(loader, dict) else loader
            continue
        try:
            total += len(loader.dataset)
        except (AttributeError, TypeError):
            return None
    return total
