"""Enlarging pictures: the plan under a memory limit, tiles, the ``Upscaler`` and the view of its masks.

Importing the package loads nothing; import the module that you need.
"""
