"""How channels are named, and how groups of them become features."""
