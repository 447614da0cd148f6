"""Reports: shows everything in a run's folder on one page, an HTML file that needs no server and no network.

On the command line, ``python -m lime_callback report RUN_DIR`` writes the page, and ``compare RUN_A RUN_B`` one of two
runs side by side. In a notebook, ``read(path)`` returns a
run that shows itself.
"""

from lime_callback.report.comparison_page import comparison_text, write_comparison
from lime_callback.report.html_page import write_page
from lime_callback.report.run_comparison import Comparison, compare_runs
from lime_callback.report.run_folder import Run, find_runs, read

__all__ = [
    "Comparison",
    "Run",
    "compare_runs",
    "comparison_text",
    "find_runs",
    "read",
    "write_comparison",
    "write_page",
]
