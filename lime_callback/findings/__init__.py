"""Findings: what is wrong with a run, if anything; looked for by itself at every explained epoch.

Read in this order: ``epoch_facts`` (what an explained epoch knows), ``hidden`` and ``investigation`` (which sets
are hidden in the background, and what that changes), ``suspicion`` (a detector, and what it says), then the
detectors by their subject (``band_findings``, ``place_findings``, ``answer_findings``, ``training_findings``,
``input_findings``, ``trust_findings``), ``shown_where`` (which picture of the run shows it), and ``ledger``, the one
place that decides what is told.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.findings.detectors import DETECTORS
    from lime_callback.findings.epoch_facts import (
        EpochFacts,
        HiddenSets,
        InputFacts,
        StampChanges,
        ViewFacts,
        WeightFacts,
    )
    from lime_callback.findings.suspicion import Detector, Suspicion
    from lime_callback.publishing.finding import Figure, Finding

__all__ = [
    "DETECTORS",
    "Detector",
    "EpochFacts",
    "Figure",
    "Finding",
    "HiddenSets",
    "InputFacts",
    "StampChanges",
    "Suspicion",
    "ViewFacts",
    "WeightFacts",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "detectors": ["DETECTORS"],
        "epoch_facts": [
            "EpochFacts",
            "Figure",
            "HiddenSets",
            "InputFacts",
            "StampChanges",
            "ViewFacts",
            "WeightFacts",
        ],
        "ledger": ["Finding"],
        "suspicion": ["Detector", "Suspicion"],
    },
)
