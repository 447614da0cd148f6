"""Several inputs of a model as one: joined along the channels, and cut by a view of its own each."""
