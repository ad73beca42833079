"""Passes over the typed graph of a network: fusion, segments, zero fill, number types, cost."""
