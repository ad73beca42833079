"""Peers: other runtimes with the same weights and image, for ``sparsesr bench --peers``.

None of them is a dependency; any installed one can be named. All get the leanest dense form of the network
(:mod:`sparsesr.interchange.dense_model`) and the image as a float tensor, converted beforehand.
"""
