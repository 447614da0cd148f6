"""The names under which a run logs pictures and metrics of superpixels, "spatial", and of superbands, "spectral"."""

from lime_callback.following.metric_table import METRICS

VIEWS = ("spatial", "spectral")
# The pictures that both views have, in the order in which a dashboard shows them, and those of superbands alone.
OF_BOTH = [
    f"lime/{view}/{what}"
    for view, bars in zip(VIEWS, ("superpixels", "superbands"), strict=True)
    for what in ("attributions", bars, "drift_chart")
]
PICTURES = [*OF_BOTH, "lime/spectral/waterfall", "lime/spectral/effects"]


def metrics_of_one_epoch(watch=None):
    """What a view's metrics are where nothing came before, by the table; those of a watch with the watch's name."""
    names = [one.name for one in METRICS if one.since is None]
    return {name.replace("<watch>", watch or "") for name in names if watch or "<watch>" not in name}


def verdict_measures(watch):
    """What `measures.csv` has of the verdict on a watch, of classes whose labels are known."""
    whats = ("use", "low", "high", "samples", "class", "class_changed", "class_samples", "accuracy", "accuracy_hidden")
    return {f"reliance_{what}/{watch}" for what in whats}


def further_classes(watch):
    """What it may have of a second and a third class."""
    whats = ("class", "class_changed", "class_samples")
    return {f"reliance_{what}{end}/{watch}" for what in whats for end in ("_2", "_3")}
