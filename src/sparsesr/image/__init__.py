"""Image input and output: decoding, encoding, metadata, colour, alpha, exact bicubic, PSNR and SSIM.

Import the module you need (``from sparsesr.image.decode import decode``); importing the package itself
loads neither numpy nor libvips.
"""
