#!/usr/bin/env python3
"""Copy the image without its multiboot 1 header, so that loaders which know both take the PVH entry: hide-multiboot.py IN OUT"""
import struct
import sys

MAGIC = struct.pack("<I", 0x1BADB002)
SEARCHED = 8192  # multiboot specification 0.6.96, section 3.1

with open(sys.argv[1], "rb") as f:
    image = f.read()
at = [i for i in range(0, SEARCHED, 4) if image[i:i + 4] == MAGIC]
if len(at) != 1:
    sys.exit(f"{sys.argv[1]}: {len(at)} multiboot headers, not one")
with open(sys.argv[2], "wb") as f:
    f.write(image[:at[0]] + bytes(4) + image[at[0] + 4:])
