"""Passes over the typed graph of a network: what is computed, in which types, and what that costs."""
