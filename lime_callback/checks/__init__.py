"""Checks of arguments that several wings share, and files that are written as a whole.

Each returns the value in the form in which it is used, or says what is wrong with it. Nothing here is for
users. Begin with :mod:`~lime_callback.checks.arguments`.
"""
