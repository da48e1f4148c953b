"""Reads what people have: NIfTI, ITK, pictures, pairs of image and mask, downloads, archives."""
