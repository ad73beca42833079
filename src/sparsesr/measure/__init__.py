"""Measurement of quality and time, without torch.

Quality: ``protocol`` (sets and pairs), ``method`` (interface of the measured: ``native``, ``bicubic``, ``chopped``),
``quality``, ``tables``, ``quality_plot``, ``precision_cost``. Time: ``latency`` (contenders in turns), ``bench`` (a
model, layer by layer), ``mask_report`` (savings by mask), ``peers`` (other runtimes).
"""
