"""Turns an explained view into rows of the history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lime_callback.outputs.targets import target_name
from lime_callback.publishing.sinks.history_csv import HistoryRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lime_callback.following.followed_view import FollowedView
    from lime_callback.publishing.explained_epoch import ExplainedEpoch


def history_rows(
    followed: FollowedView, explained: ExplainedEpoch, class_names: Sequence[str] | None
) -> Iterator[HistoryRow]:
    """Yield a view's last explanation as rows of the history: one for each probe, target and feature of the probe.

    A row names its probe by the sample's number if the probes were chosen among samples.

    Args:
        followed: the view, explained at least once.
        explained: the epoch.
        class_names: the outputs' names; ``None`` writes their numbers.
    """
    epoch, step, view = explained.epoch, explained.step, followed.view.name
    assert followed.last is not None, "explain comes first"
    explanation, numbers = followed.last, explained.probes.numbers
    names, epochs = explanation.features.names, followed.series.epochs[-1]
    present = explanation.features.present.expand(len(explanation.score), -1).tolist()
    coefficients, errors = explanation.coefficients.tolist(), explanation.standard_error.tolist()
    for probe, targets in enumerate(explanation.targets.tolist()):
        number = probe if numbers is None else numbers[probe]
        for t, target in enumerate(targets):
            score = float(explanation.score[probe, t])
            cells = ("", math.nan, "") if followed.now is None else followed.now.cells(probe, target, class_names)
            region = (-1, math.nan, math.nan) if followed.regions is None else followed.regions.cells(probe, target)
            for i, name in enumerate(names):
                if present[probe][i]:
                    yield HistoryRow(
                        epoch, step, view, number, target_name(target, class_names, followed.kind), name,
                        coefficients[probe][t][i], errors[probe][t][i], score, *cells, epochs, *region,
                    )  # fmt: skip
