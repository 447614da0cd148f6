"""What stands for metrics that were not measured: for monitors, which need a value, and never for loggers."""

from __future__ import annotations

from lime_callback.comparing.attribution_shift import LONGEST

# Monitors need a finite value from the first validation on. Where there is nothing to compare with yet, it is the worst
# there can be: it stops no run, and no later epoch is worse than it.
NOTHING_YET = {
    "score": 0.0,
    "score_min": 0.0,
    "gated": 0.0,
    "faithfulness": 0.0,
    "drift": 2.0,
    "drift_from_start": 2.0,
    "noise_floor": 2.0,
    "rank_correlation": -1.0,
    "top5_overlap": 0.0,
    "changed": 1.0,
    "moved": 1.0,
    "moved_from_start": 1.0,
    "scale": LONGEST,
    "flipped": 1.0,
    "prediction_changed": 1.0,
    "settled": -1.0,
}
OF_CHANGE = NOTHING_YET.keys() - {"score", "score_min", "gated", "faithfulness"}
"""What needs an explanation before, of the same probes."""
