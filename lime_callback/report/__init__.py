"""A run on one page: everything that its folder holds, in an HTML file that needs no server and no network.

On the command line ``python -m lime_callback report RUN_DIR``; in a notebook ``read(path)``, which shows itself.
"""

from lime_callback.report.html_page import write_page
from lime_callback.report.run_folder import Run, find_runs, read

__all__ = ["Run", "find_runs", "read", "write_page"]
