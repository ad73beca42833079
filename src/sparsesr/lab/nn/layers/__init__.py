"""Layers shared by the networks; those with a special inference form lower themselves (method ``lower``)."""
