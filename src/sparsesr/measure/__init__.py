"""Measuring: quality on image sets, latency, masks, the cost of a precision, and other runtimes. Imports no torch."""
