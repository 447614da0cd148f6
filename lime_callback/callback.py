"""The callback: hooks, schedule and state. The work is done elsewhere, in the order in which it is called here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.callbacks import Callback

from lime_callback.arguments import (
    check_count,
    check_gate,
    check_name,
    check_one_of,
    check_target,
    check_views,
    check_wavelengths,
)
from lime_callback.baselines import Baseline
from lime_callback.batches import Key
from lime_callback.designs import Design
from lime_callback.drift import Drift
from lime_callback.explainer import Settings, fingerprint
from lime_callback.explanation import Explanation
from lime_callback.inquiry import Inquiry
from lime_callback.kernels import Kernel
from lime_callback.layout import Layout
from lime_callback.model import Model
from lime_callback.probes import Collector, Probes
from lime_callback.publishing import Publisher
from lime_callback.reference import Reference, ReferenceRow
from lime_callback.sinks.console import Console
from lime_callback.surrogates import Ridge, Surrogate
from lime_callback.targets import Output
from lime_callback.trainer_facts import epochs_trained, logging_step, run_folder
from lime_callback.views import Superbands, Superpixels, View
from lime_callback.watch import check_watch


class LimeCallback(Callback):
    """Explains a fixed set of validation samples with LIME at the end of validation epochs, and logs what it finds.

    Metrics, for every view as ``<name>/<view>/...``: ``score`` and ``score_min`` (weighted R² over probes and targets),
    ``gated``, ``drift`` and ``noise_floor`` (to the previous explained epoch), ``drift_from_start``, ``changed``,
    ``rank_correlation``, ``top5_overlap``, ``settled``, ``watch/<name>``; and ``<name>/seconds``, ``<name>/forwards``.
    All can be monitored from the first validation on: what has nothing to compare with yet is the worst there can be.

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
        watch: named sets of wavelengths, bands or pixels whose share of the attribution is logged, and bounds that
            raise an alarm: ``{"water": Watch([(1350.0, 1430.0), (1800.0, 1950.0)], above=0.2)}``, see
            :class:`~lime_callback.watch.Watch`.
        gate: explanations whose R² is below this are drawn pale and kept out of the drift; ``None`` keeps all.
        reference: what to compare with besides: the path of a checkpoint of the same model, or of an explanation that
            ``Explanation.save`` wrote (a dictionary from view to path where there are several views).
        class_names: of the outputs.
        max_batch_size: perturbed inputs a forward at most; ``None``: as many as a validation batch has.
        pictures: whether to draw; metrics, history and alarms are there without, too.
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
        watch: dict[str, Any] | None = None,
        gate: float | None = 0.2,
        reference: str | Path | dict[str, str] | None = None,
        class_names: Sequence[str] | None = None,
        max_batch_size: int | None = None,
        pictures: bool = True,
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
        default: list[View] = [Superpixels()]
        if self.wavelengths is not None:
            default.append(Superbands(min(20, len(self.wavelengths))))
        self.views = check_views(views, default)
        self.watch = check_watch(watch)
        self.gate = check_gate(gate)
        self.reference = Reference.of(reference, [view.name for view in self.views])
        self.count = check_count("probes", probes, 1)
        self.target = check_target(target)
        self.every_n_epochs = check_count("every_n_epochs", every_n_epochs, 1)
        self.class_names = None if class_names is None else [str(one) for one in class_names]
        self.max_batch_size = None if max_batch_size is None else check_count("max_batch_size", max_batch_size, 1)
        self.on_error = check_one_of("on_error", on_error, ("warn", "raise"))
        self.seed = check_count("seed", seed, 0)
        self.name = check_name("name", name)
        self.input_key, self.label_key, self.output_key, self.forward = input_key, label_key, output_key, forward

        self._console = Console(self.name, self.on_error)
        self._inquiry = Inquiry(
            self.views, self.settings, self.layout, self.wavelengths, self.target, self.watch, self.gate,
            self.reference, self.seed, self._console,
        )  # fmt: skip
        self._publisher = Publisher(self._console, self.wavelengths, self.class_names, pictures)
        self._collector: Collector | None = None
        self._probes: Probes | None = None
        self._largest, self._step = 1, 0
        self._epoch: int | None = None
        self._costs = {"seconds": 0.0, "forwards": 0.0}
        self._resumed: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """Different for callbacks of different names, so that several can be in one trainer."""
        return self._generate_state_key(name=self.name)

    def explanation(self, view: str) -> Explanation | None:
        """The last explanation of a view, on the CPU; ``None`` before the first.

        Raises:
            ValueError: if there is no such view.
        """
        return self._inquiry.track(view).last

    def reference_drift(self, view: str) -> Drift:
        """The last explanation of a view against the reference, see :class:`~lime_callback.drift.Drift`.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._inquiry.track(view).drift_from_reference()

    def reference_table(self, view: str) -> list[ReferenceRow]:
        """How each feature's coefficient has changed against the reference, as means over the probes.

        Args:
            view: name of a view whose features are the same for all probes.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._inquiry.track(view).reference_table()

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Capture the probes, before a validation step can write into the batch."""
        if self._probes is not None:
            return
        if trainer.sanity_checking:
            self._offer(1, trainer.num_sanity_val_batches, batch, batch_idx, dataloader_idx)
            return
        with self._console.contained("the capture of the probes"):
            self._offer(self.count, trainer.num_val_batches, batch, batch_idx, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain, draw and log; in the sanity check, try everything once on one sample, so that errors come early."""
        collector, self._collector = self._collector, None
        if trainer.sanity_checking:
            if collector is not None and collector.taken:
                self._rehearse(trainer, pl_module, collector)
            return
        with self._console.contained("the capture of the probes"):
            if self._probes is None and collector is not None:
                self._probes, self._largest = collector.probes(), collector.largest
                self._check_resumed(self._probes)
                self._announce()
        if self._probes is not None and self._is_due(trainer.current_epoch):
            self._epoch = trainer.current_epoch
            with trainer.profiler.profile("[LimeCallback]explain"):
                self._explain(trainer, pl_module, self._probes)
        pl_module.log_dict(
            self._metrics(), on_step=False, on_epoch=True, batch_size=1, sync_dist=trainer.world_size > 1
        )

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Say when the explanations settled."""
        for name, track in self._inquiry.tracks.items():
            if track.last is not None:
                when = track.series.settled
                what = f"settled after epoch {when:g}" if when >= 0 else "has not settled: its drift is above its noise"
                self._console.info(f"view '{name}' {what}.")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images."""
        if self._probes is None:
            return self._resumed or {}
        return {
            "fingerprint": fingerprint(self._probes.inputs),
            "epoch": self._epoch,
            "step": self._step,
            "costs": dict(self._costs),
            "history": self._publisher.history,
            "said": self._console.said,
            "tracks": {name: track.state() for name, track in self._inquiry.tracks.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was written; checked against the probes at the next validation."""
        self._resumed = state_dict
        self._epoch, self._step, self._costs = state_dict["epoch"], state_dict["step"], dict(state_dict["costs"])
        self._console.said = state_dict["said"]
        if state_dict["history"] is not None:
            self._publisher.interrupted = (state_dict["history"], self._step)
        for name, state in state_dict["tracks"].items():
            if name in self._inquiry.tracks:
                self._inquiry.tracks[name].restore(state)

    def _explain(self, trainer: Any, pl_module: Any, probes: Probes) -> None:
        started = time.perf_counter()
        model = self._model(trainer, pl_module, probes)
        explained = self._inquiry.ask(model, self.max_batch_size or self._largest, epochs_trained(trainer))
        self._step = logging_step(trainer)
        alarms, stop = self._inquiry.alarms(self.name, explained, f"epoch {trainer.current_epoch}")
        trainer.should_stop = trainer.should_stop or stop
        if trainer.is_global_zero and not trainer.fast_dev_run:
            folder = run_folder(trainer) / self.name
            self._publisher.publish(
                trainer.loggers, folder, trainer.current_epoch, self._step, probes, explained, alarms
            )
        forwards = len(explained) * len(probes) * (self.settings.n_perturbations + 1)
        self._costs = {"seconds": time.perf_counter() - started, "forwards": float(forwards)}

    def _rehearse(self, trainer: Any, pl_module: Any, collector: Collector) -> None:
        self._largest = collector.largest
        model = self._model(trainer, pl_module, collector.probes())
        self._inquiry.rehearse(model, self.max_batch_size or self._largest)
        self._announce()

    def _offer(self, count: int, batches: Sequence[float], batch: Any, index: int, loader: int) -> None:
        if self._collector is None:
            self._collector = Collector(count, batches, self.input_key, self.label_key)
        self._collector.offer(batch, index, loader)

    def _is_due(self, epoch: int) -> bool:
        return self._epoch is None or epoch == self._epoch or epoch - self._epoch >= self.every_n_epochs

    def _check_resumed(self, probes: Probes) -> None:
        """Forget what a checkpoint says of probes that are not these."""
        if self._resumed is None:
            return
        before, now = self._resumed["fingerprint"], fingerprint(probes.inputs)
        if before.shape != now.shape or not torch.allclose(before, now, rtol=1e-6, atol=1e-9):
            for track in self._inquiry.tracks.values():
                track.forget()
            self._console.once("the validation set is not the one of the checkpoint, so drift begins anew.")

    def _model(self, trainer: Any, pl_module: Any, probes: Probes) -> Model:
        autocast = trainer.precision_plugin.val_step_context
        return Model(pl_module, autocast, probes.to(pl_module.device), self.forward, self.output_key)

    def _metrics(self) -> dict[str, float]:
        """The last finite values of everything, so that monitors find them at every validation."""
        metrics = {f"{self.name}/{what}": value for what, value in self._costs.items()}
        for name, track in self._inquiry.tracks.items():
            metrics |= {f"{self.name}/{name}/{what}": value for what, value in track.metrics.items()}
        return metrics

    def _announce(self) -> None:
        names = [view.name for view in self.views]
        self._console.announce(self.count, names, self.settings.n_perturbations, self.every_n_epochs)
