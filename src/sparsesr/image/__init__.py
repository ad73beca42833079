"""Pictures in and out: decode, encode, metadata, colour, alpha, exact bicubic, PSNR and SSIM.

Import the module that you need (``from sparsesr.image.decode import decode``); importing the package
itself loads neither numpy nor libvips.
"""
