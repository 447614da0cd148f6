"""The callback: its arguments, and what can be asked of it. Its hooks have a module of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lime_callback.comparing.drift import RELEVANT, Drift
from lime_callback.comparing.reference import ReferenceRow
from lime_callback.explaining.explanation import Explanation
from lime_callback.explaining.package_presets import Like
from lime_callback.explaining.reliance_result import Reliance
from lime_callback.following.callback_config import CallbackConfig
from lime_callback.following.probe_predictions import ProbePredictions
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import Output
from lime_callback.probes.batch_entries import Key
from lime_callback.probes.probe_choices import ChoiceName
from lime_callback.probes.ranked_samples import Choice
from lime_callback.sampling.baselines import Baseline, BaselineName
from lime_callback.sampling.designs import Design, DesignName
from lime_callback.sampling.locality_kernels import Kernel, KernelName
from lime_callback.surrogates.linear_models import Surrogate
from lime_callback.surrogates.surrogate_names import SurrogateName
from lime_callback.training.hooks import Hooks
from lime_callback.views import View
from lime_callback.views.watch import Watch

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator  # LightningCLI finds it here, too


class LimeCallback(Hooks):
    """Explains a fixed set of validation samples with LIME at the end of validation epochs, and logs what it finds.

    Metrics, for every view as ``<name>/<view>/...``: ``score`` and ``score_min`` (R² of rows left out, mean and least
    over the probes), ``gated`` (explanations that do not count), ``faithfulness`` (how much sooner the output falls and
    rises in the explanation's order than in a random one); for a watch ``watch/<name>`` (its share of the attribution),
    ``watch_error/<name>``, ``watch_reference/<name>`` (its share of the elements), ``reliance/<name>`` (the share of
    predictions that change when it is hidden) and ``reliance/<name>_expected`` (of random sets as large); since the
    previous explained epoch ``moved`` (share of the attribution that went elsewhere), ``scale`` (binary logarithm of
    how many times longer the attribution became), ``flipped`` (share of the attribution whose sign turned), ``changed``
    (share of the features that changed by more than what matters), ``prediction_changed``, ``drift`` and
    ``noise_floor`` (cosine distance of the coefficients), ``rank_correlation``, ``top5_overlap``, ``similarity`` (of
    maps); since the first ``moved_from_start`` and ``drift_from_start``, against a reference ``moved_from_reference``,
    ``drift_from_reference`` and ``changed_from_reference``; ``settled``, the epoch since which nothing that matters has
    moved; and ``<name>/seconds``, ``<name>/forwards``, ``<name>/perturbations``. All can be monitored from the first
    validation on: monitors find the worst value there can be for what has nothing to compare with yet, and loggers get
    none. ``trainer.test`` explains samples of the test set, as ``<name>/test/...``, with nothing to compare with.
    Without any validation, samples of the training set are explained at the end of training epochs.

    The run is not changed: random state, modes, buffers, metrics and plain attributes of all modules are as before.
    What a forward does outside of the modules stays done; :func:`lime_callback.is_explaining` lets the model know.

    Args:
        views: a view or several. ``None``: ``Superpixels()``, and ``Superbands()`` too when wavelengths are given; of
            samples without pixels ``Superbands()`` alone, named ``elements`` where there are no wavelengths.
        wavelengths: one for each channel, in nm, in any order.
        layout: the axes of one sample: ``"CHW"``, ``"HWC"``, ``"CWH"``, ``"1CHW"``, ``"C"``, ...
        probes: how many validation samples are explained, spread evenly over the validation set and then kept; or
            which: their numbers, ``"one_per_class"``, ``"misclassified"``, ``"unsure"``, ``"highest_loss"``, or an
            object of ``lime_callback.probes``, such as ``Unsure(count=4, anew=True)``.
        target: which output: ``"auto"`` (the label's, where the batch has one integer label a sample that is a class
            of the model; else as ``"predicted"``), ``"predicted"`` (the largest, as it is at the first explained epoch;
            of a regression, whose outputs may have different units, the first), ``"label"``, ``"all"``, an index, a
            list of indices, or a function of the outputs such as ``TopLabels(3)``, asked once.
        every_n_epochs: explain at the first validation, and again when this many epochs have passed.
        n_perturbations: of each probe and view.
        design: how perturbations are drawn: ``"orthogonal"`` (if ``None``), ``"paired"``, ``"bernoulli"`` or a
            ``lime_callback.sampling.Design``.
        baseline: what hidden elements become: ``"data"``, each channel's mean over the background (if ``None``, for
            features that are cut by channel), ``"blur"`` (if ``None``, for superpixels), ``"background"``, values of
            its samples (if ``None``, for samples without pixels, such as vectors), ``"mean"`` (if ``None`` and there is
            no background), ``"zero"``, ``"segment_mean"``, a number, one for each channel, a tensor, a function of the
            inputs, or a ``lime_callback.sampling.Baseline``.
        kernel: how much each counts: ``"cosine"`` (if ``None``), ``"euclidean"``, ``"none"`` or a
            ``lime_callback.sampling.Kernel``.
        surrogate: the linear model: ``"ridge"`` (if ``None``), ``"lasso"``, a ``Ridge`` or ``Lasso`` with settings, or
            a linear regressor of scikit-learn.
        like: sets design, baseline, kernel and surrogate as another package has them by default, to compare with it:
            ``"lime_image"``, ``"lime_tabular"``, ``"captum"`` or ``"meteors"``, see ``lime_callback.explaining``. What
            it sets has to be left out.
        output: scale of the output: ``"auto"`` (``"centered"`` for logits of classes, of which the labels are integers,
            ``"log_softmax"`` for classes of samples without pixels, such as vectors, else ``"raw"``; ``"raw"`` with
            ``like=``), ``"raw"``, ``"centered"`` (less the mean of all logits, so that what is added to all of them
            counts for nothing), ``"log_softmax"`` (the log-probability), ``"softmax"``, ``"sigmoid"``, a function that
            turns the model's output into ``[m, K]``, such as ``Contrast(3, 5)``, output 3 less output 5, or for
            segmentation a ``lime_callback.outputs.Reducer``, such as ``ClassRegion()``.
        watch: named sets of wavelengths, bands or pixels whose reliance and share of the attribution are logged, and
            that raise an alarm when the model rests on them: ``{"water": [(1350.0, 1430.0), (1800.0, 1950.0)]}``. A
            :class:`~lime_callback.Watch` has bounds of its own: ``{"water": Watch([...], reliance=0.3)}``, or in YAML
            ``water: {bands: [{from: 1350, to: 1430}, {from: 1800, to: 1950}], reliance: 0.3}``.
        reliance: whether to measure what hiding each watch, and each superband, changes in the model's answers, beside
            random sets of as many channels or pixels: their values come from other validation samples. It costs at most
            as many forwards as one view, and nothing where there is neither a watch nor a view of superbands.
        gate: explanations whose R² is below this, or whose perturbations are too few, are drawn pale and kept out of
            the drift, of means, of lines and of shares; ``None`` keeps all.
        relevant_change: the smallest change that matters, as a share of the attribution: ``changed`` counts features
            that changed by more, and ``settled`` waits until less has moved.
        reference: what to compare with besides: the path of a checkpoint of the same model, or of an explanation that
            ``Explanation.save`` wrote (a dictionary from view to path where there are several views).
        class_names: of the outputs.
        max_batch_size: perturbed inputs a forward at most; ``None``: as many as a validation batch has. Where memory
            does not suffice, half as many are tried.
        time_budget: seconds that an explained epoch may take, or a share of the validation's time such as ``"20%"``.
            Fewer perturbations are used to keep it: the first half, quarter, ... of each design; ``perturbations`` says
            how many.
        stem: ``"auto"`` replaces the model's first layer by what it makes of each feature, where it is linear and where
            that is cheaper than perturbed inputs; ``"off"`` makes them.
        background: how many validation samples are kept on the CPU beside the probes, spread evenly over the validation
            set, for what hidden elements become. 0: none.
        pictures: whether to draw; metrics, history and alarms are there without, too.
        on_error: ``"warn"`` reports what fails in an explanation, once, and training goes on; ``"raise"`` is for tests.
            Arguments that do not fit the data raise before training starts, either way.
        seed: of the designs, of the random orders and of the random sets.
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
        probes: int | list[int] | ChoiceName | Choice = 8,
        target: Literal["auto", "predicted", "label", "all"] | int | list[int] | Callable[[Any], Any] = "auto",
        every_n_epochs: int = 1,
        n_perturbations: int = 256,
        design: DesignName | Design | None = None,
        baseline: BaselineName | float | Iterable[float] | Baseline | Callable[[Any], Any] | None = None,
        kernel: KernelName | Kernel | None = None,
        surrogate: SurrogateName | Surrogate | BaseEstimator | None = None,
        like: Like | None = None,
        output: Literal["auto"] | Output | Reducer | Callable[[Any], Any] = "auto",
        watch: Mapping[str, Watch | str | Iterable[Any] | Mapping[str, Any]] | None = None,
        reliance: bool = True,
        gate: float | None = 0.2,
        relevant_change: float = RELEVANT,
        reference: str | Path | dict[str, str] | None = None,
        class_names: Sequence[str] | None = None,
        max_batch_size: int | None = None,
        time_budget: float | str | None = None,
        stem: Literal["auto", "off", False] = "auto",
        background: int = 64,
        pictures: bool = True,
        on_error: Literal["warn", "raise"] = "warn",
        seed: int = 0,
        name: str = "lime",
        input_key: Key | None = None,
        label_key: Key | None = None,
        output_key: Key | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        # By their names and all at once: an argument is named here, where it is checked, and where it is used.
        super().__init__(CallbackConfig.of(locals()))

    def explanation(self, view: str) -> Explanation | None:
        """The last explanation of a view, on the CPU; ``None`` before the first.

        Raises:
            ValueError: if there is no such view.
        """
        return self._latest.loop.view(view).last

    def predictions(self, view: str) -> ProbePredictions | None:
        """What the model said of each probe when it was explained last, and what is true; ``None`` before the first.

        Raises:
            ValueError: if there is no such view.
        """
        return self._latest.loop.view(view).now

    def reliance(self, view: str) -> Reliance | None:
        """What hiding a view's watches and superbands changed last, see :class:`~lime_callback.explaining.Reliance`.

        ``None`` where there are neither, where it was not measured, or before the first explanation.

        Raises:
            ValueError: if there is no such view.
        """
        return self._latest.loop.view(view).reliance

    def reference_drift(self, view: str) -> Drift:
        """The last explanation of a view against the reference, see :class:`~lime_callback.comparing.Drift`.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._latest.loop.view(view).drift_from_reference()

    def reference_table(self, view: str) -> list[ReferenceRow]:
        """How each feature's coefficient has changed against the reference, as means over the probes.

        Args:
            view: name of a view whose features are the same for all probes.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._latest.loop.view(view).reference_table()
