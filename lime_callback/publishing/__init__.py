"""Publishing: brings an explained epoch to the loggers and into the run's folder.

Begin with :mod:`~lime_callback.publishing.publisher`, which gathers an epoch's results. A process draws the pictures
(:mod:`~lime_callback.publishing.drawing_process`), a thread delivers them
(:mod:`~lime_callback.publishing.delivery_thread`), and a sink for each logger shows them
(:mod:`~lime_callback.publishing.sinks`).
"""
