"""Backends execute plans; ``interface.py`` defines what a backend must provide."""
