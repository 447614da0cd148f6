"""Finds the picture that shows what is suspected: detectors name a kind of picture, and a run has views of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lime_callback.following.followed_view import FollowedView

_OF_CHANNELS = ("superbands", "waterfall", "effects")
_OF_CHANGES = ("drift", "drift_chart")
_PICTURES = (*_OF_CHANNELS, *_OF_CHANGES, "attributions", "superpixels", "features")
_OVER_EPOCHS = (*_OF_CHANGES, "waterfall", "effects")
_KINDS = ("spatial", "spectral")


def picture_of_run(picture: str, views: Iterable[FollowedView]) -> str:
    """Return the tag of a picture that the run has, or an empty text.

    Args:
        picture: the tag that a detector gave, without the callback's name: ``"<view>/<picture>"``. ``spatial`` and
            ``spectral`` stand for the first view that cuts pixels, and channels, whatever the run's are called.
        views: the run's, explained at least once.
    """
    name, _, kind = picture.partition("/")
    usable = [view for view in views if view.last is not None]
    known = [view for view in usable if view.view.name == name]
    suited = [view for view in (*known, *(usable if name in _KINDS else ())) if _has(view, name, kind)]
    if suited:
        return f"{suited[0].view.name}/{kind}"
    # A picture of another kind is made by whoever wrote the detector.
    return "" if kind in _PICTURES or name in _KINDS else picture


def _has(view: FollowedView, name: str, kind: str) -> bool:
    """Whether a view has such a picture, and one that shows what a detector means by the name."""
    assert view.last is not None, "these were explained"
    _, channels, *pixels = view.last.features.canonical.shape
    spectral = channels > 1 and max(pixels) == 1
    if kind in _OVER_EPOCHS and view.anew:
        return False
    if kind in _OF_CHANGES:
        return True
    if name in _KINDS and spectral != (name == "spectral"):
        return False
    if kind in _OF_CHANNELS:
        return spectral
    return {"attributions": True, "superpixels": channels == 1, "features": channels > 1 and not spectral}.get(
        kind, False
    )
