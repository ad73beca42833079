"""Backends carry plans out; ``interface.py`` says what one must provide."""
