"""Training: when what is done, and what is kept of the probes over a run.

Begin with :mod:`~lime_callback.training.hooks`, which Lightning calls; a session
(:mod:`~lime_callback.training.probe_session`) captures probes and explains them, and the view loop goes
through the views. Beside them stand the budget of perturbations, the progress bar and the metrics' names.
"""
