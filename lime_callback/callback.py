"""The callback: its arguments, and what users can ask it. Its hooks have a module of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lime_callback.checks.entry_paths import Key as OutputKey
from lime_callback.checks.plain_values import plain
from lime_callback.comparing.drift import RELEVANT, Drift
from lime_callback.comparing.reference import ReferenceRow
from lime_callback.explaining.explanation import Explanation
from lime_callback.explaining.package_presets import Like
from lime_callback.explaining.reliance_result import Reliance
from lime_callback.findings.suspicion import Detector
from lime_callback.following.callback_config import CallbackConfig
from lime_callback.following.probe_predictions import ProbePredictions
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import Output
from lime_callback.probes.batch_entries import Key
from lime_callback.probes.probe_choices import ChoiceName
from lime_callback.probes.ranked_samples import Choice
from lime_callback.publishing.finding import Finding
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

    For every view it logs these metrics, as ``<name>/<view>/...``:

    - how good the explanations are: ``score`` and ``score_min`` are the mean and the least R² over the probes, of rows
      that were left out of the fit; ``gated`` counts the explanations that do not count; ``faithfulness`` says how much
      sooner the output falls and rises in the explanation's order than in a random one;
    - for a watch: ``watch/<watch>`` is its share of the attribution, ``watch_error/<watch>`` the error of that share,
      and ``watch_reference/<watch>`` its share of the elements; ``reliance/<watch>`` is the share of the predictions
      that change when it is hidden, and ``reliance/<watch>_expected`` the same of random sets as large;
    - against the explained epoch before: ``moved`` is the share of the attribution that went elsewhere, ``scale`` the
      binary logarithm of how many times longer the attribution became, ``flipped`` the share of the attribution whose
      sign turned, ``changed`` the share of the features that changed by more than what matters; ``prediction_changed``
      says how far the predictions changed (of classes, the share of the probes whose class is another); ``drift`` is
      the cosine distance of the coefficients, ``noise_floor`` what noise alone makes of it; ``rank_correlation`` and
      ``top5_overlap`` compare the features' order, ``similarity`` is the concordance of the maps;
    - against the first explained epoch: ``moved_from_start`` and ``drift_from_start``;
    - against the reference: ``moved_from_reference``, ``drift_from_reference`` and ``changed_from_reference``;
    - ``settled`` is the epoch since which nothing that matters has moved.

    ``<name>/seconds``, ``<name>/forwards`` and ``<name>/perturbations`` say what an explained epoch took.
    ``<name>/findings`` counts what is wrong with the run, and ``<name>/finding/<finding>`` says how severe each is,
    from 0 to 1, see :meth:`findings`.

    Monitors find all of these from the first validation on, but for ``similarity``. Where there is nothing yet to
    compare with, monitors find the worst value that there can be, and loggers get none.

    ``trainer.test`` and ``trainer.validate`` explain samples as ``<name>/test/...`` and ``<name>/validate/...``, and
    compare them with nothing. In a run without validation, the callback explains samples of the training set at the end
    of training epochs.

    The callback does not change the run: it puts back the random state, and the modes, buffers, metrics and plain
    attributes of all modules. It cannot undo what a forward does outside of the modules;
    :func:`lime_callback.is_explaining` lets the model know when a forward is made for an explanation.

    Args:
        views: a view or several. ``None`` takes ``Superpixels()``, and ``Superbands()`` too when wavelengths are given.
            Samples without pixels get ``Superbands()`` alone, named ``elements`` where there are no wavelengths.
            Several inputs get ``PerInput()``, a view each, and ``WholeInputs()``, a feature each.
        wavelengths: one for each channel, in nm, in any order; or by their unit, ``{"um": values}``,
            ``{"angstrom": values}`` or ``{"cm-1": values}``, which become nm; or the key of a batch entry ``[C]`` or
            ``[B, C]`` with them, in nm.
        layout: the axes of one sample: ``"CHW"``, ``"HWC"``, ``"CWH"``, ``"1CHW"``, ``"C"``, ... An axis of times,
            ``"CTHW"``, or of depths, ``"CDHW"``, is explained as more channels, the first step first: superpixels
            reach over all steps, ``Superbands(wavelengths)`` too, and ``WholeInputs()`` takes each step as a feature.
        probes: how many validation samples are explained. They are spread evenly over the validation set, and then
            stay. Or which samples: their numbers, ``"one_per_class"``, ``"misclassified"``, ``"unsure"``,
            ``"highest_loss"``, or an object of ``lime_callback.probes``, such as ``Unsure(count=4, anew=True)``, or
            ``HasClass("water")`` for samples whose mask has a class.
        target: which output is explained. ``"auto"`` is the label's, where the batch has one integer label a sample
            that is a class of the model, and else ``"predicted"``. ``"predicted"`` is the largest output at the first
            explained epoch; of a regression, whose outputs may have different units, it is the first output.
            ``"label"`` and ``"all"`` are what they say. An index or a name in ``class_names``, a list of these, or a
            function of the outputs such as ``TopLabels(3)``, which is asked once, choose others.
        every_n_epochs: explain at the first validation, and again at the first one after this many epochs; 1 explains
            at each validation, also where there are several in an epoch. ``"auto"`` explains the first two, measures
            what the second took, and chooses once how many validations are left out from then on, so that explanations
            take a tenth of the run's time; the run's last validation is explained. A resumed run keeps the choice.
            Where ``EarlyStopping`` waits for one of the metrics, each validation is explained.
        every_n_validations: instead, explain at the first validation and at every n-th one after it, for runs that
            validate several times in an epoch, or count steps.
        n_perturbations: how many perturbations each probe gets in each view.
        design: how perturbations are drawn: ``"orthogonal"`` (if ``None``), ``"paired"``, ``"bernoulli"`` or a
            ``lime_callback.sampling.Design``.
        baseline: what hidden elements become. ``"data"`` is each channel's mean over the background (if ``None``, for
            features that are cut by channel), ``"blur"`` the blurred input (if ``None``, for superpixels),
            ``"background"`` the values of other samples (if ``None``, for samples without pixels, such as vectors),
            and ``"mean"`` each channel's mean over the input (if ``None`` and there is no background). Others are
            ``"zero"``, ``"segment_mean"``, a number, one for each channel, a tensor, a function of the inputs, or a
            ``lime_callback.sampling.Baseline``. ``"absent"`` leaves the tokens of hidden patches out of a vision
            transformer, best with ``Superpixels(method="tokens")``, or bands with their wavelengths out of a model that
            takes both; where that cannot be, the run says why, and hides as if ``None``.
        kernel: how much each perturbation counts in the fit: ``"cosine"`` (if ``None``), ``"euclidean"``, ``"none"`` or
            a ``lime_callback.sampling.Kernel``.
        surrogate: the linear model: ``"ridge"`` (if ``None``), ``"lasso"``, a ``Ridge`` or ``Lasso`` with settings, or
            a linear regressor of scikit-learn.
        like: sets design, baseline, kernel and surrogate as another package has them by default, to compare with it:
            ``"lime_image"``, ``"lime_tabular"``, ``"captum"``, ``"meteors"``, or ``"kernel_shap"`` for Shapley values,
            see ``lime_callback.explaining``. Leave out what it sets, but for the baseline of ``"kernel_shap"``.
        output: scale of the output. ``"auto"`` takes ``"centered"`` for logits of classes, if the labels are integers,
            ``"log_softmax"`` for classes of samples without pixels, such as vectors, and else ``"raw"``; with ``like=``
            it takes ``"raw"``. ``"centered"`` subtracts the mean of all logits, so that what is added to all of them
            counts for nothing. ``"log_softmax"`` is the log-probability. ``"raw"``, ``"softmax"`` and ``"sigmoid"`` are
            what they say. A function turns the model's output into ``[m, K]``, such as ``Contrast(3, 5)``, output 3
            less output 5; for segmentation, a ``lime_callback.outputs.Reducer`` does: ``ClassRegion()``, the mean over
            the pixels that are predicted as a class, or better ``ClassRegion(region="mask")``, over those of the
            batch's mask.
        watch: named sets of wavelengths, bands or pixels: ``{"water": [(1350.0, 1430.0), (1800.0, 1950.0)]}``. The
            callback logs their reliance and their share of the attribution, and raises an alarm when the model rests on
            them. A :class:`~lime_callback.Watch` has bounds of its own: ``{"water": Watch([...], reliance=0.3)}``, or
            in YAML ``water: {bands: [{from: 1350, to: 1430}, {from: 1800, to: 1950}], reliance: 0.3}``.
        reliance: whether to measure how the model's answers change when each watch, and each superband, takes the
            values of other validation samples, beside random sets of as many channels or pixels. It costs at most as
            many forwards as one view, and nothing where there is neither a watch nor a view of superbands. A number
            says on how many samples of the background the watches are measured instead, whatever that costs: about
            eight forwards for each watch and sample.
        findings: ``"warn"`` looks at each explained epoch whether anything is wrong, and says so once, with the
            evidence and one thing to do; ``"stop"`` ends the training then; ``"off"`` does not look. A list names the
            findings to look for, such as ``["shortcut_bands", "place"]``, and may hold a
            ``lime_callback.findings.Detector`` of your own. It costs at most a fifth of the explanations' forwards.
        gate: the least R² of an explanation that counts. Those below it, or of too few perturbations, are drawn pale
            and kept out of the drift, of means, of lines and of shares; ``None`` keeps all.
        relevant_change: the smallest change that matters, as a share of the attribution: ``changed`` counts features
            that changed by more, and ``settled`` waits until less has moved.
        reference: what to compare with besides: the path of a checkpoint of the same model, or of an explanation that
            ``Explanation.save`` wrote. Where there are several views, a dictionary from view to path.
        class_names: of the outputs. A single logit is that of the second of two classes: name both, or the second. It
            is explained for inputs of either class, and named so; a positive coefficient speaks for the second class.
        to_physical: turns inputs back into physical units, such as reflectance, for the pictures: ``(scale, offset)``
            for ``scale * input + offset``, with one number each or one for each channel; or a function of inputs
            ``[P, *dims]`` that returns the same shape. ``None`` shows inputs as the model gets them.
        max_batch_size: perturbed inputs a forward at most; ``None``: as many as a validation batch has, and at least 32
            where these take no more than 64 MB; on an accelerator as many as make a row cheaper, found out before the
            first explanation. Where memory does not suffice, the callback tries half as many. Of inputs whose hidden
            patches are absent, as many tokens, in up to twice as many rows.
        time_budget: seconds that an explained epoch may take, or a share of the validation's time such as ``"20%"``. To
            keep it, the callback uses the first half, quarter, ... of each design, as many as the median of the last
            three explained epochs affords; ``perturbations`` says how many those are. Where it is used up all the same,
            a second baseline, reliance and pictures are left out.
        stem: ``"auto"`` computes what the model's first layer makes of each feature, where that layer is linear and
            where this is cheaper than to make perturbed inputs; ``"off"`` makes them.
        background: how many validation samples are kept on the CPU beside the probes, spread evenly over the validation
            set, for what hidden elements become, and what reliance is measured on. More than 64 are kept as far as
            they take no more than 1 GB. 0: none.
        pictures: whether to draw; metrics, history and alarms are there without, too.
        charts: whether TensorBoard and MLflow also get the effect of each followed feature as a chart of its own: up to
            20 bands or 8 places a view, in TensorBoard with their 95 % intervals and histograms of all effects.
        on_error: ``"warn"`` reports what fails in an explanation, once, and training goes on; ``"raise"`` is for tests.
            Arguments that do not fit the data raise before training starts, either way.
        seed: of the designs, of the random orders and of the random sets.
        name: of the callback: first part of all metrics and tags, and its folder in the run's folder. Two callbacks of
            a trainer need different ones, such as ``name="lime2"`` for the second.
        input_key: the batch's entry with the images: its name or number, a path such as ``"image.S2"`` or ``(0, 1)``,
            or a function of the batch; ``None`` takes the one that fits the layout and the wavelengths. Integers are
            perturbed as floating-point numbers, and the model gets the nearest ones, in the dtype of the batch. A
            list, ``["hsi", "lidar"]``, names several inputs, which are explained together: the model gets them in this
            order, ``module(hsi, lidar)``, unless there is a ``forward``.
        label_key: the batch's entry with the labels, in the same ways; ``None`` looks for it.
        output_key: the prediction in the model's output: a key, a place, an attribute, or a path of these,
            ``"head.logits"`` or ``("head", "logits")``; ``None`` looks for it.
        forward: for models that need more than the image: a function that takes the LightningModule and a batch of the
            validation's structure, and returns the output. In that batch the images are perturbed, and every other
            entry belongs to them.

    Raises:
        ValueError: if an argument's value is out of range or an unknown name, or two arguments do not fit each other.
        TypeError: if an argument is of another kind.
    """

    def __init__(
        self,
        views: View | Sequence[View] | None = None,
        *,
        wavelengths: Sequence[float] | Mapping[str, Sequence[float]] | str | None = None,
        layout: str = "CHW",
        probes: int | list[int] | ChoiceName | Choice = 8,
        target: (
            Literal["auto", "predicted", "label", "all"] | int | list[int] | Callable[[Any], Any] | str | list[str]
        ) = "auto",
        every_n_epochs: int | Literal["auto"] = "auto",
        every_n_validations: int | None = None,
        n_perturbations: int = 256,
        design: DesignName | Design | None = None,
        baseline: BaselineName | float | Iterable[float] | Baseline | Callable[[Any], Any] | None = None,
        kernel: KernelName | Kernel | None = None,
        surrogate: SurrogateName | Surrogate | BaseEstimator | None = None,
        like: Like | None = None,
        output: Literal["auto"] | Output | Reducer | Callable[[Any], Any] = "auto",
        watch: Mapping[str, Watch | str | Iterable[Any] | Mapping[str, Any]] | None = None,
        reliance: bool | int = True,
        findings: Literal["warn", "stop", "off"] | Sequence[str | Detector] = "warn",
        gate: float | None = 0.2,
        relevant_change: float = RELEVANT,
        reference: str | Path | dict[str, str] | None = None,
        class_names: Sequence[str] | None = None,
        to_physical: Callable[[Any], Any] | tuple[float | Sequence[float], float | Sequence[float]] | None = None,
        max_batch_size: int | None = None,
        time_budget: float | str | None = None,
        stem: Literal["auto", "off", False] = "auto",
        background: int = 64,
        pictures: bool = True,
        charts: bool = False,
        on_error: Literal["warn", "raise"] = "warn",
        seed: int = 0,
        name: str = "lime",
        input_key: Key | list[Key] | None = None,
        label_key: Key | None = None,
        output_key: OutputKey | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        # By their names and all at once: an argument is named here, where it is checked, and where it is used.
        super().__init__(CallbackConfig.of(plain(locals())))

    def explanation(self, view: str) -> Explanation | None:
        """The last explanation of a view, on the CPU; ``None`` before the first, and where others have made it.

        With ``ddp_spawn`` and its like other processes train, and nothing of the callback comes back: a message then
        says where its files are.

        Raises:
            ValueError: if there is no such view.
        """
        return self._asked(view).last

    def predictions(self, view: str) -> ProbePredictions | None:
        """The model's predictions for the probes at the last explanation, and the truth; ``None`` before the first.

        Raises:
            ValueError: if there is no such view.
        """
        return self._asked(view).now

    def reliance(self, view: str) -> Reliance | None:
        """The last reliance on a view's watches and superbands, see :class:`~lime_callback.explaining.Reliance`.

        ``None`` where there are neither, where it was not measured, or before the first explanation.

        Raises:
            ValueError: if there is no such view.
        """
        return self._asked(view).reliance

    def findings(self) -> tuple[Finding, ...]:
        """What was found wrong with the run so far, in the order in which it was told; closed findings too.

        Each has a ``name``, a ``sentence``, its evidence as ``figures``, and the ``epoch`` at which it was told first.
        """
        return tuple(self._latest.questions.ledger.findings)

    def reference_drift(self, view: str) -> Drift:
        """The last explanation of a view against the reference, see :class:`~lime_callback.comparing.Drift`.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._asked(view).drift_from_reference()

    def reference_table(self, view: str) -> list[ReferenceRow]:
        """How each feature's coefficient has changed against the reference, as means over the probes.

        Args:
            view: name of a view whose features are the same for all probes.

        Raises:
            ValueError: if there is no such view, or no reference, or nothing was explained yet.
        """
        return self._asked(view).reference_table()
