"""Hidden: sets of bands and pixels that are hidden in the background, to tell what the model rests on.

Begin with :mod:`~lime_callback.findings.hidden.hidden_sets_plan`, which takes ranges of the air and the sensor from
:mod:`~lime_callback.findings.hidden.physical_ranges` and padding from :mod:`~lime_callback.findings.hidden.padding`.
:mod:`~lime_callback.findings.hidden.set_changes` says what hiding them changes.
"""
