"""Measures models: quality on picture sets, and agreement between the network and its exported form."""
