"""Importing this teaches Pillow to read HEIC: the picture alone, none of what may lie beside it.

Thumbnails, depth maps and auxiliary images are left alone because each is more of a large C++
library that a stranger's bytes would reach (docs/decisions/0023).
"""

from pillow_heif import register_heif_opener

register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
