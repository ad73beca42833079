"""Everything that measures, without torch.

Quality: ``protocol`` (sets and pairs), ``method`` (what is measured: ``native``, ``bicubic``, ``chopped``),
``quality``, ``tables``, ``quality_plot``, ``precision_cost``. Time: ``latency`` (anything side by side), ``bench`` (a
model, layer by layer), ``mask_report`` (what masks saved), ``peers`` (other runtimes).
"""
