"""Builds the layout of TensorBoard's custom scalars, which a run's callbacks and its user share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG, create_summary_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def layout_there(folder: str) -> Any:
    """Return the last layout in a run's folder, a TensorBoard message; an empty one if there is none.

    The user, another callback or an interrupted run may have written it.
    """
    layout = layout_pb2.Layout()
    for path in sorted(Path(folder).glob("*tfevents*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag == CONFIG_SUMMARY_TAG and value.tensor.string_val:
                    layout = layout_pb2.Layout.FromString(value.tensor.string_val[0])
    return layout


def layout_with(layout: Any, charts: Mapping[str, Mapping[str, Sequence[str]]]) -> Any:
    """Return the layout with a category for each view: a chart of all its lines, and a chart of each line.

    TensorBoard draws all lines of a run in one colour. So the first chart shows how far lines lie apart, and the others
    show which line is which. A category that exists under the same title is replaced.

    Args:
        layout: the present layout.
        charts: for each category's title its lines: a name, and the tags of value, lower and upper end.
    """
    new = layout_pb2.Layout()
    new.category.extend(category for category in layout.category if category.title not in charts)
    for title, lines in charts.items():
        all_lines = _chart("all that are followed: mean effects with their 95 % intervals", list(lines.values()))
        each = [_chart(name, [tags]) for name, tags in lines.items()]
        # TensorBoard shows the charts of a category from the last to the first.
        new.category.append(layout_pb2.Category(title=title, chart=[*reversed(each), all_lines]))
    return new


def _chart(title: str, lines: Sequence[Sequence[str]]) -> Any:
    series = [layout_pb2.MarginChartContent.Series(value=v, lower=low, upper=high) for v, low, high in lines]
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=series))


def summary_of(layout: Any) -> Any:
    """Return the layout as a summary that can be written to an event file."""
    tensor = TensorProto(dtype="DT_STRING", string_val=[layout.SerializeToString()])
    return Summary(value=[Summary.Value(tag=CONFIG_SUMMARY_TAG, tensor=tensor, metadata=create_summary_metadata())])
