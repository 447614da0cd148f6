"""Whether a model uses a set of channels or pixels, as a verdict with its evidence and in words."""
