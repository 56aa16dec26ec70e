"""Runners of experiments side by side: each in a process and an environment of its own.

- ``limited``: a model's server that allows so much a second
- ``limits_worker``, ``runs_worker``: one runner's part, as its users write it
"""
