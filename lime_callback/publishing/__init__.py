"""Publishing: an explained epoch on its way to the loggers.

Begin with :mod:`~lime_callback.publishing.publisher`, which gathers what there is to see. A thread delivers it
(:mod:`~lime_callback.publishing.delivery_thread`), a process of its own draws
(:mod:`~lime_callback.publishing.drawing_process`), and each logger has a sink in
:mod:`~lime_callback.publishing.sinks`.
"""
