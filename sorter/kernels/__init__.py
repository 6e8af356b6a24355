"""Numba kernels: the only place that imports numba.

Integer arrays in, integer arrays out; no strings, no allocation, no exceptions. May import
``model`` only.
"""
