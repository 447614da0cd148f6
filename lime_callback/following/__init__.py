"""Following: one view over a run, from the first explanation to the last.

Begin with :mod:`~lime_callback.following.followed_view`: what is pinned of a view, and what its explanations have been.
All metrics stand in :mod:`~lime_callback.following.metric_table`. Numbers over the epochs are in
:mod:`~lime_callback.following.epoch_series`, a view's part of a checkpoint in
:mod:`~lime_callback.following.explanation_checkpoint`, the user's arguments in
:mod:`~lime_callback.following.callback_config`, and what a view needs to be explained in
:mod:`~lime_callback.following.explain_context`.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.following.probe_predictions import ProbePredictions

__all__ = ["ProbePredictions"]

__getattr__, __dir__ = lazily(
    __name__,
    {"probe_predictions": ["ProbePredictions"]},
)
