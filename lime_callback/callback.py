"""The callback: hooks, schedule and state. The work is done elsewhere, in the order in which it is called here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lime_callback.arguments import check_count, check_name, check_one_of, check_target, check_views, check_wavelengths
from lime_callback.baselines import Baseline
from lime_callback.batches import Key
from lime_callback.designs import Design
from lime_callback.explainer import Settings
from lime_callback.inference import guarded
from lime_callback.kernels import Kernel
from lime_callback.layout import Layout
from lime_callback.model import Model
from lime_callback.pictures import draw
from lime_callback.probes import Collector, Probes
from lime_callback.sinks import HistoryFile, Report, sinks_for
from lime_callback.surrogates import Ridge, Surrogate
from lime_callback.targets import Output
from lime_callback.tracks import Track, history_rows
from lime_callback.trainer_facts import epochs_trained, logging_step, run_folder
from lime_callback.views import Superbands, Superpixels, View


class LimeCallback(Callback):
    """Explains a fixed set of validation samples with LIME at the end of validation epochs, and logs what it finds.

    Metrics, for every view: ``<name>/<view>/score`` (mean weighted R² over probes and targets), ``score_min``,
    ``drift`` (cosine distance to the previous explained epoch), ``drift_from_start``, ``rank_correlation`` and
    ``top5_overlap`` (both to the previous explained epoch); and ``<name>/seconds`` and ``<name>/forwards``. All can be
    monitored, from the first validation on: before there is anything to compare with, drift is 2, rank correlation -1
    and overlap 0, the worst there can be.

    Args:
        views: a view or several. ``None``: ``Superpixels()``, and ``Superbands()`` too when wavelengths are given.
        wavelengths: one for each channel, in nm, in any order.
        layout: the axes of one sample: ``"CHW"``, ``"HWC"``, ``"CWH"``, ``"1CHW"``, ``"C"``, ...
        probes: how many validation samples are explained, spread evenly over the validation set and then kept.
        target: which output: ``"predicted"`` (the largest, as it is at the first explained epoch), ``"label"``,
            ``"all"``, an index or a list of indices.
        every_n_epochs: explain at the first validation, and again when this many epochs have passed.
        n_perturbations: of each probe and view.
        design: see :func:`lime_callback.explain`, as are the next four.
        baseline: what hidden elements become.
        kernel: how much each perturbation counts.
        surrogate: the linear model.
        output: scale of the output, or a function that turns the model's output into ``[m, K]``.
        class_names: of the outputs.
        max_batch_size: perturbed inputs a forward at most; ``None``: as many as a validation batch has.
        on_error: ``"warn"`` reports what fails in an explanation, once, and training goes on; ``"raise"`` is for tests.
            Arguments that do not fit the data raise before training starts, either way.
        seed: of the designs.
        name: of the callback: first part of all metrics and tags, and its folder in the run's folder.
        input_key: the batch's entry with the images; ``None`` looks for it.
        label_key: the batch's entry with the labels; ``None`` looks for it.
        output_key: the prediction in the model's output; ``None`` looks for it.
        forward: for models that need more than the image: takes the LightningModule and a batch of the validation's
            structure, in which the images are perturbed and every other entry belongs to them; returns the output.

    Raises:
        ValueError: if an argument's value is out of range or an unknown name.
        TypeError: if an argument is of another kind.
    """

    def __init__(
        self,
        views: View | Sequence[View] | None = None,
        *,
        wavelengths: Sequence[float] | None = None,
        layout: str = "CHW",
        probes: int = 8,
        target: Literal["predicted", "label", "all"] | int | list[int] = "predicted",
        every_n_epochs: int = 1,
        n_perturbations: int = 256,
        design: str | Design = "paired",
        baseline: str | float | torch.Tensor | Baseline | Callable[[torch.Tensor], torch.Tensor] = "mean",
        kernel: str | Kernel = "cosine",
        surrogate: str | Surrogate | Any = Ridge(),  # noqa: B008 (frozen)
        output: Output | Callable[[torch.Tensor], torch.Tensor] = "raw",
        class_names: Sequence[str] | None = None,
        max_batch_size: int | None = None,
        on_error: Literal["warn", "raise"] = "warn",
        seed: int = 0,
        name: str = "lime",
        input_key: Key | None = None,
        label_key: Key | None = None,
        output_key: Key | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.settings = Settings(n_perturbations, design, baseline, kernel, surrogate, output)
        self.layout = Layout.of(layout)
        self.wavelengths = check_wavelengths(wavelengths)
        default = [Superpixels()] if self.wavelengths is None else [Superpixels(), Superbands()]
        self.views = check_views(views, default)
        self.count = check_count("probes", probes, 1)
        self.target = check_target(target)
        self.every_n_epochs = check_count("every_n_epochs", every_n_epochs, 1)
        self.class_names = None if class_names is None else [str(one) for one in class_names]
        self.max_batch_size = None if max_batch_size is None else check_count("max_batch_size", max_batch_size, 1)
        self.on_error = check_one_of("on_error", on_error, ("warn", "raise"))
        self.seed = check_count("seed", seed, 0)
        self.name = check_name("name", name)
        self.input_key, self.label_key, self.output_key, self.forward = input_key, label_key, output_key, forward

        self._collector: Collector | None = None
        self._probes: Probes | None = None
        self._largest = 1
        self._tracks = [Track(view) for view in self.views]
        self._epoch: int | None = None
        self._costs = {"seconds": 0.0, "forwards": 0.0}
        self._history: HistoryFile | None = None
        self._announced = False
        self._said: set[str] = set()

    @property
    def state_key(self) -> str:
        """Different for callbacks of different names, so that several can be in one trainer."""
        return self._generate_state_key(name=self.name)

    # -- hooks ---------------------------------------------------------------------------------------------------

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Capture the probes, before a validation step can write into the batch."""
        if self._probes is not None:
            return
        if trainer.sanity_checking:
            self._offer(1, trainer.num_sanity_val_batches, batch, batch_idx, dataloader_idx)
            return
        with self._contained("the capture of the probes"):
            self._offer(self.count, trainer.num_val_batches, batch, batch_idx, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain, draw and log; in the sanity check, try everything once on one sample, so that errors come early."""
        collector, self._collector = self._collector, None
        if trainer.sanity_checking:
            if collector is not None and collector.taken:
                self._rehearse(trainer, pl_module, collector)
            return
        with self._contained("the capture of the probes"):
            if self._probes is None and collector is not None:
                self._probes, self._largest = collector.probes(), collector.largest
                self._announce()
        if self._probes is not None and self._is_due(trainer.current_epoch):
            self._epoch = trainer.current_epoch
            with trainer.profiler.profile("[LimeCallback]explain"):
                self._explain(trainer, pl_module, self._probes)
        pl_module.log_dict(
            self._metrics(), on_step=False, on_epoch=True, batch_size=1, sync_dist=trainer.world_size > 1
        )

    # -- the work of an epoch ------------------------------------------------------------------------------------

    def _offer(self, count: int, batches: Sequence[float], batch: Any, index: int, loader: int) -> None:
        if self._collector is None:
            self._collector = Collector(count, batches, self.input_key, self.label_key)
        self._collector.offer(batch, index, loader)

    def _is_due(self, epoch: int) -> bool:
        return self._epoch is None or epoch == self._epoch or epoch - self._epoch >= self.every_n_epochs

    def _explain(self, trainer: Any, pl_module: Any, probes: Probes) -> None:
        started, forwards, explained = time.perf_counter(), 0, []
        model = self._model(trainer, pl_module, probes)
        for track in self._tracks:
            with self._contained(f"view '{track.view.name}'"), guarded(pl_module):
                degenerate = self._explain_view(track, model, self.settings)
                track.take(epochs_trained(trainer))
                explained.append(track)
                forwards += len(probes) * (self.settings.n_perturbations + 1)
                self._say_degenerate(track.view.name, degenerate)
        if trainer.is_global_zero and not trainer.fast_dev_run:
            self._show(trainer, probes, explained)
        self._costs = {"seconds": time.perf_counter() - started, "forwards": float(forwards)}

    def _explain_view(self, track: Track, model: Model, settings: Settings) -> dict[int, str]:
        if track.features is None:
            track.pin(model, settings, self.layout, self.wavelengths, self.target)
        return track.explain(model, settings, self.max_batch_size or self._largest, self.seed)

    def _model(self, trainer: Any, pl_module: Any, probes: Probes) -> Model:
        context = trainer.precision_plugin.val_step_context
        return Model(pl_module, context, probes.to(pl_module.device), self.forward, self.output_key)

    def _rehearse(self, trainer: Any, pl_module: Any, collector: Collector) -> None:
        """Explain one sample by two perturbations, for the errors that it may raise."""
        model = self._model(trainer, pl_module, collector.probes())
        self._largest = collector.largest
        for view in self.views:
            with guarded(pl_module):
                self._explain_view(Track(view), model, replace(self.settings, n_perturbations=2))
        self._announce()

    def _show(self, trainer: Any, probes: Probes, tracks: Sequence[Track]) -> None:
        """Draw, and hand everything to the history and to the loggers."""
        epoch, step, folder = trainer.current_epoch, logging_step(trainer), run_folder(trainer) / self.name
        with self._contained("the history file"):
            if self._history is None or self._history.path.parent != folder:
                self._history = HistoryFile(folder / "history.csv")
                self._history.start()
            for track in tracks:
                self._history.append(history_rows(track, epoch, step, self.class_names))
        pictures: dict[str, Any] = {}
        for track in tracks:
            with self._contained(f"the pictures of view '{track.view.name}'"):
                drawn = draw(track, probes, self.wavelengths, self.class_names)
                pictures |= {f"{self.name}/{track.view.name}/{what}": picture for what, picture in drawn.items()}
        for sink in sinks_for(trainer.loggers, folder):
            with self._contained(f"logger {type(sink).__name__}"):
                sink.write(Report(epoch, step, pictures))

    def _metrics(self) -> dict[str, float]:
        """The last finite values of everything, so that monitors find them at every validation."""
        metrics = {f"{self.name}/{what}": value for what, value in self._costs.items()}
        for track in self._tracks:
            metrics |= {f"{self.name}/{track.view.name}/{what}": value for what, value in track.metrics.items()}
        return metrics

    # -- what is said --------------------------------------------------------------------------------------------

    @contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """Keep a failure from reaching the run; report it once."""
        try:
            yield
        except Exception as error:
            if self.on_error == "raise":
                raise
            cause = f"{type(error).__name__}: {error}"
            self._say_once(f"{what} failed and is left out; training goes on. Cause: {cause}", key=what + cause)

    def _say_degenerate(self, view: str, degenerate: dict[int, str]) -> None:
        for reason in sorted(set(degenerate.values())):
            which = ", ".join(str(probe) for probe, why in degenerate.items() if why == reason)
            text = f"the explanations of probes {which} by view '{view}' are degenerate: {reason}."
            self._say_once(text, key=f"{view}: {reason}")

    def _say_once(self, text: str, key: str) -> None:
        if key not in self._said:
            self._said.add(key)
            rank_zero_warn(f"LimeCallback '{self.name}': {text}")

    def _announce(self) -> None:
        """Say in one line what will be done, once."""
        if self._announced:
            return
        self._announced = True
        views = " and ".join(f"'{view.name}'" for view in self.views)
        forwards = self.count * len(self.views) * (self.settings.n_perturbations + 1)
        often = "each validation" if self.every_n_epochs == 1 else f"every {self.every_n_epochs} epochs"
        rank_zero_info(
            f"LimeCallback '{self.name}': at the end of {often}, explains {self.count} validation samples by {views}, "
            f"with "
            f"{self.settings.n_perturbations} perturbations each ({forwards} forward passes of one sample)."
        )
