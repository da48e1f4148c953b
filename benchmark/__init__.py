"""Does a segmenter in the loss of an INR make the compressed MRI better to read, and on which
images does it not?
"""

__version__ = "0.2.0"
